"""Frame, landmarks and a direction -> the same frame, its eyes looking aside."""

import cv2
import numpy as np

from talkface.geometry.ease import smooth_step
from talkface.geometry.resample import pixel_box
from talkface.landmarks.layout import LEFT_EYE, RIGHT_EYE
from talkface.types import FloatArray, Image

REACH = 0.17  # of the eye's length, how far an iris moves at most
CORNER = 0.30  # share of the eye's length over which the motion fades towards its corners
FEATHER = 0.02  # of the eye's length, softness of the lids' edge


def shift_gaze(frame: Image, landmarks: FloatArray, across: float) -> Image:
    """Move iris and pupil of both eyes between the lids; every other pixel stays.

    The white is stretched on one side and pressed together on the other, as far as the lids; shut eyes do not change.

    Args:
        frame: `[H, W, 3]`; stays as it is.
        landmarks: `[68, 2]` it was drawn for.
        across: -1 to the picture's left, 1 to its right.
    """
    if across == 0:
        return frame
    made = frame.copy()
    for eye in (RIGHT_EYE, LEFT_EYE):
        _shift_eye(made, np.asarray(landmarks[eye], np.float64), across)
    return made


def _shift_eye(frame: Image, lids: FloatArray, across: float) -> None:
    """In place: one eye, its six landmarks from corner to corner over the upper lid and back."""
    corner, other = lids[0], lids[3]
    length = float(np.linalg.norm(other - corner))
    along = (other - corner) / max(length, 1e-6)
    room = 0.1 * length
    height, width = frame.shape[:2]
    left, top, right, bottom = pixel_box(np.stack([lids.min(0) - room, lids.max(0) + room]), (width, height))
    if right - left < 4 or bottom - top < 3:
        return
    part = frame[top:bottom, left:right]
    area = np.zeros(part.shape[:2], np.uint8)
    outline = np.round((lids - (left, top)) * 16).astype(np.int32)[:, None]
    cv2.fillPoly(area, [outline], 255, cv2.LINE_AA, 4)
    inside = cv2.GaussianBlur(area.astype(np.float32) / 255, (0, 0), max(0.5, FEATHER * length))
    x, y = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
    place = ((x - corner[0]) * along[0] + (y - corner[1]) * along[1]) / length
    free = smooth_step(np.clip(np.minimum(place, 1 - place) / CORNER, 0, 1))
    move = np.multiply.outer(free * across * REACH * length, along)
    source = (np.stack([x - left, y - top], -1) - move).astype(np.float32)
    moved = cv2.remap(part, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = inside[..., None]
    part[:] = np.rint(part + share * (moved.astype(np.float32) - part)).astype(np.uint8)
