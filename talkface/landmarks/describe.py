"""Face -> 128 numbers that say who it is (dlib's face recognition network)."""

from functools import cache
from typing import Any

import dlib
import numpy as np

from talkface.landmarks.dlib_backend import weights_path
from talkface.landmarks.face import box_of_landmarks
from talkface.types import FloatArray, Image


@cache
def _network() -> Any:
    return dlib.face_recognition_model_v1(str(weights_path("dlib_face_recognition_resnet_model_v1.dat")))


def describe(image: Image, landmarks: FloatArray) -> FloatArray:
    """Identity descriptor of one face: dlib's ResNet on its 150 px chip.

    Euclidean distances below 0.6 mean the same person (King 2017); two frames of one clip are below 0.3.

    Args:
        image: `[H, W, 3]` RGB.
        landmarks: `[68, 2]`, pixel space of `image`.

    Returns:
        `[128]` float32.
    """
    left, top, right, bottom = (round(value) for value in box_of_landmarks(landmarks)[0])
    points = dlib.points()
    for x, y in landmarks:
        points.append(dlib.point(round(float(x)), round(float(y))))
    shape = dlib.full_object_detection(dlib.rectangle(left, top, right, bottom), points)
    values = _network().compute_face_descriptor(np.ascontiguousarray(image), shape)
    return np.array(values, dtype=np.float32)
