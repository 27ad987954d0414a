"""Frame, landmarks and a direction -> the same frame, its eyes looking aside."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.geometry.matte import polygon_mask
from talkface.geometry.resample import pixel_box
from talkface.geometry.spline import smooth_step
from talkface.landmarks.layout import LEFT_EYE, RIGHT_EYE
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class GazeSettings:
    """Reach of an iris and fade of its edge."""

    reach: tuple[float, float] = (0.17, 0.09)  # of the eye's length, how far an iris moves at most: aside, up and down
    corner: float = 0.30  # share of the eye's length over which the motion fades towards its corners
    rim: float = 0.45  # share of the gap between the lids over which motion up and down fades towards them
    share: float = 0.23  # of that gap, how far motion up and down goes at most: further it would smear the pupil
    feather: float = 0.02  # of the eye's length, softness of the lids' edge


GAZE = GazeSettings()


def shift_gaze(frame: Image, landmarks: FloatArray, gaze: tuple[float, float]) -> Image:
    """Move iris and pupil of both eyes between the lids; every other pixel stays.

    The white is stretched on one side and pressed together on the other, as far as the lids; shut eyes do not change.

    Args:
        frame: `[H, W, 3]`; stays as it is.
        landmarks: `[68, 2]` it was drawn for.
        gaze: aside, -1 to the picture's left, 1 to its right; and -1 down, 1 up.
    """
    if not any(gaze):
        return frame
    made = frame.copy()
    for eye in (RIGHT_EYE, LEFT_EYE):
        _shift_eye(made, np.asarray(landmarks[eye], np.float64), gaze)
    return made


def _shift_eye(frame: Image, lids: FloatArray, gaze: tuple[float, float]) -> None:
    """In place: one eye, its six landmarks from corner to corner over the upper lid and back."""
    corner, other = lids[0], lids[3]
    length = max(float(np.linalg.norm(other - corner)), 1e-6)
    along = (other - corner) / length
    up = np.array([along[1], -along[0]])
    room = 0.1 * length
    height, width = frame.shape[:2]
    left, top, right, bottom = pixel_box(np.stack([lids.min(0) - room, lids.max(0) + room]), (width, height))
    if right - left < 4 or bottom - top < 3:
        return
    part = frame[top:bottom, left:right]
    area = polygon_mask(lids - (left, top), (right - left, bottom - top)).astype(np.float32) / 255
    inside = cv2.GaussianBlur(area, (0, 0), max(0.5, GAZE.feather * length))
    pixels = np.stack(np.meshgrid(np.arange(left, right), np.arange(top, bottom)), -1)
    place, level = (pixels - corner) @ along / length, (pixels - corner) @ up / length
    aside = gaze[0] * GAZE.reach[0] * smooth_step(np.clip(np.minimum(place, 1 - place) / GAZE.corner, 0, 1))
    upper, lower = (_lid((lids[order] - corner) / length, along, up, place) for order in ([0, 1, 2, 3], [0, 5, 4, 3]))
    share = (level - lower) / np.maximum(upper - lower, 1e-3)
    reach = np.minimum(GAZE.reach[1], GAZE.share * np.maximum(upper - lower, 0))
    raised = gaze[1] * reach * smooth_step(np.clip(np.minimum(share, 1 - share) / GAZE.rim, 0, 1))
    move = length * (np.multiply.outer(aside, along) + np.multiply.outer(raised, up))
    source = (pixels - (left, top) - move).astype(np.float32)
    moved = cv2.remap(part, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    part[:] = np.rint(part + inside[..., None] * (moved.astype(np.float32) - part)).astype(np.uint8)


def _lid(points: FloatArray, along: FloatArray, up: FloatArray, place: FloatArray) -> FloatArray:
    """Level of one lid's four landmarks, from corner to corner, at every place along the eye."""
    return np.asarray(np.interp(place, points @ along, points @ up))
