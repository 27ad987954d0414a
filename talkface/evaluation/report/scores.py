"""Rows of measured pairs -> measures with intervals over people, JSON lines and CSV."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from talkface.evaluation.compare import PairRow
from talkface.evaluation.report.measures import MEASURES
from talkface.evaluation.rows import REAL, STILL, Scores
from talkface.files.write import atomic_write
from talkface.metrics.stats import Score
from talkface.metrics.table import Measure, json_line, json_scores, plain, write_csv


def summarise(rows: Sequence[PairRow], fid: Mapping[str, Score] | None = None) -> list[Measure]:
    """Mean and 95 % bootstrap interval over speakers, of every measure that was taken.

    Args:
        rows: all systems on all clips.
        fid: by system; it has one value over all clips, so no interval.
    """
    scores = Scores(rows, last=(STILL, REAL))
    measures = []
    for quantity in MEASURES:
        if quantity.name == "fid" and fid:
            measures.append(Measure(quantity, {system: fid[system] for system in scores.columns if system in fid}))
        elif any(quantity.name in row.scores for row in rows):
            measures.append(scores.measure(quantity))
    return measures


def write_scores(folder: Path, rows: Sequence[PairRow], measures: Sequence[Measure]) -> None:
    """Write `scores.jsonl`, an object per clip and system and one per measure, and `scores.csv`, a line per row."""
    lines = [
        json_line(
            {"kind": "clip", **row.labels, "alignment": row.alignment}
            | {"scores": {name: plain(value) for name, value in row.scores.items()}}
        )
        for row in rows
    ]
    for measure in measures:
        quantity = measure.quantity
        summary = {"kind": "summary", "measure": quantity.name, "unit": quantity.unit}
        lines.append(json_line(summary | {"scores": json_scores(measure.scores)}))
    atomic_write(folder / "scores.jsonl", "".join(lines))
    names = [quantity.name for quantity in MEASURES if any(quantity.name in row.scores for row in rows)]
    cells = [{name: "" if math.isnan(row[name]) else f"{row[name]:.6g}" for name in names} for row in rows]
    write_csv(folder / "scores.csv", [{**row.labels, **each} for row, each in zip(rows, cells, strict=True)])
