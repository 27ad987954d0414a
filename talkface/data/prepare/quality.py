"""Prepared clip -> how large, sharp, turned and in time its face is, whether that will do, and histograms of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from talkface.data.prepare.crops import window_map
from talkface.data.prepare.example import Example
from talkface.data.prepare.frames import Refusal
from talkface.data.prepare.manifest import Record
from talkface.data.prepare.preprocess import PreprocessConfig
from talkface.data.prepare.sync import mismatch_p
from talkface.files.write import atomic_write
from talkface.geometry.resample import cut_patch
from talkface.landmarks.face import box_of_landmarks
from talkface.landmarks.pose import head_rotation
from talkface.media.photo import encode_png
from talkface.types import DEFAULT_FPS, FloatArray, Image


@dataclass(frozen=True)
class Quality:
    """Measures of a clip; None of what it has not.

    Attributes:
        face: width of the face's box in pixels of the source, the median over frames.
        sharpness: standard deviation of the Laplacian of luma of the face at 96 pixels, the median over five frames.
        turn: degrees by which the head looks away from the camera, the median over frames.
        sync_p: probability that a sound that does not belong to the face would fit it as well.
    """

    face: float
    sharpness: float | None
    turn: float
    sync_p: float | None


def measure_quality(example: Example) -> Quality:
    """Measures of a prepared clip before it is written."""
    points = example.landmarks
    boxes = np.array([box_of_landmarks(each)[0] for each in points])
    zoom = np.sqrt(np.abs(np.linalg.det(example.crops[:, :, :2].astype(np.float64))))
    chosen = np.unique(np.linspace(0, len(points) - 1, 5).round().astype(int))  # frames, spread over the clip
    details = [_detail(example.jpegs[index], boxes[index]) for index in chosen] if example.jpegs else []
    timed = example.samples is not None and example.fps == DEFAULT_FPS
    forward = head_rotation(points.astype(np.float64))[:, 2, 2]
    return Quality(
        face=round(float(np.median((boxes[:, 2] - boxes[:, 0]) / np.maximum(zoom, 1e-6))), 1),
        sharpness=round(float(np.median(details)), 2) if details else None,
        turn=round(float(np.degrees(np.median(np.arccos(np.clip(forward, -1, 1))))), 1),
        sync_p=mismatch_p(example.samples, points) if timed and example.samples is not None else None,
    )


def checked(example: Example, quality: Quality, config: PreprocessConfig) -> Example:
    """The clip, silent for training where its sound may belong to another face.

    Raises:
        Refusal: too blurred, or turned away too far.
    """
    seen = example.source_frames
    if quality.sharpness is not None and quality.sharpness < config.min_sharpness:
        raise Refusal("blurred", f"sharpness {quality.sharpness:.1f}, needs {config.min_sharpness:g}", seen)
    if quality.turn > config.max_turn:
        raise Refusal("turned away", f"{quality.turn:.0f} degrees, at most {config.max_turn:g}", seen)
    doubtful = quality.sync_p is not None and quality.sync_p > config.max_sync_p
    return replace(example, speech=False) if doubtful else example


def _detail(jpeg: bytes, box: FloatArray) -> float:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None, "a JPEG that was just made"
    left, top, right, bottom = box
    window = (0.5 * (left + right), 0.5 * (top + bottom), max(right - left, bottom - top, 1.0))
    side = 96  # pixels to which a face is brought before its detail is measured
    face = cut_patch(np.asarray(image, np.uint8), window_map(window, side), side)
    return float(cv2.Laplacian(face, cv2.CV_64F).std())


def write_histograms(records: Sequence[Record], out: Path) -> None:
    """Draw how many clips have which size, sharpness, turn and fit of the sound; those refused for it in red."""
    measures: Sequence[tuple[str, str]] = (
        ("face", "face, pixels"),
        ("sharpness", "sharpness"),
        ("turn", "turn of the head, degrees"),
        ("sync_p", "p that a foreign sound fits as well"),
    )
    drawn = [_histogram(records, name, title) for name, title in measures]
    atomic_write(out, encode_png(np.vstack(drawn)))


def _histogram(records: Sequence[Record], name: str, title: str) -> Image:
    given = [(getattr(each, name), each.refused) for each in records if getattr(each, name) is not None]
    bins, height, width = 40, 90, 480  # of a histogram
    picture = np.full((height + 40, width, 3), 255, np.uint8)
    values = np.array([value for value, _ in given], np.float64)
    text = f"{title}: no clip"

    if len(values):
        low, high = float(values.min()), float(max(values.max(), values.min() + 1e-6))
        text = f"{title}: {low:.3g} to {high:.3g}, median {np.median(values):.3g}, {len(values)} clips"
        refused = np.array([each for _, each in given])
        counts = [np.histogram(values[part], bins, (low, high))[0] for part in (~refused, refused)]
        most, step = max(int((counts[0] + counts[1]).max()), 1), width // bins
        for place, (kept, lost) in enumerate(zip(*counts, strict=True)):
            for count, below, colour in ((kept, 0, (70, 110, 170)), (lost, kept, (200, 60, 50))):
                top, bottom = (height + 30 - round(height * each / most) for each in (below + count, below))
                if count:
                    cv2.rectangle(picture, (place * step, top), ((place + 1) * step - 2, bottom - 1), colour, -1)
    cv2.putText(picture, text, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return picture
