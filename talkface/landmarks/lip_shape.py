"""Displacement of a face -> how far lips open, widen and show -> the same at the range of real speakers.

A network that minimises an error predicts less motion than there is. What it lacks is given back in three measures,
each about the closed mouth: an opening that is nearly closed closes, one that opens gets a factor, and dips and peaks
in time, which such a network levels, are sharpened. All else of a shape follows as it usually goes with these three.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from talkface.landmarks.layout import LOWER_INNER_LIP, UPPER_INNER_LIP
from talkface.landmarks.smooth import gaussian
from talkface.types import FloatArray


@dataclass(frozen=True)
class LipShapeSettings:
    """Settings by which lips are measured and sharpened."""

    sharpen_frames: float = 2.0  # standard deviation of the smooth course that is sharpened against, at 25 frames/s
    soft: float = 0.01  # outer-eye distances within which the closed mouth's threshold bends


LIP_SHAPE = LipShapeSettings()


@dataclass(frozen=True)
class LipRange:
    """Gains that make predicted motion as large as real motion; the default changes nothing.

    Attributes:
        gains: factors of opening, width and the lips' height.
        sharpening: how much of the difference from its smooth course is added to the opening.
        closed_below: opening, in outer-eye distances, that counts as closed, before its factor.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    sharpening: float = 0.0
    closed_below: float = 0.0

    def as_array(self) -> FloatArray:
        """`[5]` float32, for a checkpoint."""
        return np.array([*self.gains, self.sharpening, self.closed_below], np.float32)

    @classmethod
    def from_array(cls, values: FloatArray) -> "LipRange":
        """Inverse of `as_array`."""
        opening, width, height, sharpening, closed_below = (float(value) for value in values)
        return cls((opening, width, height), sharpening, closed_below)


def lip_extents(shape: Any) -> tuple[Any, Any, Any]:
    """`[..., 68, 2]` array or tensor -> `[...]` thrice: gap of the inner lips, width and height of the outer."""
    opening = shape[..., LOWER_INNER_LIP, 1] - shape[..., UPPER_INNER_LIP, 1]
    return opening, shape[..., 54, 0] - shape[..., 48, 0], shape[..., 57, 1] - shape[..., 51, 1]


def lip_measures(displacement: FloatArray) -> FloatArray:
    """`[..., 68, 2]` -> `[..., 3]` growth of the inner lips' gap, of the mouth's width, and of the height of both lips.

    All three are linear, so those of a sum of shapes are the sum of theirs. Lips that come forward show more height.
    """
    opening, width, height = lip_extents(displacement)
    return np.stack([opening, width, height - opening], -1)


def full_range(measures: FloatArray, lips: LipRange) -> FloatArray:
    """`[T, 3]` predicted measures at 25 frames/s -> `[T, 3]` at the range of real speakers."""
    wanted = measures * np.array(lips.gains)
    opening = measures[:, 0]
    if lips.sharpening > 0:
        opening = opening + lips.sharpening * (opening - gaussian(opening, LIP_SHAPE.sharpen_frames))
    if lips.closed_below > 0:
        opening = _beyond(opening, lips.closed_below)
    wanted[:, 0] = lips.gains[0] * opening
    return np.asarray(wanted)


def at_full_range(coefficients: FloatArray, decoder: FloatArray, lips: LipRange) -> FloatArray:
    """`[T, P]` coefficients whose shapes have the measures that `full_range` wants.

    Of all ways to reach them the likeliest is taken: coefficients have unit variance, so it is the shortest.

    Args:
        coefficients: at 25 frames/s, of unit variance in real motion.
        decoder: `[P, 68, 2]` shape of each, outer-eye distances.
        lips: what to change.
    """
    if lips == LipRange():
        return coefficients
    of_each = lip_measures(decoder).astype(np.float64)  # [P, 3]
    measures = coefficients @ of_each
    missing = full_range(measures, lips) - measures
    return np.asarray(coefficients + missing @ np.linalg.pinv(of_each), np.float32)


def _beyond(opening: FloatArray, closed: float) -> FloatArray:
    """Opening beyond the closed mouth's, at least 0, with a soft bend."""
    bend = min(LIP_SHAPE.soft, closed)
    over = np.clip(opening - closed + bend, 0, None)
    return np.asarray(np.where(over < 2 * bend, over**2 / (4 * bend), opening - closed))
