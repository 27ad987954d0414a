"""Prepared clip in memory -> the files of its sample in a shard."""

import io
import json
from dataclasses import dataclass, field

import numpy as np

from talkface.data.interop.importers import read_features
from talkface.data.prepare.sync import SpeechOffset
from talkface.geometry.affine import rotation_vectors
from talkface.landmarks.pose import head_rotation
from talkface.types import Clip, FloatArray


@dataclass(frozen=True)
class Example:
    """A prepared clip in memory.

    Attributes:
        landmarks: `[T, 68, 2]` float32, crop pixels.
        crops: `[T, 2, 3]` float32 affine maps original -> crop.
        jpegs: the T encoded crops; none where only landmarks were imported.
        samples: 16 kHz float32 sound of T frames, or None.
        offset: measured sound-picture offset, or None.
        applied: frames by which the sound was moved.
        speech: sound is usable for training.
        fps: 25, less where frames were left out, or 0 for photos and for frames that are spread over a clip.
        first_frame: of the used stretch, counted at 25 fps from the start of the file.
        source_frames: frames looked at.
    """

    landmarks: FloatArray
    crops: FloatArray
    jpegs: list[bytes] = field(repr=False)
    samples: FloatArray | None
    offset: SpeechOffset | None
    applied: float
    speech: bool
    fps: float
    first_frame: int
    source_frames: int


def members(clip: Clip, example: Example) -> dict[str, bytes]:
    """The files of a sample: JSON, arrays and joined JPEGs."""
    ends = np.cumsum([0, *(len(jpeg) for jpeg in example.jpegs)])
    header = {
        "speaker": clip.speaker,
        "split": clip.split,
        "transcript": clip.transcript,
        **{name: value for name, value in clip.info.items() if name != "photos"},
        "num_frames": len(example.landmarks),
        "fps": example.fps,
        "first_frame": example.first_frame,
        "has_audio": example.samples is not None,
        "speech": example.speech,
        "sync_lag": example.offset.lag if example.offset else None,
        "sync_confidence": example.offset.confidence if example.offset else 0.0,
        "sync_applied": example.applied,
        "image_offsets": ends.tolist(),
    }
    files = {
        "json": json.dumps(header, ensure_ascii=False).encode(),
        "landmarks.npy": _npy(example.landmarks),
        "crops.npy": _npy(example.crops),
        "pose.npy": _npy(rotation_vectors(head_rotation(example.landmarks)).astype(np.float32)),
    }
    features = read_features(clip.video, int(str(clip.info["row"]))) if "row" in clip.info else None
    if features is not None:
        files["features.npy"] = _npy(features)
    if example.samples is not None:
        files["audio.npy"] = _npy(np.round(np.clip(example.samples, -1, 1) * 32767).astype(np.int16))
    files["mjpeg"] = b"".join(example.jpegs)
    return files


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
