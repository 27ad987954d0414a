"""Predicted and real openings -> by how many frames each clip's picture follows its sound."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkface.metrics.lag import pearson_at_lag
from talkface.training.engine.kept import load_kept, save_kept
from talkface.types import FloatArray


@dataclass(frozen=True)
class OffsetConfig:
    """Settings of the offsets measured before training."""

    steps: int = 400  # of training of each of the two networks that measure; 0 leaves all clips as they are
    most_clips: int = 20_000  # of a larger corpus, clips stay in time as `prepare` left them
    reach: int = 8  # largest offset in frames
    spread: float = 1.0  # frames; offsets beyond it must be well supported


def lag_evidence(predicted: FloatArray, real: FloatArray, reach: int) -> FloatArray:
    """Log likelihood `[2 reach + 1]` that the picture follows its sound by -reach..reach frames.

    It comes from the correlation at that shift; 0 where too little overlaps.
    """
    evidence = np.zeros(2 * reach + 1)
    for index, lag in enumerate(range(-reach, reach + 1)):
        if len(real) > abs(lag) + 12:
            r = min(max(pearson_at_lag(predicted, real, -lag), 0.0), 0.99)
            # neighbouring frames say the same: eight count as one
            evidence[index] = -0.5 * len(real) / 8.0 * np.log(1 - r * r)
    return evidence


def most_likely_lag(evidence: FloatArray, spread: float) -> float:
    """Peak of evidence and a heavy-tailed prior about 0, refined by a parabola, in frames."""
    reach = len(evidence) // 2
    lags = np.arange(-reach, reach + 1)
    posterior = evidence - 1.5 * np.log1p((lags / spread) ** 2)
    peak = int(np.argmax(posterior))
    lag = float(lags[peak])
    if 0 < peak < len(lags) - 1:
        before, here, after = posterior[peak - 1 : peak + 2]
        bend = before - 2 * here + after
        if bend < 0:
            lag += float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    return lag


def estimate_lags(
    predictions: Sequence[tuple[str, str, FloatArray, FloatArray]], config: OffsetConfig
) -> dict[str, float]:
    """Lag of every clip by key.

    Args:
        predictions: (key, speaker, predicted opening `[T]`, real opening `[T]`), by a network that did not train on
            the speaker.
    """
    evidence = {key: lag_evidence(predicted, real, config.reach) for key, _, predicted, real in predictions}
    speaker_of = {key: speaker for key, speaker, _, _ in predictions}
    keys_of: dict[str, list[str]] = {}
    for key, speaker in speaker_of.items():
        keys_of.setdefault(speaker, []).append(key)
    lags = {}
    for keys in keys_of.values():
        # a speaker with more than five clips was recorded in one set-up, with one offset
        shared = len(keys) > 5
        together = np.sum([evidence[key] for key in keys], 0)
        for key in keys:
            lag = most_likely_lag(together if shared else evidence[key], config.spread)
            lags[key] = round(lag, 3)  # as it is written to and read from the run folder
    return lags


def load_lags(path: Path, measured_on: str) -> dict[str, float] | None:
    """Lags that an earlier start of the run measured; None where there are none for this key of data and settings."""
    kept = load_kept(path, measured_on, lags=dict[str, float])
    return None if kept is None else {key: float(lag) for key, lag in kept["lags"].items()}


def save_lags(path: Path, measured_on: str, lags: dict[str, float]) -> None:
    """Keep them in the run folder."""
    save_kept(path, measured_on, {"lags": lags})
