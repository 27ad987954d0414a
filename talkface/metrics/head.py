"""Landmarks and speech -> how the head moves, and whether it moves with the voice."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.spatial.transform import Rotation

from talkface.audio.rhythm import speech_rhythm
from talkface.landmarks.pose import head_rotation
from talkface.landmarks.smooth import fill_unseen
from talkface.media.speech import open_speech, speech_level
from talkface.metrics.lag import MIN_FRAMES
from talkface.types import FloatArray, Waveform


@dataclass(frozen=True)
class BeatSettings:
    """Beats of the head and onsets of speech."""

    smooth_s: float = 0.08  # seconds, standard deviation of the smoothing of pose before it is differentiated
    beat_s: float = 0.12  # seconds: 3 frames at 25 frames/s, the tolerance of the beat score
    onset: float = 0.35  # of a strong syllable's strength: what counts as an onset
    onset_gap_s: float = 0.12  # two onsets are at least this far apart


BEATS = BeatSettings()


def head_angles(landmarks: FloatArray) -> FloatArray:
    """Pitch, yaw and roll of every frame against the clip's mean pose: `[T, 68, 2]` -> `[T, 3]` degrees, NaN kept.

    Rotation of the mean face that explains the landmarks in scaled orthographic projection (`landmarks.pose`).
    """
    seen = np.isfinite(landmarks[:, 0, 0])
    angles = np.full((len(landmarks), 3), np.nan)
    if seen.any():
        rotations = Rotation.from_matrix(head_rotation(np.asarray(landmarks[seen], np.float64)))
        angles[seen] = (rotations.mean().inv() * rotations).as_rotvec(degrees=True)
    return angles


def head_diversity(landmarks: FloatArray) -> float:
    """Standard deviation of the head's angles over the clip, mean of the three axes, in degrees.

    The papers' "diversity" takes Hopenet's features instead of angles, so numbers do not compare with theirs.
    """
    angles = head_angles(landmarks)
    seen = np.isfinite(angles[:, 0])
    return float(angles[seen].std(0).mean()) if seen.sum() >= MIN_FRAMES else float("nan")


def motion_beats(landmarks: FloatArray, fps: Fraction) -> FloatArray:
    """Frames `[N]` at which the head turns around or stops: minima of its smoothed angular speed."""
    angles = head_angles(landmarks)
    seen = np.isfinite(angles[:, 0])
    if seen.sum() < MIN_FRAMES:
        return np.zeros(0, int)
    return turning_points(fill_unseen(angles, seen), fps)


def turning_points(angles: FloatArray, fps: Fraction) -> FloatArray:
    """Frames `[N]` at which `[T, 3]` angles turn around or stop: minima of their smoothed speed, see `motion_beats`."""
    smooth = gaussian_filter1d(np.asarray(angles, np.float64), BEATS.smooth_s * float(fps), axis=0, mode="nearest")
    speed = np.linalg.norm(np.gradient(smooth, axis=0), axis=-1)
    return np.asarray(find_peaks(-speed)[0]) if np.ptp(speed) > 1e-9 else np.zeros(0, int)


def speech_onsets(speech: Waveform, fps: Fraction, num_frames: int) -> FloatArray:
    """Frames `[N]` at which strong syllables start: peaks of the onset strength of `audio.rhythm`."""
    stream = open_speech(speech)
    onset = speech_rhythm(stream.blocks(), num_frames, fps, speech_level(stream)).onset
    return np.asarray(find_peaks(onset, height=BEATS.onset, distance=max(1, round(BEATS.onset_gap_s * float(fps))))[0])


def beat_alignment(beats: FloatArray, onsets: FloatArray, fps: Fraction) -> float:
    """Beat alignment (Siyao et al. 2022, as talking-head papers use it): 1 in time, 0 unrelated; no unit.

    Mean over speech onsets of exp(-d^2 / (2 s^2)), d the distance to the nearest motion beat, s 0.12 s (3 frames at
    25 frames/s). A head that does not move has no beats and scores 0; NaN where nothing is said. Onset detectors
    differ between papers, so compare only within one table.

    Args:
        beats: frames of the head's beats, see `motion_beats`.
        onsets: frames of the speech's onsets, see `speech_onsets`.
        fps: frames per second of both.
    """
    if len(onsets) == 0:
        return float("nan")
    if len(beats) == 0:
        return 0.0
    nearest = np.abs(np.asarray(onsets)[:, None] - np.asarray(beats)[None]).min(1) / float(fps)
    return float(np.exp(-(nearest**2) / (2 * BEATS.beat_s**2)).mean())
