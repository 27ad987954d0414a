"""Motion of heads -> rows with intervals over people, and whether a network is preferred to the rhythm."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from talkface.evaluation.rows import REAL, Scores
from talkface.evaluation.tables.headmotion_scores import (
    Baseline,
    HeadRow,
    by_system,
    frechet_distance,
    moments,
    pooled_score,
    spectra,
    spectrum_distance,
)
from talkface.files.write import atomic_write
from talkface.metrics.stats import Score
from talkface.metrics.table import Measure, Quantity, json_line, plain, write_csv

IN_TIME = Quantity("in_time", "the same above chance")
QUANTITIES = (
    Quantity("alignment", "beat alignment with speech onsets"),
    IN_TIME,
    Quantity("extent", "extent: std of the angles", "degrees"),
    Quantity("speed", "speed", "degrees/s"),
    Quantity("variety", "variety: difference between seeds", "degrees"),
)


@dataclass(frozen=True)
class Preference:
    """Whether the network is preferred to the rhythm heuristic.

    The rule, fixed before the test clips were scored: its pose distribution and its velocity spectrum are both nearer
    to the real heads', with 95 % intervals of the differences over people below zero; and its beat alignment above
    chance is not lower, or the interval of that difference holds zero.

    Attributes:
        frechet: difference of the Frechet distances, network less rhythm.
        spectrum: difference of the spectrum distances.
        in_time: difference of the beat alignments above chance.
    """

    frechet: Score
    spectrum: Score
    in_time: Score

    @property
    def known(self) -> bool:
        """Whether the clips gave all three differences."""
        return all(math.isfinite(each.value) for each in (self.frechet, self.spectrum, self.in_time))

    @property
    def preferred(self) -> bool:
        """Whether all three parts of the rule hold."""
        return self.frechet.high < 0 and self.spectrum.high < 0 and (self.in_time.value >= 0 or self.in_time.high > 0)


def head_measures(rows: Sequence[HeadRow], judged: str) -> list[Measure]:
    """The table; clips of one person are averaged, or pooled, first."""
    groups, people = by_system(rows), sorted({row.person for row in rows})
    measures = []
    for quantity, statistic_of, distance in (
        (Quantity("frechet", "pose and velocity, Frechet distance"), moments, frechet_distance),
        (Quantity("spectrum", "velocity spectrum, 0.5-6 Hz, distance", "dB"), spectra, spectrum_distance),
    ):
        statistics = {system: statistic_of(mine, people) for system, mine in groups.items()}
        columns = {system: pooled_score(each, statistics[REAL], distance) for system, each in statistics.items()}
        measures.append(Measure(quantity, columns, judged))
    scores = Scores(rows, seed=41)
    return measures + [scores.measure(quantity, judged) for quantity in QUANTITIES]


def preference(rows: Sequence[HeadRow], judged: str) -> Preference:
    """Compare the network called `judged` with the rhythm heuristic on the same people."""
    groups, people = by_system(rows), sorted({row.person for row in rows})
    own, rhythm, real = groups[judged], groups[Baseline.RHYTHM], groups[REAL]
    frechet, spectrum = (
        pooled_score(of(own, people), of(real, people), distance, of(rhythm, people))
        for of, distance in ((moments, frechet_distance), (spectra, spectrum_distance))
    )
    scores = Scores(rows, seed=41)
    return Preference(frechet, spectrum, scores.score(scores.gains(IN_TIME, judged, Baseline.RHYTHM)))


def write_clips(folder: Path, rows: Sequence[HeadRow]) -> None:
    """`clips.jsonl` and `clips.csv`: a line per clip and system."""
    lines = [{**row.labels, **{name: plain(value) for name, value in row.scores.items()}} for row in rows]
    atomic_write(folder / "clips.jsonl", "".join(map(json_line, lines)))
    write_csv(folder / "clips.csv", lines)
