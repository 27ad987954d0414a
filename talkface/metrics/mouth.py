"""Frames and landmarks -> how sharp the inside of an open mouth is, and how much of it is teeth."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from talkface.geometry.affine import upright_square
from talkface.geometry.matte import polygon_mask
from talkface.geometry.resample import cut_patch
from talkface.landmarks.layout import INNER_LIP, eye_angle, interocular
from talkface.metrics.image import luma
from talkface.types import FloatArray, Image, Shot


@dataclass(frozen=True)
class MouthMeasure:
    """Crop of the inner mouth, and what counts as teeth."""

    crop: int = 256  # pixels, side of the upright crop around the inner lips
    eye_distance: float = 160.0  # pixels between the outer eye corners in it
    bright: float = 0.72  # of the crop's median value (largest channel): teeth are brighter
    pale: float = 95.0  # of 255, HSV saturation: teeth are paler
    shown_teeth: float = 0.1  # share of teeth from which a real mouth counts as one that shows them


MOUTH_MEASURE = MouthMeasure()


@dataclass(frozen=True)
class InnerMouth:
    """Measures of the area between the lips.

    Attributes:
        sharpness: mean Sobel magnitude of luma, grey levels; 0 where the lips enclose no pixel.
        teeth: share of pixels that are bright and pale, 0 to 1.
    """

    sharpness: float
    teeth: float


def inner_mouth(shot: Shot) -> InnerMouth:
    """Sharpness and teeth of one frame.

    Crop: upright, 256 x 256 pixels around the middle of the inner lips, 160 between the outer eye corners, so that
    face sizes compare; a small face is enlarged and thus soft. Pixels inside the polygon of points 60-67 count.
    Noise counts as sharpness: look at the pictures, and read it beside the real frames' value.
    """
    points = np.asarray(shot.landmarks, np.float64)
    side = MOUTH_MEASURE.crop / MOUTH_MEASURE.eye_distance * max(float(interocular(points)), 1e-3)
    matrix = upright_square(points[INNER_LIP].mean(0), eye_angle(points), side, MOUTH_MEASURE.crop)
    crop = cut_patch(shot.image, matrix, MOUTH_MEASURE.crop)
    lips = points[INNER_LIP] @ matrix[:, :2].T + matrix[:, 2]
    return InnerMouth(*_inside(crop, lips))


def typical_inner_mouth(shots: Iterable[Shot]) -> InnerMouth:
    """Mean over frames, such as the most open tenth of a clip; NaN without a frame."""
    found = [inner_mouth(shot) for shot in shots]
    if not found:
        return InnerMouth(float("nan"), float("nan"))
    return InnerMouth(*(float(np.mean([getattr(each, name) for each in found])) for name in ("sharpness", "teeth")))


def inner_sharpness(crop: Image, inside: npt.NDArray[np.bool_]) -> float:
    """Mean Sobel magnitude of luma where `inside` `[H, W]` is true."""
    light = luma(crop)
    slope = np.hypot(cv2.Sobel(light, cv2.CV_64F, 1, 0), cv2.Sobel(light, cv2.CV_64F, 0, 1))
    return float(slope[inside].mean())


def _inside(crop: Image, lips: FloatArray) -> tuple[float, float]:
    """Sharpness and share of teeth inside `[8, 2]` lips of a crop."""
    if np.ptp(lips[:, 1]) < 1.0:  # shut lips enclose nothing, though their outline would draw a line
        return 0.0, 0.0
    inside = polygon_mask(lips, (crop.shape[1], crop.shape[0]), soft=False) > 0
    if not inside.any():
        return 0.0, 0.0
    hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)
    bright = hsv[..., 2] > MOUTH_MEASURE.bright * np.median(hsv[..., 2])
    return inner_sharpness(crop, inside), float((bright & (hsv[..., 1] < MOUTH_MEASURE.pale))[inside].mean())
