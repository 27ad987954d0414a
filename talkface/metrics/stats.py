"""Samples -> a statistic with its bootstrap interval."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from talkface.types import FloatArray


@dataclass(frozen=True)
class BootstrapSettings:
    """Draws and level of the confidence intervals."""

    draws: int = 2000  # resamplings behind an interval
    level: float = 0.95
    block: int = 1 << 21  # samples drawn at a time


BOOTSTRAP = BootstrapSettings()

Statistic = Callable[[FloatArray], FloatArray]
"""Samples `[..., N]` -> one number for each row `[...]`."""


@dataclass(frozen=True)
class Score:
    """One number with its spread.

    Attributes:
        value: the statistic over all samples; NaN where nothing could be measured.
        low: lower end of the 95 % bootstrap interval, equal to `value` for a single sample; NaN without bounds.
        high: upper end.
        count: samples (people, portraits, frames) behind it.
    """

    value: float
    low: float
    high: float
    count: int


UNMEASURED = Score(math.nan, math.nan, math.nan, 0)


def median(values: FloatArray) -> FloatArray:
    """Median of the samples along the last axis."""
    return np.asarray(np.median(values, axis=-1))


def mean(values: FloatArray) -> FloatArray:
    """Mean of the samples along the last axis."""
    return np.asarray(np.mean(values, axis=-1))


def finite_mean(values: Iterable[float]) -> float:
    """Mean of the finite values; NaN where there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def nanmean(values: FloatArray, axis: int | None = None) -> FloatArray:
    """Mean of the values that are known, as `np.nanmean`; NaN, without a warning, where all are NaN."""
    known = ~np.isnan(values)
    count, total = known.sum(axis), np.where(known, values, 0).sum(axis)
    means = np.full(np.shape(total), np.nan, total.dtype)
    return np.asarray(np.divide(total, count, out=means, where=count > 0, casting="unsafe"))


def largest(values: FloatArray) -> FloatArray:
    """Largest sample along the last axis."""
    return np.asarray(np.max(values, axis=-1))


def score(values: Iterable[float], rng: np.random.Generator, statistic: Statistic = median) -> Score:
    """Statistic of the finite samples with its bootstrap interval (Efron 1979, percentile method).

    Samples are what varies independently: people, not frames, and not several clips of one person.
    """
    finite = np.array([value for value in values if math.isfinite(value)], np.float64)
    if len(finite) == 0:
        return UNMEASURED
    value = float(statistic(finite))
    if len(finite) == 1:
        return Score(value, value, value, 1)
    outcomes = np.concatenate([statistic(finite[chosen]) for chosen in _resamplings(len(finite), rng)])
    return Score(value, *interval(outcomes), len(finite))


def ratio_score(above: Sequence[float], below: Sequence[float], rng: np.random.Generator) -> Score:
    """Mean of `above` over mean of `below`, paired samples, with its bootstrap interval.

    Over a mean of 0 there is no ratio: `UNMEASURED`. Where only some resamplings have such a mean, the interval has no
    bounds: its ends are NaN.
    """
    pairs = np.array([(a, b) for a, b in zip(above, below, strict=True) if math.isfinite(a) and math.isfinite(b)])
    if len(pairs) == 0 or pairs[:, 1].mean() == 0:
        return UNMEASURED
    drawn = np.concatenate([pairs[chosen].mean(1) for chosen in _resamplings(len(pairs), rng)])
    value, bounded = float(pairs[:, 0].mean() / pairs[:, 1].mean()), bool(drawn[:, 1].all())
    low, high = interval(drawn[:, 0] / drawn[:, 1]) if bounded else (math.nan, math.nan)
    return Score(value, low, high, len(pairs))


def interval(outcomes: FloatArray) -> tuple[float, float]:
    """Ends of the 95 % interval of a statistic's values `[draws]` on resampled data."""
    low, high = np.quantile(outcomes, [(1 - BOOTSTRAP.level) / 2, (1 + BOOTSTRAP.level) / 2])
    return float(low), float(high)


def _resamplings(count: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.integer]]:
    """Indices `[n, count]` of all resamplings, so many at a time that memory stays bounded."""
    rows = max(1, BOOTSTRAP.block // count)
    for start in range(0, BOOTSTRAP.draws, rows):
        yield rng.integers(0, count, (min(rows, BOOTSTRAP.draws - start), count))


def average_by_person(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Mean of each person's clips, so that somebody with many clips counts once; unmeasured clips are left out."""
    clips: dict[str, list[float]] = {}
    for person, value in values:
        if math.isfinite(value):
            clips.setdefault(person, []).append(value)
    return {person: float(np.mean(numbers)) for person, numbers in clips.items()}
