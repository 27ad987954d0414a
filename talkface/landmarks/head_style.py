"""Name of a head style -> how far and how fast a head moves that follows speech."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from talkface.landmarks.head_track import SHOWN
from talkface.types import FloatArray


@dataclass(frozen=True)
class HeadStyle:
    """What a style changes of head motion from speech; the sound it follows stays in time.

    Attributes:
        amounts: factor on pitch, yaw, roll, x and y.
        tempo: factor on how fast the head moves.
    """

    amounts: tuple[float, float, float, float, float]
    tempo: Fraction

    def scaled(self, pose: FloatArray) -> FloatArray:
        """`[..., 5 or 6]` pose or track in this style's size; a sixth number, the distance, stays."""
        factors = np.ones(pose.shape[-1])
        factors[:SHOWN] = self.amounts
        return np.asarray(pose * factors)


HEAD_STYLES = {
    "natural": HeadStyle((1, 1, 1, 1, 1), Fraction(1)),
    "calm": HeadStyle((0.5, 0.5, 0.5, 0.5, 0.5), Fraction(7, 10)),
    "lively": HeadStyle((1.4, 1.4, 1.4, 1.3, 1.3), Fraction(5, 4)),
    "nodding": HeadStyle((1.5, 0.4, 0.4, 0.5, 1.2), Fraction(1)),
}
"""Presets of `--head-style`."""
