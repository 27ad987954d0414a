"""Driver's landmarks and another person's -> the driver's landmarks with that person's proportions."""

import numpy as np

from talkface.landmarks.layout import FLIP, JAW
from talkface.landmarks.retarget import uncross_lips
from talkface.types import FloatArray


def normalise_proportions(points: FloatArray, reference: FloatArray) -> FloatArray:
    """Rescale each part of a driver's face to the reference's proportions (few-shot vid2vid, Wang et al. 2019).

    A point and its mirror image are a pair. Two distances of each pair are multiplied by one factor for all frames, so
    that their means become the reference's: from the pair's middle to either point, and from the chin to the middle.
    What changes from frame to frame stays; the chin stays where it is, and a face in its own proportions is unchanged.
    Lips that would cross, as where the reference's are shut and the driver's open on average, meet.

    Args:
        points: `[T, 68, 2]` of the driver, in pixels.
        reference: `[68, 2]`, or `[R, 68, 2]` of several pictures whose mean distances count. Its pixels give the size.

    Returns:
        `[T, 68, 2]` float32, around the driver's chin, in the reference's size.
    """
    points = np.asarray(points, np.float64)
    reference = np.asarray(reference, np.float64).reshape(-1, 68, 2)
    chin = points[:, JAW[8], None]
    middle, half = _pairs(points)
    middle_of, half_of = _pairs(reference)
    wider = _ratio(half, half_of, points)
    further = _ratio(middle - chin, middle_of - reference[:, JAW[8], None], points)
    return uncross_lips(np.asarray(chin + further * (middle - chin) + wider * half, np.float32))


def _pairs(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Middle of each point and its mirror image, and the way from there to the point."""
    middle = 0.5 * (points + points[:, FLIP])
    return middle, points - middle


def _ratio(ways: FloatArray, reference: FloatArray, points: FloatArray) -> FloatArray:
    """`[68, 1]` mean length of the reference's ways over the driver's; 1 where there is no way."""
    length, wanted = (np.linalg.norm(each, axis=-1).mean(0) for each in (ways, reference))
    # a part that is no wider or further than this share of the face's height has no proportion to change
    smallest = 1e-3 * float(np.ptp(points[..., 1], axis=1).mean())
    return np.where(length > smallest, wanted / np.maximum(length, smallest), 1.0)[:, None]
