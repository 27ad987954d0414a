"""Scores -> a table for the terminal, and JSON lines for programs."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.table import Table

from talkface.files.table import write_table
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
        low: lower end of the 95 % bootstrap interval, equal to `value` for a single sample.
        high: upper end.
        count: samples (people, portraits, frames) behind it.
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Bar:
    """What a value must reach; either end may be open."""

    at_least: float | None = None
    at_most: float | None = None

    def passed(self, value: float) -> bool:
        """Whether `value` lies between the ends; NaN never does."""
        above = self.at_least is None or value >= self.at_least
        below = self.at_most is None or value <= self.at_most
        return above and below and not math.isnan(value)

    def __str__(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            if self.at_least == self.at_most:
                return f"= {self.at_least:g}"
            return f"{self.at_least:g}..{self.at_most:g}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@dataclass(frozen=True)
class Measure:
    """One row of the table: one question, asked of several systems.

    Attributes:
        name: key in the JSON lines.
        label: what the table prints.
        scores: by system, in the order of the columns.
        bar: what the judged system must reach, if anything.
        judged: the system that the bar is for.
        unit: printed behind the label.
    """

    name: str
    label: str
    scores: Mapping[str, Score]
    bar: Bar | None = None
    judged: str = ""
    unit: str = ""
    details: Mapping[str, object] = field(default_factory=dict)

    def verdict(self) -> str:
        """`pass`, `FAIL`, or nothing where there is no bar."""
        if self.bar is None or self.judged not in self.scores:
            return ""
        return "pass" if self.bar.passed(self.scores[self.judged].value) else "FAIL"


def median(values: FloatArray) -> FloatArray:
    """Median of the samples along the last axis."""
    return np.asarray(np.median(values, axis=-1))


def mean(values: FloatArray) -> FloatArray:
    """Mean of the samples along the last axis."""
    return np.asarray(np.mean(values, axis=-1))


def largest(values: FloatArray) -> FloatArray:
    """Largest sample along the last axis."""
    return np.asarray(np.max(values, axis=-1))


def score(values: Iterable[float], rng: np.random.Generator, statistic: Statistic = median) -> Score:
    """Statistic of the finite samples with its bootstrap interval (Efron 1979, percentile method).

    Samples are what varies independently: people, not frames, and not several clips of one person.
    """
    finite = np.array([value for value in values if math.isfinite(value)], np.float64)
    if len(finite) == 0:
        return Score(math.nan, math.nan, math.nan, 0)
    value = float(statistic(finite))
    if len(finite) == 1:
        return Score(value, value, value, 1)
    outcomes = np.concatenate([statistic(finite[chosen]) for chosen in _resamplings(len(finite), rng)])
    low, high = np.quantile(outcomes, [(1 - BOOTSTRAP.level) / 2, (1 + BOOTSTRAP.level) / 2])
    return Score(value, float(low), float(high), len(finite))


def ratio_score(above: Sequence[float], below: Sequence[float], rng: np.random.Generator) -> Score:
    """Mean of `above` over mean of `below`, paired samples, with its bootstrap interval."""
    pairs = np.array([(a, b) for a, b in zip(above, below, strict=True) if math.isfinite(a) and math.isfinite(b)])
    if len(pairs) == 0:
        return Score(math.nan, math.nan, math.nan, 0)
    drawn = np.concatenate([pairs[chosen].mean(1) for chosen in _resamplings(len(pairs), rng)])
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [(1 - BOOTSTRAP.level) / 2, (1 + BOOTSTRAP.level) / 2])
    return Score(float(pairs[:, 0].mean() / pairs[:, 1].mean()), float(low), float(high), len(pairs))


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


def to_table(title: str, measures: Sequence[Measure]) -> Table:
    """Rich table: measures down, systems across, then bar and verdict where there is any bar."""
    systems = list(dict.fromkeys(system for measure in measures for system in measure.scores))
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("measure", overflow="fold", ratio=3)
    for system in systems:
        table.add_column(system, justify="right")
    with_bars = any(measure.bar for measure in measures)
    if with_bars:
        table.add_column("bar", justify="right")
        table.add_column("")
    for measure in measures:
        verdict = measure.verdict()
        colour = {"pass": "green", "FAIL": "bold red"}.get(verdict, "")
        label = f"{measure.label} [dim]({measure.unit})[/dim]" if measure.unit else measure.label
        cells = [cell(measure.scores.get(system), system == measure.judged) for system in systems]
        if with_bars:
            cells += [str(measure.bar) if measure.bar else "", f"[{colour}]{verdict}[/]" if colour else verdict]
        table.add_row(label, *cells)
    return table


def systems_table(title: str, measures: Sequence[Measure]) -> Table:
    """Rich table turned the other way: systems down, measures across, for more systems than fit beside each other."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("renderer", overflow="fold", ratio=1)
    for measure in measures:
        table.add_column(f"{measure.label}\n[dim]{measure.unit}[/dim]", justify="right")
    for system in dict.fromkeys(system for measure in measures for system in measure.scores):
        table.add_row(system, *(cell(measure.scores.get(system), with_interval=True) for measure in measures))
    return table


def to_json_lines(measures: Sequence[Measure]) -> str:
    """One JSON object per measure, newline-terminated; values that could not be measured are null."""
    lines = []
    for measure in measures:
        scores = {
            system: {"value": plain(one.value), "low": plain(one.low), "high": plain(one.high), "count": one.count}
            for system, one in measure.scores.items()
        }
        entry: dict[str, object] = {
            "name": measure.name,
            "label": measure.label,
            "unit": measure.unit,
            "scores": scores,
        }
        if measure.bar is not None:
            entry["bar"] = {"at_least": measure.bar.at_least, "at_most": measure.bar.at_most}
            entry["judged"] = measure.judged
            entry["verdict"] = measure.verdict()
        lines.append(json.dumps({**entry, **({"details": measure.details} if measure.details else {})}))
    return "".join(line + "\n" for line in lines)


def cell(one: Score | None, with_interval: bool) -> str:
    """What a terminal table shows: the value, and the interval below it where there is one."""
    if one is None or one.count == 0:
        return "-"
    text = _number(one.value)
    if with_interval and one.count > 1 and one.low != one.high:
        text += f"\n[dim]{_number(one.low)} … {_number(one.high)}[/dim]"
    return text


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def plain(value: float) -> float | None:
    """A number that JSON can hold; None for one that could not be measured or is infinite."""
    return round(value, 6) if math.isfinite(value) else None


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows with the columns of the first one; the file is complete or not there."""
    columns = list(rows[0])
    write_table(path, columns, [[row.get(name, "") for name in columns] for row in rows])


def blank(value: object) -> object:
    """A cell of a CSV: empty for a number that could not be measured or is infinite."""
    return value if not isinstance(value, float) else "" if plain(value) is None else plain(value)
