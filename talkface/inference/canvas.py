"""Shot -> canvas that warps to any landmarks: whole frames at the photo's size, patches at a working size."""

import cv2
import numpy as np

from talkface.landmarks.align import invert, transform
from talkface.landmarks.deform import Deformation, FaceDeformer
from talkface.landmarks.frames import compose_affine, eye_distance, mouth_frame
from talkface.landmarks.layout import INNER_LIP, mouth_opening
from talkface.types import FloatArray, Image, Shot
from talkface.video.paste import match_colour
from talkface.video.warp import look_up, pixel_box, shrink_part

WORK_UNIT = 90.0  # outer-eye distance of the working copy, pixels: about that of a mouth patch
WORK_REACH = 2.2  # half the side of the working copy, in outer-eye distances


class Canvas:
    """One photo with its landmarks, its deformer and a reduced copy of the face.

    Geometry lives in pixels of the working copy, so that a Deformation serves both the full frame and the patch.
    """

    def __init__(self, shot: Shot) -> None:
        self.shot = shot
        landmarks = np.asarray(shot.landmarks, np.float64)
        unit = eye_distance(landmarks)
        middle = 0.5 * (landmarks.min(0) + landmarks.max(0))
        reach = WORK_REACH * unit
        height, width = shot.image.shape[:2]
        box = pixel_box(np.stack([middle - reach, middle + reach]), (width, height))
        self.work, self.work_affine = shrink_part(shot.image, box, min(1.0, WORK_UNIT / unit))
        self.zoom = np.diag(self.work_affine[:, :2]).astype(np.float32)  # across, down
        self.landmarks = self.to_work(landmarks)
        self.deformer = FaceDeformer(self.landmarks)

    def to_work(self, points: FloatArray) -> FloatArray:
        """Photo pixels -> pixels of the working copy."""
        return transform(self.work_affine, np.asarray(points, np.float64))

    def deform(self, target: FloatArray, local: bool = False) -> Deformation:
        """Deformation to `[68, 2]` landmarks of the photo's frame, or of the working copy's if `local`."""
        return self.deformer.toward(target if local else self.to_work(target))

    def warp(self, deformation: Deformation) -> Image:
        """Whole frame; pixels that do not move are the photo's own, bit for bit."""
        image = self.shot.image
        height, width = image.shape[:2]
        reach = transform(invert(self.work_affine), deformation.reach())
        left, top, right, bottom = pixel_box(reach, (width, height))
        frame = image.copy()
        if left < right and top < bottom:
            corner = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
            offsets = deformation.offsets(compose_affine(self.work_affine, corner), (right - left, bottom - top))
            frame[top:bottom, left:right] = look_up(image, offsets / self.zoom, corner)
        return frame

    def warp_patch(self, deformation: Deformation, to_patch: FloatArray, size: int) -> Image:
        """`[size, size, 3]` mouth patch; `to_patch` maps from the deformation's frame, working pixels."""
        to_frame = invert(to_patch)
        return look_up(self.work, deformation.offsets(to_frame, (size, size), rigid=True), to_frame)

    def own_patch(self, size: int, scale: float) -> Image:
        """The photo's mouth as it is."""
        to_patch = mouth_frame(self.landmarks, size, scale)
        return np.asarray(
            cv2.warpAffine(self.work, to_patch, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )

    def recolour(self, reference: Image, size: int, scale: float) -> Image:
        """Give the working copy the colours of another shot's own patch; returns this shot's patch in them."""
        own = self.own_patch(size, scale)
        self.work = match_colour(self.work, reference, own)
        return self.own_patch(size, scale)

    def patch_from_photo(self, to_patch: FloatArray) -> FloatArray:
        """Map from pixels of the photo to a patch that was placed in the working copy."""
        return compose_affine(to_patch, self.work_affine)


def fill_mouth(frame: Image, target: FloatArray, shot: Shot) -> None:
    """Darken, in place, what a warp stretched between parting lips; a photo that shows teeth keeps them."""
    unit = eye_distance(target)
    shown = float(mouth_opening(shot.landmarks))
    amount = float(np.clip((mouth_opening(target) - shown) / 0.06, 0, 1) * np.clip(1.3 - shown / 0.08, 0, 1))
    if amount <= 0:
        return
    lips = np.asarray(target[INNER_LIP], np.float64)
    low, high = lips.min(0) - 0.1 * unit, lips.max(0) + 0.1 * unit
    height, width = frame.shape[:2]
    left, top, right, bottom = pixel_box(np.stack([low, high]), (width, height))
    if left >= right or top >= bottom:
        return
    hole = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(hole, [np.round((lips - (left, top)) * 16).astype(np.int32)[:, None]], 255, cv2.LINE_AA, 4)
    soft = amount * cv2.GaussianBlur(hole.astype(np.float32) / 255, (0, 0), max(0.7, 0.018 * unit))[..., None]
    part = frame[top:bottom, left:right].astype(np.float32)
    dark = part * np.array([0.55, 0.45, 0.45], np.float32)
    frame[top:bottom, left:right] = (part + soft * (dark - part)).astype(np.uint8)
