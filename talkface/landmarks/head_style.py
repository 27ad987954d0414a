"""Track of a head, or name of a style -> what a photo shows of it: how far and how fast its head moves."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from talkface.landmarks.motion import IDLE, ease_in, low_pass
from talkface.types import FloatArray, HeadPose


@dataclass(frozen=True)
class ShownHead:
    """Limits of the head motion that a photo shows."""

    count: int = 5  # of the six numbers of a pose: z, the sixth, would ask for a background
    # 12 and 15 degrees, and outer-eye distances, which are never passed: further, the warp shows
    longest: tuple[float, ...] = (0.21, 0.26, 0.26, 0.2, 0.2)
    rise_s: float = 0.5  # how fast a head follows speech that begins, and that has ended
    fall_s: float = 2.0
    awake: float = 0.6  # mean activity of ordinary speech with its pauses, from which nothing is taken away


SHOWN = ShownHead()


@dataclass(frozen=True)
class HeadStyle:
    """Changes of a style to head motion from speech; timing with the sound stays.

    Attributes:
        amounts: factor on pitch, yaw, roll, x and y.
        tempo: factor on how fast the head moves.
    """

    amounts: tuple[float, float, float, float, float]
    tempo: Fraction

    def scaled(self, pose: FloatArray) -> FloatArray:
        """`[..., 5 or 6]` pose or track in this style's size; a sixth number, the distance, stays."""
        factors = np.ones(pose.shape[-1])
        factors[: SHOWN.count] = self.amounts
        return np.asarray(pose * factors)


HEAD_STYLES = {
    "natural": HeadStyle((1, 1, 1, 1, 1), Fraction(1)),
    "calm": HeadStyle((0.5, 0.5, 0.5, 0.5, 0.5), Fraction(7, 10)),
    "lively": HeadStyle((1.4, 1.4, 1.4, 1.3, 1.3), Fraction(5, 4)),
    "nodding": HeadStyle((1.5, 0.4, 0.4, 0.5, 1.2), Fraction(1)),
}
"""Presets of `--head-style`."""


def soften(values: FloatArray, longest: FloatArray) -> FloatArray:
    """Values that grow ever more slowly towards `longest`, which they never pass; small ones stay as they are."""
    return np.asarray(longest * np.tanh(values / longest), np.float32)


def back_and_forth(track: FloatArray, num_frames: int) -> FloatArray:
    """`[N, C]` -> `[num_frames, C]`: forwards, then backwards, and so on, so that nothing jumps where it ends."""
    turn = max(1, 2 * len(track) - 2)
    place = np.arange(num_frames) % turn
    return track[np.minimum(place, turn - place) if len(track) > 1 else np.zeros(num_frames, int)]


def shown_pose(track: FloatArray, fps: Fraction, amount: float = 1.0) -> HeadPose:
    """Part of a `[T, 6]` track that a photo shows, softly limited; the first frame is the photo's own pose.

    Args:
        track: against the pose of the photo.
        fps: frames per second.
        amount: 0 still, 1 as in the track.
    """
    shown = soften(track[:, : SHOWN.count], np.array(SHOWN.longest)) * (amount * ease_in(len(track), fps)[:, None])
    return HeadPose(shown[:, :3].astype(np.float32), shown[:, 3:].astype(np.float32))


def calm_in_silence(track: FloatArray, activity: FloatArray, fps: Fraction) -> FloatArray:
    """`[T, C]` that dies down to a fifth where nobody speaks for seconds; pauses between words change it little.

    Args:
        track: head pose about the photo's own.
        activity: `[T]` in 0..1, see `audio.rhythm`.
        fps: frames per second.
    """
    rise, fall = (low_pass(activity, seconds * float(fps)) for seconds in (SHOWN.rise_s, SHOWN.fall_s))
    awake = np.minimum(np.maximum(rise, fall) / SHOWN.awake, 1.0)
    return np.asarray(track * (IDLE + (1 - IDLE) * awake)[:, None])
