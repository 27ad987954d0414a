"""Landmarks of a talking head -> `[T, 6]` track of its pose -> what another head does with it."""

import numpy as np

from talkface.landmarks.driver import LONGEST_SHIFT, LONGEST_TURN, fit_driver, soften
from talkface.landmarks.smooth import hanning, smooth_landmarks
from talkface.types import FloatArray, HeadPose

SHOWN = 5  # of the six numbers of a frame: a photo is turned and shifted; z, the sixth, would ask for a background
LONGEST_GROWTH = 0.15  # of z: the head 16 % larger or smaller
STEADY_WIDTH = 5  # frames of the Hanning window that takes out what the detector adds to the pose

_LONGEST = np.concatenate([LONGEST_TURN, [LONGEST_SHIFT, LONGEST_SHIFT, LONGEST_GROWTH]])


def head_track(points: FloatArray) -> FloatArray:
    """How a head moves, smoothed, against its own usual pose.

    Args:
        points: `[T, 68, 2]` landmarks in pixels of the frames (not of crops that follow the face), all finite.

    Returns:
        `[T, 6]`: pitch, yaw, roll in radians, x and y in outer-eye distances, z the logarithm of the size, as
        `DriverFace.track` measures them; large values grow ever more slowly, as a photo shows one side of a head.
    """
    smooth = smooth_landmarks(points)
    track = hanning(fit_driver(smooth).track(smooth), STEADY_WIDTH)
    return np.asarray(soften(track, _LONGEST), np.float32)


def back_and_forth(track: FloatArray, num_frames: int) -> FloatArray:
    """`[N, C]` -> `[num_frames, C]`: forwards, then backwards, and so on, so that nothing jumps where it ends."""
    turn = max(1, 2 * len(track) - 2)
    place = np.arange(num_frames) % turn
    return track[np.minimum(place, turn - place) if len(track) > 1 else np.zeros(num_frames, int)]


def shown_pose(track: FloatArray) -> HeadPose:
    """What a photo can show of a `[T, 6]` track."""
    return HeadPose(track[:, :3].astype(np.float32), track[:, 3:SHOWN].astype(np.float32))
