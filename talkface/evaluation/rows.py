"""Rows of scores, one per system and clip or person -> statistics over people, each of whom counts once."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from talkface.metrics.stats import Score, Statistic, average_by_person, mean, ratio_score, score
from talkface.metrics.table import Measure, Quantity

STILL, REAL = "photo only", "real"
"""The photo in place of every frame, the floor of every table; and the real frames, the ceiling."""


@dataclass(frozen=True)
class Row:
    """Scores of one system on one clip, or on the chosen frames of one person.

    Attributes:
        labels: `system`, `person` or `speaker`, `clip` and whatever else its line in a file tells.
        scores: by name of the quantity; NaN or missing where nothing was measured.
    """

    labels: Mapping[str, object]
    scores: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        return self.scores.get(name, math.nan)

    @property
    def system(self) -> str:
        """Name of the system."""
        return str(self.labels["system"])

    @property
    def person(self) -> str:
        """Who is seen or heard; several clips of one person are averaged before any statistic over people."""
        return str(self.labels["person"] if "person" in self.labels else self.labels["speaker"])

    @property
    def clip(self) -> str:
        """Key of the clip."""
        return str(self.labels["clip"])

    def cells(self) -> dict[str, object]:
        """Its line in a file."""
        return {**self.labels, **self.scores}


class Scores:
    """Rows of several systems, summed up for every quantity that is asked for."""

    def __init__(
        self,
        rows: Iterable[Row],
        *,
        seed: int = 20,
        last: Iterable[str] = (),
        column: Callable[[Row], str] = lambda row: row.system,
        sample: Callable[[Row], str] = lambda row: row.person,
    ) -> None:
        """Sort the rows.

        Args:
            rows: of all systems.
            seed: of the bootstrap, the same for every score.
            last: columns that come last, in this order.
            column: name of the column that a row belongs to.
            sample: name of what varies independently: rows of one name are averaged first.
        """
        self.columns: dict[str, list[tuple[str, Row]]] = {}
        for row in rows:
            self.columns.setdefault(column(row), []).append((sample(row), row))
        for name in last:
            if name in self.columns:
                self.columns[name] = self.columns.pop(name)
        self._seed = seed

    def samples(self, system: str, name: str, factor: float = 1.0) -> dict[str, float]:
        """Value of every person, or other sample, that could be measured."""
        return average_by_person((sample, factor * row[name]) for sample, row in self.columns.get(system, ()))

    def of(self, system: str, quantity: Quantity) -> Score:
        """One system's score of a quantity; one that is infinite in every row (PSNR of equal videos) stays so."""
        return self._score_of(system, quantity, self.samples(system, quantity.name, quantity.factor))

    def _score_of(self, system: str, quantity: Quantity, samples: Mapping[str, float]) -> Score:
        values = [row[quantity.name] for _, row in self.columns.get(system, ())]
        if values and all(value == math.inf for value in values):
            return Score(math.inf, math.inf, math.inf, len(values))
        return self.score(samples.values(), quantity.statistic)

    def score(self, values: Iterable[float], statistic: Statistic = mean) -> Score:
        """Statistic with its interval, drawn as all others of this table."""
        return score(values, np.random.default_rng(self._seed), statistic)

    def measure(self, quantity: Quantity, judged: str = "", prefix: str = "") -> Measure:
        """A quantity of all systems, with every person's value as details; `prefix` goes before its name."""
        details = {system: self.samples(system, quantity.name, quantity.factor) for system in self.columns}
        scores = {system: self._score_of(system, quantity, samples) for system, samples in details.items()}
        return Measure(replace(quantity, name=prefix + quantity.name), scores, judged, details)

    def ratio(self, name: str, floor: str) -> dict[str, Score]:
        """Mean of every system over that of the system `floor`, of the same people."""
        below = self.samples(floor, name)
        ratios = {}
        for system in self.columns:
            above = self.samples(system, name)
            common = sorted(above.keys() & below.keys())
            pairs = [above[person] for person in common], [below[person] for person in common]
            ratios[system] = ratio_score(*pairs, np.random.default_rng(self._seed))
        return ratios

    def gains(self, quantity: Quantity, system: str, base: str) -> list[float]:
        """By how much one system is better than another, person by person; below 0 it is worse."""
        mine, theirs = self.samples(system, quantity.name), self.samples(base, quantity.name)
        sign = -1 if quantity.better == "lower" else 1
        return [sign * (mine[person] - theirs[person]) for person in sorted(mine.keys() & theirs.keys())]


def measure_of(
    quantity: Quantity, values: Mapping[str, Mapping[str, float]], judged: str = "", seed: int = 20
) -> Measure:
    """A quantity from the values of every system's people, portraits or clips."""
    scores = {
        system: score(samples.values(), np.random.default_rng(seed), quantity.statistic)
        for system, samples in values.items()
    }
    return Measure(quantity, scores, judged, values)
