"""Landmarks and sound of a made and a real video -> the four THEval measures of motion that need no network's weights.

After THEval (Quignon et al. 2026): silent lips, lip sync, lip dynamics and brow motion. A set of videos is scored by
how near the mean of its values lies to that of the real videos, 1 - |made - real| / real. The published values are on
MediaPipe's points and a voice activity network; these are on 68 points and on pauses 40 dB under the loudest frame, so
they compare within one table only.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from talkface.landmarks.layout import LEFT_BROW, LEFT_EYE, MOUTH, RIGHT_BROW, RIGHT_EYE, interocular
from talkface.metrics.sync import frame_levels, long_pauses, pause_frames
from talkface.types import FloatArray, Waveform


@dataclass(frozen=True)
class Theval:
    """Values of one video; NaN where it has no such frames.

    Attributes:
        silent_lips: median absolute deviation of the lips' gap in pauses, outer-eye distances.
        lip_sync: mean difference of opening and loudness, both from 0 to 1 over the frames with speech.
        lip_dynamics: mean over pairs of lip points of their distance's standard deviation, outer-eye distances.
        brows: mean change from frame to frame of the distance of brows and eyes, over the distance of the eyes.
    """

    silent_lips: float
    lip_sync: float
    lip_dynamics: float
    brows: float


def theval(landmarks: FloatArray, speech: Waveform, fps: Fraction) -> Theval:
    """All four of one video.

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN where no face was found.
        speech: its sound.
        fps: frames per second of `landmarks`.
    """
    points = np.asarray(landmarks, np.float64)
    pause_s = 0.3  # shortest pause whose lips count as silent
    gap, silent = lips_gap(points), long_pauses(speech, fps, len(points), pause_s)
    spoken = ~np.asarray(pause_frames(speech, fps, len(points)), bool)
    levels = frame_levels(speech, fps, len(points))
    return Theval(silent_lips(gap[silent]), lip_sync(gap[spoken], levels[spoken]), lip_dynamics(points), brows(points))


def lips_gap(points: FloatArray) -> FloatArray:
    """Mean height of the inner lips' three facing pairs over the outer-eye distance, `[T, 68, 2]` -> `[T]`."""
    upper_inner, lower_inner = [61, 62, 63], [67, 66, 65]  # facing pairs
    heights = np.linalg.norm(points[:, upper_inner] - points[:, lower_inner], axis=-1).mean(-1)
    return np.asarray(heights / interocular(points))


def silent_lips(gap: FloatArray) -> float:
    """Median absolute deviation from the mean of the gaps `[N]` in pauses; NaN for fewer than two."""
    gap = gap[np.isfinite(gap)]
    return float(np.median(np.abs(gap - gap.mean()))) if len(gap) > 1 else float("nan")


def lip_sync(gap: FloatArray, levels: FloatArray) -> float:
    """Mean absolute difference of gaps `[N]` and sound levels `[N]`, each stretched to 0..1; 0 moves as the sound."""
    seen = np.isfinite(gap)
    if seen.sum() < 2:
        return float("nan")
    opened, loud = (
        (values[seen] - values[seen].min()) / max(float(np.ptp(values[seen])), 1e-8) for values in (gap, levels)
    )
    return float(np.abs(opened - loud).mean())


def lip_dynamics(points: FloatArray) -> float:
    """Mean over all pairs of the 20 lip points of their distance's standard deviation, outer-eye distances."""
    seen = points[np.isfinite(points[:, 0, 0])]
    if len(seen) < 2:
        return float("nan")
    every_pair = np.array(list(combinations(MOUTH.tolist(), 2)))
    distances = np.linalg.norm(seen[:, every_pair[:, 0]] - seen[:, every_pair[:, 1]], axis=-1)
    return float((distances / interocular(seen)[:, None]).std(0).mean())


def brows(points: FloatArray) -> float:
    """Mean absolute change per frame of the distance of each brow's and eye's centre, over that of the two eyes."""
    seen = points[np.isfinite(points[:, 0, 0])]
    if len(seen) < 2:
        return float("nan")
    right, left = seen[:, RIGHT_EYE].mean(1), seen[:, LEFT_EYE].mean(1)
    scale = np.linalg.norm(left - right, axis=-1)
    pairs = ((seen[:, RIGHT_BROW].mean(1), right), (seen[:, LEFT_BROW].mean(1), left))
    return float(np.mean([np.abs(np.diff(np.linalg.norm(brow - eye, axis=-1) / scale)).mean() for brow, eye in pairs]))
