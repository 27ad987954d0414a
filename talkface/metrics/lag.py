"""Predicted and real series -> their correlation, and the lag between them.

A lag is counted in frames and positive where the prediction (or the made video) is late. A clip whose picture follows
its sound by n frames is one whose real lips come n frames after those that the sound predicts: its prediction has the
lag -n.
"""

from dataclasses import dataclass

import numpy as np

from talkface.types import FloatArray

MIN_FRAMES = 8  # fewer common frames than this make no correlation
STILL_STD = 1e-6  # openings that vary less than this (in outer-eye distances) do not move at all


@dataclass(frozen=True)
class LagScore:
    """Best agreement within a window of shifts.

    Attributes:
        lag: frames by which the made video is late; negative when it is early.
        r: Pearson correlation after undoing that lag.
    """

    lag: int
    r: float


def pearson(made: FloatArray, real: FloatArray) -> float:
    """Pearson correlation of two series over the frames where both are finite; no unit.

    A series that does not move follows nothing, so its correlation is 0, not undefined.

    Returns:
        Value in [-1, 1]; NaN when fewer than `MIN_FRAMES` frames are common.
    """
    length = min(len(made), len(real))
    made, real = np.asarray(made[:length], np.float64), np.asarray(real[:length], np.float64)
    common = np.isfinite(made) & np.isfinite(real)
    if common.sum() < MIN_FRAMES:
        return float("nan")
    a, b = made[common] - made[common].mean(), real[common] - real[common].mean()
    if a.std() < STILL_STD or b.std() < STILL_STD:
        return 0.0
    return float(np.clip((a * b).mean() / (a.std() * b.std()), -1.0, 1.0))


def pearson_at_lag(made: FloatArray, real: FloatArray, lag: int) -> float:
    """Correlation of `made[t + lag]` with `real[t]`: a positive lag means that what was made is late."""
    if lag >= 0:
        return pearson(made[lag:], real)
    return pearson(made, real[-lag:])


def best_lag(made: FloatArray, real: FloatArray, max_lag: int = 2) -> LagScore:
    """Shift within +-`max_lag` frames at which the made series correlates best with the real one.

    Of equally good shifts the smallest wins, so that a still series has lag 0.
    """
    scores = [(pearson_at_lag(made, real, lag), lag) for lag in range(-max_lag, max_lag + 1)]
    finite = [(r, lag) for r, lag in scores if np.isfinite(r)]
    if not finite:
        return LagScore(0, float("nan"))
    r, lag = max(finite, key=lambda item: (item[0], -abs(item[1])))
    return LagScore(lag, r)
