"""Landmarks of a talking head -> `[T, 6]` track of its pose, for another head to follow."""

from dataclasses import dataclass

import numpy as np

from talkface.landmarks.driver import DRIVER, LONGEST_TURN, fit_driver
from talkface.landmarks.head_style import soften
from talkface.landmarks.smooth import hanning, smooth_landmarks
from talkface.types import FloatArray


@dataclass(frozen=True)
class HeadTrackSettings:
    """How a driver's head is followed."""

    longest_growth: float = 0.15  # of z: the head 16 % larger or smaller
    steady_width: int = 5  # frames of the Hanning window that takes out what the detector adds to the pose


HEAD_TRACK = HeadTrackSettings()

_LONGEST = np.concatenate([LONGEST_TURN, [DRIVER.longest_shift, DRIVER.longest_shift, HEAD_TRACK.longest_growth]])


def head_track(points: FloatArray) -> FloatArray:
    """How a head moves, smoothed, against its own usual pose.

    Args:
        points: `[T, 68, 2]` landmarks in pixels of the frames (not of crops that follow the face), all finite.

    Returns:
        `[T, 6]`: pitch, yaw, roll in radians, x and y in outer-eye distances, z the logarithm of the size, as
        `DriverFace.track` measures them; large values grow ever more slowly, as a photo shows one side of a head.
    """
    smooth = smooth_landmarks(points)
    track = hanning(fit_driver(smooth).track(smooth), HEAD_TRACK.steady_width)
    return np.asarray(soften(track, _LONGEST), np.float32)
