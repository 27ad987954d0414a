"""Made and real footage -> film strips and side-by-side videos as data that a page can hold."""

import base64
import io
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from talkface.evaluation.bench import Alignment
from talkface.evaluation.footage import FPS, Footage, common_length, compared_crops, sound_of
from talkface.geometry.resample import cut_patch
from talkface.media.speech import open_speech
from talkface.media.write import VideoWriter
from talkface.metrics.image import FACE_CROP
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class PictureSettings:
    """Sizes of the report's pictures."""

    moments: int = 10  # frames of a film strip
    thumb: int = 116  # pixels, side of one of them
    shown_size: int = 320  # pixels, side of one half of the side-by-side video
    shown_s: float = 20.0  # seconds of it at most: a page should stay small
    gap: int = 4  # pixels between the halves
    jpeg_quality: int = 82


PICTURES = PictureSettings()


def film_strip(real: Footage, made: Footage, alignment: Alignment) -> tuple[str, list[float]]:
    """The same moments of the real and the made video, as a JPEG data address, and their times in seconds."""
    length = common_length(made, real)
    moments = np.unique(np.round(np.linspace(0, length - 1, min(PICTURES.moments, length))).astype(int))
    to_made, to_real, _ = compared_crops(made, real, alignment)
    rows = []
    for footage, matrix in ((real, to_real), (made, to_made)):
        frames = _chosen(footage, moments)
        rows.append(np.hstack([_scaled(frames[int(moment)], matrix, PICTURES.thumb) for moment in moments]))
    return jpeg_address(np.vstack(rows)), [float(moment / FPS) for moment in moments]


def side_by_side(real: Footage, made: Footage, alignment: Alignment, folder: Path) -> tuple[str, str]:
    """Real left, made right, with the made video's sound, as an MP4 data address; and its middle frame as a JPEG."""
    length = min(common_length(made, real), round(PICTURES.shown_s * FPS))
    to_made, to_real, _ = compared_crops(made, real, alignment)
    speech = sound_of([made, real])
    path = folder / ".side_by_side.mp4"
    size = (2 * PICTURES.shown_size + PICTURES.gap, PICTURES.shown_size)
    poster = ""
    try:
        with VideoWriter(path, size, FPS, open_speech(speech) if speech else None, "for comparison", force=True) as out:
            for theirs, ours, index in zip(real.frames(), made.frames(), range(length), strict=False):
                frame = np.full((PICTURES.shown_size, 2 * PICTURES.shown_size + PICTURES.gap, 3), 255, np.uint8)
                frame[:, : PICTURES.shown_size] = _scaled(theirs, to_real, PICTURES.shown_size)
                frame[:, -PICTURES.shown_size :] = _scaled(ours, to_made, PICTURES.shown_size)
                out.write(frame)
                if index == length // 2:
                    poster = jpeg_address(frame)
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode(), poster
    finally:
        path.unlink(missing_ok=True)


def _chosen(footage: Footage, moments: FloatArray) -> dict[int, Image]:
    frames = enumerate(islice(footage.frames(), int(moments.max()) + 1))
    return {index: image for index, image in frames if index in moments}


def _scaled(image: Image, to_crop: FloatArray, size: int) -> Image:
    return cut_patch(image, to_crop * (size / FACE_CROP.compared_size), size)


def jpeg_address(image: Image) -> str:
    """`[H, W, 3]` -> a data address that an HTML page can hold."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=PICTURES.jpeg_quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
