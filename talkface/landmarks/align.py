"""Pixel landmarks <-> canonical landmarks, through one exactly invertible similarity per frame."""

import numpy as np

from talkface.geometry.affine import fit_similarity, invert, transform
from talkface.landmarks.layout import STABLE
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import FloatArray


def to_canonical(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lay each frame's eyes and nose onto the mean face's.

    The fit uses the points that speech hardly moves, so that an opening jaw does not scale the face.

    Args:
        points: `[T, 68, 2]` pixel landmarks.

    Returns:
        `[T, 68, 2]` float32 canonical landmarks, and `[T, 2, 3]` float64 similarities pixel -> canonical, whose
        inverse `from_canonical` applies: the round trip is the identity to float precision.
    """
    matrices = fit_similarity(points[:, STABLE], MEAN_FACE[STABLE])
    return transform(matrices, np.asarray(points, np.float64)).astype(np.float32), matrices


def from_canonical(points: FloatArray, matrices: FloatArray) -> FloatArray:
    """Undo `to_canonical`: `[T, 68, 2]` canonical and `[T, 2, 3]` similarities -> `[T, 68, 2]` float32 pixel."""
    return transform(invert(matrices), np.asarray(points, np.float64)).astype(np.float32)
