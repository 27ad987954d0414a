"""Scores of renderers on people -> rows with intervals, differences person by person, lines of a CSV."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from talkface.metrics.image import FACE_CROP
from talkface.metrics.stats import Measure, Score, Statistic, average_by_person, blank, mean, median, ratio_score, score

REAL, STILL, FLOOR = "real, re-encoded", "photo only", "warp"
SEED = 20  # of the bootstrap


@dataclass(frozen=True)
class Quantity:
    """One column: a field of `RendererScore`, its heading, whether more is better, and how people are joined."""

    name: str
    label: str
    unit: str
    more_is_better: bool | None = None
    statistic: Statistic = mean


QUANTITIES = (
    Quantity("ssim", "SSIM", "", True),
    Quantity("psnr", "PSNR", "dB", True),
    Quantity("lmd", "LMD", f"px of {FACE_CROP.face_size}", False),
    Quantity("cpbd", "CPBD", ""),
    Quantity("identity", "identity", "distance", False),
    Quantity("frame_ms", "frame", "ms", statistic=median),  # another program may slow a few people down
)
MOUTH = Quantity("mouth_l1", "mouth L1", "of warp's", False)


@dataclass(frozen=True)
class RendererScore:
    """What one renderer reached on one person: means over the person's targets.

    Attributes:
        system: which renderer.
        shots: how many it saw; 0 for rows that see none.
        person: identity.
        ssim: of the crop.
        psnr: of the mean squared error over all targets, in dB.
        lmd: `landmark.lmd`, mean over the 20 centred mouth points, pixels of the crop.
        cpbd: sharpness of the made crop.
        identity: distance of dlib's descriptors of the made and the real frame.
        mouth_l1: grey levels inside the real frame's lips, over the targets that open them; NaN where none does.
        frame_ms: milliseconds per rendered frame of the shards' size, after a first round that is not counted; of
            processor time where that is less, as on a busy machine.
        enroll_ms: milliseconds to enrol the person.
    """

    system: str
    shots: int
    person: str
    ssim: float
    psnr: float
    lmd: float
    cpbd: float
    identity: float
    mouth_l1: float
    frame_ms: float = float("nan")
    enroll_ms: float = float("nan")

    @property
    def row(self) -> str:
        """What the table calls it."""
        return f"{self.system}, {self.shots}" if self.shots else self.system


def renderer_measures(scores: Sequence[RendererScore]) -> list[Measure]:
    """Columns of the table, a row per renderer and number of shots: means over people, with intervals."""
    values = _values(scores)
    columns = [
        Measure(
            one.name,
            one.label,
            {row: _score(people.values(), one.statistic) for row, people in values[one.name].items()},
            unit=one.unit,
            details=values[one.name],
        )
        for one in QUANTITIES
    ]
    mouths = values[MOUTH.name]
    floor = next((people for row, people in mouths.items() if row.startswith(f"{FLOOR}, ")), {})
    ratios = {row: _ratio(people, floor) for row, people in mouths.items()}
    return [*columns, Measure(f"{MOUTH.name}_ratio", MOUTH.label, ratios, unit=MOUTH.unit, details=mouths)]


def paired_measures(scores: Sequence[RendererScore], against: str) -> list[Measure]:
    """By how much each row is better than the renderer `against`, person by person; below 0 it is worse.

    Rows are compared with that renderer's row of as many shots; its own rows, and those of no shots, with its row of
    fewest. Intervals of differences on the same people are narrower than those of two means: they say which switch
    pays.
    """
    values = _values(scores)
    shots = {one.row: one.shots for one in scores}
    bases = {one.shots: one.row for one in reversed(scores) if one.system == against}
    fewest = bases[min(bases)]
    base = {row: fewest if row in bases.values() else bases.get(shots[row], fewest) for row in shots if row != fewest}
    compared = [one for one in (*QUANTITIES, MOUTH) if one.more_is_better is not None]
    return [
        Measure(
            f"{one.name}_gain",
            one.label,
            {
                row: _score(_gains(values[one.name][row], values[one.name][base[row]], one.more_is_better is True))
                for row in base
                if row != REAL
            },
        )
        for one in compared
    ]


def summary_rows(measures: Sequence[Measure]) -> list[dict[str, object]]:
    """A dictionary per row of the table, with value and both ends of every interval, for a CSV."""
    rows = []
    for row in measures[0].scores:
        cells: dict[str, object] = {"renderer": row}
        for measure in measures:
            if row in measure.scores:
                cells |= _cells(measure.name, measure.scores[row])
        rows.append(cells)
    return rows


def _cells(name: str, one: Score) -> dict[str, object]:
    return {name: blank(one.value), f"{name}_low": blank(one.low), f"{name}_high": blank(one.high)}


def _values(scores: Sequence[RendererScore]) -> dict[str, dict[str, dict[str, float]]]:
    """Quantity -> row -> person -> value."""
    rows = list(dict.fromkeys(one.row for one in scores))
    names = [one.name for one in fields(RendererScore)][3:]
    return {
        name: {
            row: average_by_person((one.person, asdict(one)[name]) for one in scores if one.row == row) for row in rows
        }
        for name in names
    }


def _score(values: Iterable[float], statistic: Statistic = mean) -> Score:
    return score(values, np.random.default_rng(SEED), statistic)


def _ratio(people: Mapping[str, float], floor: Mapping[str, float]) -> Score:
    common = sorted(people.keys() & floor.keys())
    return ratio_score([people[name] for name in common], [floor[name] for name in common], np.random.default_rng(SEED))


def _gains(people: Mapping[str, float], base: Mapping[str, float], more: bool) -> list[float]:
    sign = 1 if more else -1
    return [sign * (people[name] - base[name]) for name in sorted(people.keys() & base.keys())]
