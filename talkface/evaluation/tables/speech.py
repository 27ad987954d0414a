"""Scores of a speech network -> rows over all speakers and for each speaker, with intervals, as table and CSV."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from talkface.evaluation.rows import Row, Scores
from talkface.evaluation.tables.speech_scores import Baseline
from talkface.metrics.stats import Score, median
from talkface.metrics.table import Measure, Quantity, interval_cells, write_csv

ALL = "all"
QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("lmd_sum", "LMD, sum over 20 points", "px of 128"),
        Quantity("lmd", "LMD, mean over points", "% of the eyes' distance", factor=100.0),
        Quantity("r", "opening r, lag 0", statistic=median),
        Quantity("r_best", "opening r, best lag in ±2", statistic=median),
        Quantity("lag", "that lag, + is late", "frames", statistic=median),
        Quantity("std", "opening std over the real one's", statistic=median),
        Quantity("velocity", "velocity error", "eyes' distances/s"),
        Quantity("pause_opening", "opening in pauses", "eyes' distances"),
        Quantity("silence_opening", "most open in silence", "eyes' distances"),
    )
}
"""Rows of the table by name; the eyes' distance is that of their outer corners.

`lmd_sum` is `landmark.lmd` in ATVGnet's convention: its 128x128 crop, mouth centred per frame, summed over 20 points;
`lmd` is `lmd_normalised`: the same, mean over points. `velocity` is `speech_scores.velocity_error`. The opening in
pauses is a mean over the clip's pauses, the one in silence the largest in two seconds of digital silence.
"""


def speech_measures(rows: Sequence[Row], judged: str) -> list[Measure]:
    """Rows over everybody: each speaker's clips are averaged first; of a single speaker the clips are the samples."""
    scores = _scores(rows)
    measures = [scores.measure(quantity, judged) for quantity in QUANTITIES.values()]
    ratios = {
        system: ratio for system, ratio in scores.ratio("lmd", Baseline.STATIC).items() if system != Baseline.STATIC
    }
    measures.insert(2, Measure(Quantity("lmd_ratio", "LMD over the static face's"), ratios, judged))
    return measures


def speaker_table(rows: Sequence[Row], judged: str, most: int = 40) -> Table:
    """A row per speaker, `most` of them, and one for all, network beside baselines.

    Intervals are over clips, in the last row over speakers.
    """
    table = Table(
        title="by speaker", title_justify="left", header_style="bold", box=box.SIMPLE, padding=0, pad_edge=False
    )
    table.add_column("speaker")
    for heading in ("clips", "LMD %", "static", "other", "of static", "r", "other", "lag"):
        table.add_column(heading, justify="right")
    groups = _by_speaker(rows)
    for name in [*list(groups)[:-1][:most], ALL]:
        if name == ALL and len(groups) > most + 1:
            table.add_row(f"... {len(groups) - 1 - most} more")
        mine = groups[name]
        columns = [
            *(mine.of(system, QUANTITIES["lmd"]) for system in (judged, Baseline.STATIC, Baseline.OTHER)),
            mine.ratio("lmd", Baseline.STATIC)[judged],
            *(mine.of(system, QUANTITIES["r"]) for system in (judged, Baseline.OTHER)),
            mine.of(judged, QUANTITIES["lag"]),
        ]
        cells = [_short(score, with_interval=place in (3, 4)) for place, score in enumerate(columns)]
        short = name if len(name) <= 20 else f"{name[:19]}…"  # fits a terminal of 80 columns
        table.add_row(short, str(len(mine.columns[judged])), *cells, style="bold" if name == ALL else "")
    return table


def _short(score: Score, *, with_interval: bool) -> str:
    """Two decimals, and the interval under them where there are several clips."""
    if score.count == 0:
        return "-"
    text = f"{score.value:.2f}"
    shown = with_interval and score.low != score.high
    return f"{text}\n[dim]{score.low:.2f}…{score.high:.2f}[/dim]" if shown else text


def write_speaker_csv(path: Path, rows: Sequence[Row]) -> None:
    """One row per speaker and system, then the rows of all: value, low and high end of every quantity."""
    lines: list[dict[str, object]] = []
    for name, mine in _by_speaker(rows).items():
        ratios = mine.ratio("lmd", Baseline.STATIC)
        for system, clips in mine.columns.items():
            line: dict[str, object] = {"speaker": name, "system": system, "clips": len(clips)}
            for quantity in QUANTITIES.values():
                line |= interval_cells(quantity.name, mine.of(system, quantity))
            lines.append(line | interval_cells("lmd_ratio", ratios[system]))
    write_csv(path, lines)


def speaker_scores(rows: Sequence[Row], system: str, name: str) -> dict[str, Score]:
    """Score of each speaker, intervals over clips, without the row of all."""
    groups = _by_speaker(rows)
    return {speaker: mine.of(system, QUANTITIES[name]) for speaker, mine in groups.items() if speaker != ALL}


def _by_speaker(rows: Sequence[Row]) -> dict[str, Scores]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.person, []).append(row)
    return {name: _scores(mine) for name, mine in {**groups, ALL: rows}.items()}


def _scores(rows: Sequence[Row]) -> Scores:
    """Speakers vary independently; of a single speaker the clips do."""
    single = len({row.person for row in rows}) == 1
    return Scores(rows, seed=30, sample=lambda row: row.clip if single else row.person)
