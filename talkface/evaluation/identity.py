"""Face descriptors of a photo and of frames -> how far the frames drift from the person."""

from collections.abc import Iterable

import numpy as np

from talkface.landmarks.describe import describe
from talkface.types import FloatArray, Shot

SAME_PERSON = 0.6  # dlib's own threshold on this distance, 99.4 % right on LFW


def descriptor_distance(a: FloatArray, b: FloatArray) -> float:
    """Euclidean distance of two dlib face descriptors; no unit, 0 for equal ones, below 0.6 for one person.

    Crop: dlib's own 150x150 chip aligned on the 68 points; detector: whatever found the landmarks.
    """
    assert a.shape == b.shape == (128,), f"descriptors must be [128], got {a.shape} and {b.shape}"
    return float(np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64)))


def identity_distances(photo: Shot, frames: Iterable[Shot]) -> FloatArray:
    """Descriptor distance of each frame to the photo, `[T]`; the table shows its mean over frames.

    Named for what it is: a ResNet-29 trained by dlib's author, not the ArcFace network of papers' CSIM.
    """
    reference = describe(photo.image, photo.landmarks)
    return np.array([descriptor_distance(reference, describe(shot.image, shot.landmarks)) for shot in frames])
