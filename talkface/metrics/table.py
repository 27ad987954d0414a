"""Scores of systems -> tables for the terminal, JSON lines and CSV for programs."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.table import Table

from talkface.files.table import write_table
from talkface.files.write import append_file, atomic_write
from talkface.metrics.stats import Score, Statistic, mean


@dataclass(frozen=True)
class Target:
    """Target that a value must reach; either end may be open."""

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


Better = Literal["", "higher", "lower", "like real", "zero"]


@dataclass(frozen=True)
class Quantity:
    """Presentation of one score in tables; its definition stands in the docstring of the function that computes it.

    Attributes:
        name: key in rows, JSON lines and CSV.
        label: text in tables.
        unit: printed behind the label.
        target: target for the judged system, if any.
        statistic: how people are joined.
        better: which way is better; `like real` where the real video's own value is the aim.
        group: heading in tables.
        about: definition in a few words.
        factor: from the row's value to the table's.
    """

    name: str
    label: str
    unit: str = ""
    target: Target | None = None
    statistic: Statistic = mean
    better: Better = ""
    group: str = ""
    about: str = ""
    factor: float = 1.0

    @property
    def arrow(self) -> str:
        """Which way is better, as tables show it."""
        return {"": "", "higher": "↑", "lower": "↓", "like real": "≈ real", "zero": "→ 0"}[self.better]


@dataclass(frozen=True)
class Measure:
    """One quantity over all people or clips, of several systems.

    Attributes:
        quantity: which.
        scores: by system, in the order of the columns.
        judged: the system that the target is for.
        details: samples behind the scores, by system and person or clip.
    """

    quantity: Quantity
    scores: Mapping[str, Score]
    judged: str = ""
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Key of the quantity."""
        return self.quantity.name

    def verdict(self) -> str:
        """`pass`, `FAIL`, or nothing where there is no target."""
        if self.quantity.target is None or self.judged not in self.scores:
            return ""
        return "pass" if self.quantity.target.passed(self.scores[self.judged].value) else "FAIL"


def to_table(title: str, measures: Sequence[Measure], plain_columns: Sequence[str] | None = None) -> Table:
    """Rich table: measures down in their groups, systems across, then targets and which way is better.

    Args:
        title: above the table.
        measures: rows.
        plain_columns: systems without intervals, to save width; if not given, all but the judged one.
    """
    systems = systems_of(measures)
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("measure", overflow="fold", ratio=3)
    for system in systems:
        table.add_column(system, justify="right")
    with_targets, with_better = (
        any(getattr(each.quantity, name) for each in measures) for name in ("target", "better")
    )
    if with_targets:
        table.add_column("target", justify="right")
        table.add_column("")
    if with_better:
        table.add_column("better", style="dim")
    for before, measure in zip([None, *measures], measures, strict=False):
        quantity, verdict = measure.quantity, measure.verdict()
        if before is not None and before.quantity.group != quantity.group:
            table.add_section()
        cells = [f"{quantity.label} [dim]({quantity.unit})[/dim]" if quantity.unit else quantity.label]
        for system in systems:
            with_interval = system == measure.judged if plain_columns is None else system not in plain_columns
            cells.append(cell(measure.scores.get(system), with_interval))
        if with_targets:
            colour = {"pass": "green", "FAIL": "bold red"}.get(verdict, "")
            cells += [str(quantity.target or ""), f"[{colour}]{verdict}[/]" if colour else verdict]
        table.add_row(*cells, *([quantity.arrow] if with_better else []))
    return table


def systems_table(title: str, measures: Sequence[Measure]) -> Table:
    """Rich table turned the other way: systems down, measures across, for more systems than fit beside each other."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("renderer", overflow="fold", ratio=1)
    for measure in measures:
        table.add_column(f"{measure.quantity.label}\n[dim]{measure.quantity.unit}[/dim]", justify="right")
    for system in systems_of(measures):
        table.add_row(system, *(cell(measure.scores.get(system), with_interval=True) for measure in measures))
    return table


def systems_of(measures: Sequence[Measure]) -> list[str]:
    """Columns of a table, in the order in which the measures name them."""
    return list(dict.fromkeys(system for measure in measures for system in measure.scores))


def cell(score: Score | None, with_interval: bool) -> str:
    """Text in a terminal table: the value, and the interval below it where there is one."""
    if score is None or score.count == 0:
        return "-"
    text = _number(score.value)
    if with_interval and score.count > 1 and score.low < score.high:  # no bounds: NaN
        text += f"\n[dim]{_number(score.low)} … {_number(score.high)}[/dim]"
    return text


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def to_json_lines(measures: Sequence[Measure]) -> str:
    """One JSON object per measure, newline-terminated; values that could not be measured are null."""
    lines = []
    for measure in measures:
        quantity = measure.quantity
        entry: dict[str, object] = {"name": quantity.name, "label": quantity.label, "unit": quantity.unit}
        entry["scores"] = json_scores(measure.scores)
        if quantity.target is not None:
            entry["target"] = {"at_least": quantity.target.at_least, "at_most": quantity.target.at_most}
            entry |= {"judged": measure.judged, "verdict": measure.verdict()}
        lines.append(json_line(entry | ({"details": measure.details} if measure.details else {})))
    return "".join(lines)


def json_scores(scores: Mapping[str, Score]) -> dict[str, dict[str, float | None]]:
    """Scores by system as JSON holds them."""
    return {
        system: {"value": plain(each.value), "low": plain(each.low), "high": plain(each.high), "count": each.count}
        for system, each in scores.items()
    }


def json_line(cells: Mapping[str, object]) -> str:
    """One row of a file of JSON lines; NaN becomes null."""
    return json.dumps({name: None if value != value else value for name, value in cells.items()}) + "\n"


def row_log(path: Path) -> Callable[[Mapping[str, object]], None]:
    """Begin a file; the function returned adds a row as one JSON line at once, so that half a run can be looked at."""
    atomic_write(path, "")
    return lambda cells: append_file(path, json_line(cells))


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows with the columns of the first one, unmeasured numbers empty; the file is complete or not there."""
    columns = list(rows[0])
    write_table(path, columns, [[_blank(row.get(name, "")) for name in columns] for row in rows])


def interval_cells(name: str, score: Score) -> dict[str, object]:
    """A score as three cells of a CSV row."""
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


def system_rows(measures: Sequence[Measure], heading: str) -> list[dict[str, object]]:
    """Cells of a CSV of which every row is a system, with both ends of every interval."""
    rows: list[dict[str, object]] = []
    for name in systems_of(measures):
        rows.append({heading: name})
        for measure in measures:
            rows[-1] |= interval_cells(measure.name, measure.scores[name]) if name in measure.scores else {}
    return rows


def plain(value: float) -> float | None:
    """A number that JSON can hold; None for one that could not be measured or is infinite."""
    return round(value, 6) if math.isfinite(value) else None


def _blank(value: object) -> object:
    return value if not isinstance(value, float) else "" if plain(value) is None else plain(value)
