"""Footage and speech -> LSE-C and LSE-D, cropped as the published SyncNet pipeline does."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from talkface.evaluation.footage import Footage
from talkface.geometry.resample import cut_patch
from talkface.metrics.lse import sync_embeddings, sync_score
from talkface.metrics.syncnet import SYNCNET, SyncNet
from talkface.types import FloatArray, Image, Waveform


@dataclass(frozen=True)
class SyncCrop:
    """SyncNet's crop around a face."""

    forehead: float = 0.3  # of the height brow to chin: reach of the published pipeline's boxes above the brows
    margin: float = 0.4  # of the box's half side, the published pipeline's crop scale
    smoothed: int = 13  # frames of the median filter on the box


SYNC_CROP = SyncCrop()


def lip_sync_scores(network: SyncNet, footage: Footage, length: int, speech: Waveform) -> dict[str, float]:
    """`lse_c`, `lse_d` and `av_offset` of the first `length` frames; empty below 6 frames."""
    embeddings = sync_embeddings(network, sync_crops(footage, length), length, speech)
    if embeddings is None:
        return {}
    found = sync_score(*embeddings)
    return {"lse_c": found.lse_c, "lse_d": found.lse_d, "av_offset": float(found.offset)}


def sync_crops(footage: Footage, length: int) -> Iterator[Image]:
    """`[224, 224, 3]` RGB crops of the published pipeline around each frame's face.

    That pipeline boxes faces with S3FD from hairline to chin; here the box is the landmarks' with 30 % of its height
    above the brows. Half side s and centre are median-filtered over 13 frames; the crop reaches 1.4 s to the sides,
    s above and 1.8 s below the centre. Other detectors give other scores: compare only within one table.
    """
    boxes = _face_boxes(footage.landmarks[:length])
    for image, (x, y, half) in zip(footage.frames(), boxes, strict=False):
        side = half * (2 + 2 * SYNC_CROP.margin)
        scale = SYNCNET.side / side
        left, top = x - half * (1 + SYNC_CROP.margin), y - half
        yield cut_patch(image, np.array([[scale, 0, -scale * left], [0, scale, -scale * top]]), SYNCNET.side)


def _face_boxes(landmarks: FloatArray) -> FloatArray:
    """`[T, 3]` centre x, y and half side in pixels; frames without a face take their neighbours'."""
    seen = np.isfinite(landmarks[:, 0, 0])
    low, high = landmarks.min(1), landmarks.max(1)
    low = np.column_stack([low[:, 0], low[:, 1] - SYNC_CROP.forehead * (high[:, 1] - low[:, 1])])
    boxes = np.column_stack([(low + high) / 2, (high - low).max(1) / 2])
    filled = np.column_stack([np.interp(np.arange(len(boxes)), np.flatnonzero(seen), x[seen]) for x in boxes.T])
    size = min(SYNC_CROP.smoothed, len(filled) - 1 + len(filled) % 2)
    return np.asarray(median_filter(filled, (size, 1), mode="nearest"))
