"""Rows of scores -> measures with intervals over people, for the terminal, JSON lines and CSV."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from talkface.evaluation.compare import Row
from talkface.evaluation.report.measures import MEASURES, SYMBOLS, MeasureInfo
from talkface.metrics.stats import Score, average_by_person, cell, mean, plain, score

SEED = 20  # of the bootstrap


@dataclass(frozen=True)
class ClipRow:
    """One row of one clip.

    Attributes:
        clip: which clip.
        speaker: whose clip; clips of one speaker are averaged before the interval is taken.
        row: the scores.
    """

    clip: str
    speaker: str
    row: Row


@dataclass(frozen=True)
class Summary:
    """One measure over all clips.

    Attributes:
        info: which measure.
        scores: by system, in the order of the columns.
    """

    info: MeasureInfo
    scores: dict[str, Score]


def summarise(rows: Sequence[ClipRow], last: Sequence[str], fid: Mapping[str, Score] | None = None) -> list[Summary]:
    """Mean and 95 % bootstrap interval over speakers, of every measure that was taken.

    Args:
        rows: all systems on all clips.
        last: systems whose columns come last, in this order (photo only, real).
        fid: by system; it has one value over all clips, so no interval.
    """
    names = dict.fromkeys(one.row.name for one in rows)
    systems = [*(name for name in names if name not in last), *(name for name in last if name in names)]
    summaries = []
    for info in MEASURES:
        if info.name == "fid" and fid:
            summaries.append(Summary(info, {system: fid[system] for system in systems if system in fid}))
            continue
        if not any(info.name in one.row.scores for one in rows):
            continue
        columns = {system: _score(rows, system, info.name) for system in systems}
        summaries.append(Summary(info, columns))
    return summaries


def _score(rows: Sequence[ClipRow], system: str, name: str) -> Score:
    """A value that is infinite on every clip (PSNR of equal videos) stays so."""
    values = [(one.speaker, one.row.scores.get(name, math.nan)) for one in rows if one.row.name == system]
    if values and all(value == math.inf for _, value in values):
        return Score(math.inf, math.inf, math.inf, len(values))
    return score(average_by_person(values).values(), np.random.default_rng(SEED), mean)


def summary_table(title: str, summaries: Sequence[Summary], plain_columns: Sequence[str] = ()) -> Table:
    """Rich table: measures down in their groups, systems across, and which way is better.

    Args:
        title: above the table.
        summaries: rows.
        plain_columns: systems shown without their intervals, to save width.
    """
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("measure", overflow="fold", ratio=3)
    systems = list(dict.fromkeys(system for one in summaries for system in one.scores))
    for system in systems:
        table.add_column(system, justify="right")
    table.add_column("better", style="dim")
    for before, one in zip([None, *summaries], summaries, strict=False):
        if before is not None and before.info.group != one.info.group:
            table.add_section()
        label = f"{one.info.label} [dim]({one.info.unit})[/dim]" if one.info.unit else one.info.label
        cells = [cell(one.scores.get(system), with_interval=system not in plain_columns) for system in systems]
        table.add_row(label, *cells, SYMBOLS[one.info.better])
    return table


def json_lines(rows: Sequence[ClipRow], summaries: Sequence[Summary]) -> str:
    """One object per clip and system, then one per measure over all; infinite and missing values are null."""
    lines: list[dict[str, object]] = [
        {
            "kind": "clip",
            "clip": one.clip,
            "speaker": one.speaker,
            "system": one.row.name,
            "alignment": one.row.alignment,
            "scores": {name: plain(value) for name, value in one.row.scores.items()},
        }
        for one in rows
    ]
    for summary in summaries:
        values = {
            system: {"value": plain(one.value), "low": plain(one.low), "high": plain(one.high), "count": one.count}
            for system, one in summary.scores.items()
        }
        lines.append({"kind": "summary", "measure": summary.info.name, "unit": summary.info.unit, "scores": values})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def csv_text(rows: Sequence[ClipRow]) -> str:
    """One line per clip and system, one column per measure; what was not measured is empty."""
    names = [info.name for info in MEASURES if any(info.name in one.row.scores for one in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["clip", "speaker", "system", *names])
    for one in rows:
        values = [one.row.scores.get(name, math.nan) for name in names]
        numbers = ["" if math.isnan(value) else f"{value:.6g}" for value in values]
        writer.writerow([one.clip, one.speaker, one.row.name, *numbers])
    return text.getvalue()
