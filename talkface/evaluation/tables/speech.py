"""Scores of a speech network -> rows over all speakers and for each speaker, with intervals, as table and CSV."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from talkface.evaluation.tables.speech_scores import OTHER, SPEECH_SCORES, STATIC, MotionScore
from talkface.metrics.stats import (
    Measure,
    Score,
    Statistic,
    average_by_person,
    blank,
    mean,
    median,
    ratio_score,
    score,
    write_csv,
)

SEED = 30  # of the bootstrap
ALL = "all"
NAME_LENGTH = 20  # letters of a speaker's name that fit a terminal of 80 columns beside the numbers
MOST_ROWS = 40  # speakers on the printed table; the CSV has all


@dataclass(frozen=True)
class Quantity:
    """One field of `MotionScore` as a row of the table."""

    name: str
    label: str
    unit: str
    statistic: Statistic
    factor: float = 1.0


QUANTITIES = (
    Quantity("lmd_sum", "LMD, sum over 20 points", "px of 128", mean),
    Quantity("lmd", "LMD, mean over points", "% of the eyes' distance", mean, 100.0),
    Quantity("r", "opening r, lag 0", "", median),
    Quantity("r_best", f"opening r, best lag in ±{SPEECH_SCORES.max_lag}", "", median),
    Quantity("lag", "that lag, + is late", "frames", median),
    Quantity("std", "opening std over the real one's", "", median),
    Quantity("velocity", "velocity error", "eyes' distances/s", mean),
    Quantity("pause_opening", "opening in pauses", "eyes' distances", mean),
    Quantity("silence_opening", "most open in silence", "eyes' distances", mean),
)
"""Rows of the table; the eyes' distance is that of their outer corners. `MotionScore` has the definitions."""
RATIO = "lmd_ratio"


def speech_measures(scores: Sequence[MotionScore], judged: str) -> list[Measure]:
    """Rows over everybody: each speaker's clips are averaged first; of a single speaker the clips are the samples."""
    systems = list(dict.fromkeys(one.system for one in scores))
    rows = []
    for quantity in QUANTITIES:
        values = {system: _samples(scores, system, quantity) for system in systems}
        columns = {system: _score(values[system].values(), quantity) for system in systems}
        rows.append(Measure(quantity.name, quantity.label, columns, None, judged, quantity.unit, values))
    ratios = {system: _ratio(scores, system) for system in systems if system != STATIC}
    rows.insert(2, Measure(RATIO, "LMD over the static face's", ratios, None, judged))
    return rows


def speaker_table(scores: Sequence[MotionScore], judged: str) -> Table:
    """A row per speaker and one for all, network beside baselines; intervals over clips, in the last row speakers."""
    table = Table(
        title="by speaker", title_justify="left", header_style="bold", box=box.SIMPLE, padding=0, pad_edge=False
    )
    table.add_column("speaker")
    for heading in ("clips", "LMD %", "static", "other", "of static", "r", "other", "lag"):
        table.add_column(heading, justify="right")
    groups = _groups(scores)
    for name in [*list(groups)[:-1][:MOST_ROWS], ALL]:
        if name == ALL and len(groups) > MOST_ROWS + 1:
            table.add_row(f"... {len(groups) - 1 - MOST_ROWS} more")
        mine = groups[name]
        columns = [
            *(_of(mine, system, "lmd") for system in (judged, STATIC, OTHER)),
            _ratio(mine, judged),
            *(_of(mine, system, "r") for system in (judged, OTHER)),
            _of(mine, judged, "lag"),
        ]
        clips = sum(one.system == judged for one in mine)
        cells = [_short(one, with_interval=place in (3, 4)) for place, one in enumerate(columns)]
        short = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
        table.add_row(short, str(clips), *cells, style="bold" if name == ALL else "")
    return table


def _short(one: Score, *, with_interval: bool) -> str:
    """Two decimals, and the interval under them where there are several clips."""
    if one.count == 0:
        return "-"
    text = f"{one.value:.2f}"
    return f"{text}\n[dim]{one.low:.2f}…{one.high:.2f}[/dim]" if with_interval and one.low != one.high else text


def write_clip_csv(path: Path, scores: Iterable[MotionScore]) -> None:
    """One row per clip and system; what could not be measured is empty."""
    rows = [{name: blank(value) for name, value in asdict(one).items()} for one in scores]
    write_csv(path, rows)


def write_speaker_csv(path: Path, scores: Sequence[MotionScore]) -> None:
    """One row per speaker and system, then the rows of all: value, low and high end of every quantity."""
    rows: list[dict[str, object]] = []
    for name, mine in _groups(scores).items():
        for system in dict.fromkeys(one.system for one in mine):
            row: dict[str, object] = {"speaker": name, "system": system}
            row["clips"] = sum(one.system == system for one in mine)
            for quantity in QUANTITIES:
                row |= _columns(quantity.name, _of(mine, system, quantity.name))
            rows.append(row | _columns(RATIO, _ratio(mine, system)))
    write_csv(path, rows)


def speaker_scores(scores: Sequence[MotionScore], system: str, quantity: str) -> dict[str, Score]:
    """Score of each speaker, intervals over clips, without the row of all."""
    return {name: _of(mine, system, quantity) for name, mine in _groups(scores).items() if name != ALL}


def _groups(scores: Sequence[MotionScore]) -> dict[str, list[MotionScore]]:
    groups: dict[str, list[MotionScore]] = {}
    for one in scores:
        groups.setdefault(one.speaker, []).append(one)
    return {**groups, ALL: list(scores)}


def _samples(scores: Sequence[MotionScore], system: str, quantity: Quantity) -> dict[str, float]:
    """What varies independently: speakers, of whom each counts once, or a single speaker's clips."""
    mine = [one for one in scores if one.system == system]
    single = len({one.speaker for one in scores}) == 1
    values = ((one.clip if single else one.speaker, quantity.factor * getattr(one, quantity.name)) for one in mine)
    return average_by_person(values)


def _score(values: Iterable[float], quantity: Quantity) -> Score:
    return score(values, np.random.default_rng(SEED), quantity.statistic)


def _of(scores: Sequence[MotionScore], system: str, name: str) -> Score:
    quantity = next(one for one in QUANTITIES if one.name == name)
    return _score(_samples(scores, system, quantity).values(), quantity)


def _ratio(scores: Sequence[MotionScore], system: str) -> Score:
    """Mean LMD over the static face's, paired by speaker or clip."""
    quantity = next(one for one in QUANTITIES if one.name == "lmd")
    made, still = _samples(scores, system, quantity), _samples(scores, STATIC, quantity)
    common = sorted(made.keys() & still.keys())
    return ratio_score([made[k] for k in common], [still[k] for k in common], np.random.default_rng(SEED))


def _columns(name: str, one: Score) -> dict[str, object]:
    return {name: blank(one.value), f"{name}_low": blank(one.low), f"{name}_high": blank(one.high)}
