"""Photos and their landmarks -> pictures laid onto ATVGnet's template, and landmarks that know no head motion in it."""

import numpy as np

from talkface.data.prepare.crops import CROPPER, AlignedCropper
from talkface.geometry.affine import invert, transform
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import FloatArray


def aligned_map(landmarks: FloatArray, size: int, reach: float = 1.0) -> FloatArray:
    """`[2, 3]` map from pixels of a photo to the picture that a network sees: nose and eyes always in one place.

    Args:
        landmarks: `[68, 2]` pixels of the photo.
        size: side of the picture in pixels.
        reach: side of the picture over that of ATVGnet's crop, about the same centre.
    """
    no_box, no_frame = (0, 0, 0, 0), (0, 0)  # the alignment looks at the landmarks alone
    to_crop = AlignedCropper(size).place(landmarks, no_box, no_frame, jump=True)
    centred = to_crop - np.array([[0, 0, size / 2], [0, 0, size / 2]])
    return np.asarray(centred / reach + np.array([[0, 0, size / 2], [0, 0, size / 2]]))


def displacement(landmarks: FloatArray) -> FloatArray:
    """Displacement of each point from the mean face's, the head's shift, size and tilt removed.

    ATVGnet scales Procrustes-aligned faces so that its mean shape's outer eye corners are 0.93 apart; here the unit is
    that distance itself, so the published weights of the losses keep their meaning.

    Args:
        landmarks: `[68, 2]` pixels, of any photo.

    Returns:
        `[68, 2]` float32 in outer-eye distances of the mean face, 0 for the mean face itself; x right and y down.
    """
    to_crop = aligned_map(landmarks, CROPPER.atvg_size)
    points = transform(invert(_MEAN_MAP), transform(to_crop, np.asarray(landmarks, np.float64)))
    return np.asarray(points - MEAN_FACE, np.float32)


def picture_points(displaced: FloatArray, size: int, reach: float = 1.0) -> FloatArray:
    """`[68, 2]` displacement -> `[68, 2]` pixels of the picture."""
    return transform(aligned_map(MEAN_FACE, size, reach), np.asarray(displaced, np.float64) + MEAN_FACE)


_MEAN_MAP = aligned_map(MEAN_FACE, CROPPER.atvg_size)
