"""Jittering landmarks -> smooth landmarks, lips apart from the rest."""

import numpy as np
import numpy.typing as npt

from talkface.landmarks.layout import MOUTH
from talkface.types import FloatArray


def hanning(values: FloatArray, width: int) -> FloatArray:
    """Average over `width` frames (odd) of the first axis with a Hanning window; ends repeat the border frame."""
    assert width % 2 == 1, f"width must be odd, got {width}"
    if width == 1 or len(values) == 1:
        return values
    window = np.hanning(width + 2)[1:-1]
    return _weighted(values, window / window.sum())


def binomial(values: FloatArray) -> FloatArray:
    """Average (1, 2, 1) / 4 over the first axis, which takes a detector's jitter out; ends repeat the border frame."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)


def gaussian(values: FloatArray, deviation: float) -> FloatArray:
    """Average over the first axis with a Gaussian of `deviation` frames, cut off at four of them; ends repeat."""
    reach = int(4 * deviation + 0.5)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-9)) ** 2)
    return _weighted(values, window / window.sum())


def _weighted(values: FloatArray, window: FloatArray) -> FloatArray:
    """Weighted mean about each entry of the first axis by a symmetric window of odd length."""
    width, count = len(window), len(values)
    reach = width // 2
    padded = np.asarray(values, np.float64)[np.clip(np.arange(-reach, count + reach), 0, count - 1)]
    smoothed = window[reach] * padded[reach : reach + count]
    for offset in range(reach):
        smoothed += window[offset] * (padded[offset : offset + count] + padded[width - 1 - offset :][:count])
    return np.asarray(smoothed, dtype=values.dtype)


SMOOTHINGS = {"lips": (3, 7), "hanning5": (5, 5), "none": (1, 1)}
"""Windows for the lips and for the rest, in frames: short for lips, or one of 5 for all as Chen et al. 2020 take."""


def smooth_landmarks(points: FloatArray, lip_width: int = 3, face_width: int = 7) -> FloatArray:
    """Smooth `[T, 68, 2]` landmarks over time.

    Lips close within one or two frames, so they get the short window; jitter of the rest shows as a swimming face,
    so it gets the long one. Both windows keep the mean.
    """
    result = hanning(points, face_width).copy()
    result[:, MOUTH] = hanning(points[:, MOUTH], lip_width)
    return np.asarray(result)


def fill_unseen(points: FloatArray, seen: npt.NDArray[np.bool_]) -> FloatArray:
    """Frames without a face -> straight lines between their neighbours.

    Args:
        points: `[T, ...]`, anything where `seen` is false.
        seen: `[T]` bool, true at least once.
    """
    if seen.all():
        return points.copy()
    time = np.arange(len(points))
    flat = points.reshape(len(points), -1).copy()
    for column in flat.T:
        column[~seen] = np.interp(time[~seen], time[seen], column[seen])
    return flat.reshape(points.shape)
