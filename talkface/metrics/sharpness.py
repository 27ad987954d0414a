"""Face in a frame -> how much fine detail it shows, and whether that fades over time."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.geometry.affine import fit_similarity, transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.layout import MOUTH, OUTER_EYE_CORNERS, STABLE
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.metrics.image import luma
from talkface.metrics.lag import MIN_FRAMES
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class SharpnessSettings:
    """Patch in which the mouth's sharpness is measured."""

    patch: int = 160  # pixels, side of the upright face patch
    eye_distance: float = 72.0  # pixels between the outer eye corners in it
    centre: tuple[float, float] = (80.0, 62.0)  # where the nose bridge lies in it
    mouth_room: float = 0.15  # of the mouth's width: how far the mouth's box reaches beyond its landmarks
    drift_share: float = 0.2  # of the clip at each end that is compared


SHARPNESS = SharpnessSettings()


def face_patch(image: Image, landmarks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Upright luma patch `[160, 160]` with 72 px between the outer eye corners, and the landmarks `[68, 2]` in it."""
    target = (
        MEAN_FACE[STABLE] - MEAN_FACE[list(OUTER_EYE_CORNERS)].mean(0)
    ) * SHARPNESS.eye_distance + SHARPNESS.centre
    matrix = fit_similarity(np.asarray(landmarks, np.float64)[STABLE], target)
    patch = cut_patch(image, matrix, SHARPNESS.patch)
    return luma(patch), transform(matrix, np.asarray(landmarks, np.float64))


def sharpness(image: Image, landmarks: FloatArray) -> tuple[float, float]:
    """Sharpness of the face and of the mouth: standard deviation of the Laplacian of luma, in grey levels.

    Crop: an upright patch of 160x160 pixels with 72 between the outer eye corners, so that size and roll of the face
    do not matter as long as it is at least that large; the face is the box of all landmarks in it, the mouth the box
    of points 48-67 with 15 % of its width around. Noise counts as detail: read it beside the real video's.

    Args:
        image: `[H, W, 3]`.
        landmarks: `[68, 2]` pixels.
    """
    patch, points = face_patch(image, landmarks)
    detail = np.asarray(cv2.Laplacian(patch, cv2.CV_64F), np.float64)
    room = SHARPNESS.mouth_room * float(np.ptp(points[MOUTH, 0]))
    return _deviation(detail, points, 0.0), _deviation(detail, points[MOUTH], room)


def drift(series: FloatArray) -> float:
    """Median of the last fifth of a series over the median of the first fifth: 1 holds, below 1 fades; no unit."""
    finite = series[np.isfinite(series)]
    if len(finite) < MIN_FRAMES:
        return float("nan")
    count = max(1, round(SHARPNESS.drift_share * len(finite)))
    return float(np.median(finite[-count:]) / max(float(np.median(finite[:count])), 1e-9))


def _deviation(detail: FloatArray, points: FloatArray, room: float) -> float:
    left, top = np.clip(np.floor(points.min(0) - room), 0, SHARPNESS.patch - 2).astype(int)
    right, bottom = np.clip(np.ceil(points.max(0) + room), [left + 2, top + 2], SHARPNESS.patch).astype(int)
    return float(detail[top:bottom, left:right].std())
