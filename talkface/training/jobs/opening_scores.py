"""Predicted and real openings of many clips -> scores per speaker."""

from collections.abc import Sequence

import numpy as np

from talkface.metrics.lag import pearson_at_lag
from talkface.types import FloatArray


def score_openings(clips: Sequence[tuple[str, FloatArray, FloatArray]]) -> dict[str, float]:
    """Correlation of the inner-lip opening, averaged per speaker first.

    Args:
        clips: (speaker, predicted `[T]`, real `[T]`).

    Returns:
        `median_r`, `mean_r` at lag 0; `median_best_r`, `mean_best_r` at the best of -2..2 frames; `lag`, the median of
        those, positive where the prediction is late; `std_ratio`, median of predicted over real standard deviation.
    """
    rows: dict[str, list[list[float]]] = {}
    for speaker, predicted, real in clips:
        if len(real) < 20:  # frames; a correlation over fewer says little
            continue
        shifts = range(-2, 3)  # frames
        by_lag = [pearson_at_lag(predicted, real, lag) for lag in shifts]
        best = int(np.argmax(by_lag))
        ratio = float(predicted.std() / max(float(real.std()), 1e-6))
        rows.setdefault(speaker, []).append([by_lag[2], by_lag[best], shifts[best], ratio])
    if not rows:
        return {"mean_r": 0.0}
    table = np.array([np.mean(values, 0) for values in rows.values()])
    lags = [row[2] for values in rows.values() for row in values]
    return {
        "median_r": float(np.median(table[:, 0])),
        "mean_r": float(table[:, 0].mean()),
        "median_best_r": float(np.median(table[:, 1])),
        "mean_best_r": float(table[:, 1].mean()),
        "lag": float(np.median(lags)),
        "std_ratio": float(np.median(table[:, 3])),
    }
