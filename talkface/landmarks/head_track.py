"""Landmarks of a talking head -> `[T, 6]` track of its pose -> what another head does with it."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from talkface.landmarks.driver import DRIVER, LONGEST_TURN, fit_driver, soften
from talkface.landmarks.motion import IDLE, ease_in, low_pass
from talkface.landmarks.smooth import hanning, smooth_landmarks
from talkface.types import FloatArray, HeadPose

SHOWN = 5  # of the six numbers of a frame: a photo is turned and shifted; z, the sixth, would ask for a background


@dataclass(frozen=True)
class HeadTrackSettings:
    """How a driver's head is followed and when it is trusted."""

    longest_growth: float = 0.15  # of z: the head 16 % larger or smaller
    steady_width: int = 5  # frames of the Hanning window that takes out what the detector adds to the pose


HEAD_TRACK = HeadTrackSettings()
RISE_S, FALL_S = 0.5, 2.0  # seconds, how fast a head follows speech that begins, and that has ended
AWAKE = 0.6  # mean activity of ordinary speech with its pauses, from which nothing is taken away
TRUSTED = np.array(
    [0.21, 0.26, 0.26, DRIVER.longest_shift, DRIVER.longest_shift]
)  # 12 and 15 degrees: further, the warp shows

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


def back_and_forth(track: FloatArray, num_frames: int) -> FloatArray:
    """`[N, C]` -> `[num_frames, C]`: forwards, then backwards, and so on, so that nothing jumps where it ends."""
    turn = max(1, 2 * len(track) - 2)
    place = np.arange(num_frames) % turn
    return track[np.minimum(place, turn - place) if len(track) > 1 else np.zeros(num_frames, int)]


def shown_pose(track: FloatArray, fps: Fraction, amount: float = 1.0) -> HeadPose:
    """What a photo shows of a `[T, 6]` track, softly limited; the first frame is the photo's own pose.

    Args:
        track: against the pose of the photo.
        fps: frames per second.
        amount: 0 still, 1 as in the track.
    """
    shown = soften(track[:, :SHOWN], TRUSTED) * (amount * ease_in(len(track), fps)[:, None])
    return HeadPose(shown[:, :3].astype(np.float32), shown[:, 3:].astype(np.float32))


def calm_in_silence(track: FloatArray, activity: FloatArray, fps: Fraction) -> FloatArray:
    """`[T, C]` that dies down to a fifth where nobody speaks for seconds; pauses between words change it little.

    Args:
        track: head pose about the photo's own.
        activity: `[T]` in 0..1, see `audio.rhythm`.
        fps: frames per second.
    """
    rise, fall = (low_pass(activity, seconds * float(fps)) for seconds in (RISE_S, FALL_S))
    awake = np.minimum(np.maximum(rise, fall) / AWAKE, 1.0)
    return np.asarray(track * (IDLE + (1 - IDLE) * awake)[:, None])
