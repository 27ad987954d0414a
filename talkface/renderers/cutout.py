"""Shot and a frame's landmarks -> matte of the person in that frame."""

import numpy as np

from talkface.geometry.affine import compose_affine
from talkface.geometry.matte import Mask, person_matte
from talkface.renderers.canvas import Canvas
from talkface.types import FloatArray, Shot


class Cutout:
    """Head, hair, neck and shoulders of one photo, moved as the renderers move them."""

    def __init__(self, shot: Shot) -> None:
        """Cut the person out of the photo once."""
        self._canvas = Canvas(shot)
        whole = compose_affine(self._canvas.deformer.ellipse, self._canvas.work_affine)
        matte = person_matte(shot.image, whole).astype(np.float32)
        low, high = 70, 245  # of 255: fainter parts of the matte are background, stronger ones the person
        self._matte: Mask = np.clip((matte - low) * (255 / (high - low)), 0, 255).astype(np.uint8)

    def __call__(self, landmarks: FloatArray) -> Mask:
        """`[H, W]` uint8, 255 on the person, in a frame drawn for `[68, 2]` landmarks."""
        canvas, matte = self._canvas, self._matte
        deformation = canvas.deform(landmarks)
        left, top, right, bottom = box = canvas.moving_box(deformation)
        if left >= right or top >= bottom:
            return matte
        moved = matte.copy()
        moved[top:bottom, left:right] = canvas.look_up(matte, deformation, box)
        return moved
