"""Mouth opening and sound -> whether lips and voice keep time."""

from fractions import Fraction

import numpy as np

from talkface.metrics.lag import LagScore, best_lag
from talkface.types import FloatArray, Waveform


def frame_levels(speech: Waveform, fps: Fraction, num_frames: int) -> FloatArray:
    """Root mean square of the sound under every video frame, `[T]`, in the waveform's own unit.

    Frame t shows the moment t / fps, so its sound is the 1 / fps seconds centred there, silent beyond the ends.
    """
    samples = speech.samples.astype(np.float64)
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    width = speech.rate / float(fps)
    centres = np.arange(num_frames) * width
    low = np.clip(np.round(centres - width / 2), 0, len(samples)).astype(int)
    high = np.clip(np.round(centres + width / 2), 0, len(samples)).astype(int)
    return np.asarray(np.sqrt((energy[high] - energy[low]) / width))


def opening_energy_lag(openings: FloatArray, speech: Waveform, fps: Fraction, max_lag: int = 5) -> LagScore:
    """Lag at which the mouth's opening correlates best with the sound's level.

    A rough check that needs no real video: real clips give r of 0.2 to 0.6 and lags of -2 to 1 frames, because mouths
    open a little before the sound they make.

    Args:
        openings: `[T]`, see `opening_series`.
        speech: the sound of the video.
        fps: frames per second of `openings`.
        max_lag: largest shift tried, in frames.
    """
    return best_lag(openings, frame_levels(speech, fps, len(openings)), max_lag)


def pause_frames(speech: Waveform, fps: Fraction, num_frames: int) -> FloatArray:
    """Frames `[T]` (bool) whose sound is more than 40 dB below the loudest frame."""
    levels = frame_levels(speech, fps, num_frames)
    silence_db = -40.0  # below the loudest frame: what counts as a pause
    return np.asarray(levels <= levels.max() * 10 ** (silence_db / 20)) if levels.max() > 0 else levels == 0


def long_pauses(speech: Waveform, fps: Fraction, num_frames: int, least_s: float) -> FloatArray:
    """Frames `[T]` (bool) in pauses of at least so many seconds, see `pause_frames`."""
    quiet = np.asarray(pause_frames(speech, fps, num_frames), int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet, [0]])))
    long = np.zeros(num_frames, bool)
    for start, stop in edges.reshape(-1, 2):
        long[start:stop] = stop - start >= least_s * fps
    return long
