"""Landmarks of a talking head -> `[T, 6]` track of its pose, for another head to follow."""

import numpy as np

from talkface.landmarks.driver import DRIVER, fit_driver
from talkface.landmarks.head_style import soften
from talkface.landmarks.smooth import hanning, smooth_landmarks
from talkface.types import FloatArray


def head_track(points: FloatArray) -> FloatArray:
    """Head motion, smoothed, against the head's own usual pose.

    Args:
        points: `[T, 68, 2]` landmarks in pixels of the frames (not of crops that follow the face), all finite.

    Returns:
        `[T, 6]`: pitch, yaw, roll in radians, x and y in outer-eye distances, z the logarithm of the size, as
        `DriverFace.track` measures them; large values grow ever more slowly, as a photo shows one side of a head.
    """
    smooth = smooth_landmarks(points)
    steady_width = 5  # frames of the Hanning window that takes out what the detector adds to the pose
    track = hanning(fit_driver(smooth).track(smooth), steady_width)
    longest_growth = 0.15  # of z: the head 16 % larger or smaller
    longest = np.array([*DRIVER.longest_turn, DRIVER.longest_shift, DRIVER.longest_shift, longest_growth])
    return np.asarray(soften(track, longest), np.float32)
