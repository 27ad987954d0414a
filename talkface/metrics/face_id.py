"""Face descriptors of a photo and of frames -> how far the frames drift from the person."""

from collections.abc import Iterable

import numpy as np

from talkface.landmarks.describe import describe
from talkface.types import FloatArray, Shot


def descriptor_distance(a: FloatArray, b: FloatArray) -> float:
    """Euclidean distance of two dlib face descriptors; no unit, 0 for equal ones, below 0.6 for one person.

    Crop: dlib's own 150x150 chip aligned on the 68 points; detector: whatever found the landmarks.
    """
    assert a.shape == b.shape == (128,), f"descriptors must be [128], got {a.shape} and {b.shape}"
    return float(np.linalg.norm(np.asarray(a, np.float64) - np.asarray(b, np.float64)))


def cosine(a: FloatArray, b: FloatArray) -> float:
    """Cosine similarity of two embeddings, in [-1, 1].

    Of ArcFace's this is the papers' CSIM. Of dlib's it is only like it (`csim_dlib`): those descriptors all point the
    same way, so that two people still have .8; the distance tells them apart better.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


def identity_distances(photo: Shot, frames: Iterable[Shot]) -> FloatArray:
    """Descriptor distance of each frame to the photo, `[T]`; the table shows its mean over frames.

    Named for what it is: a ResNet-29 trained by dlib's author, not the ArcFace network of papers' CSIM.
    """
    reference = describe(photo.image, photo.landmarks)
    return np.array([descriptor_distance(reference, describe(shot.image, shot.landmarks)) for shot in frames])
