"""Motion of heads -> rows with intervals over people, and whether a network is preferred to the rhythm."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkface.evaluation.tables.headmotion_scores import (
    REAL,
    RHYTHM,
    Distance,
    MotionOfClip,
    by_system,
    frechet_distance,
    moments,
    pooled_score,
    spectra,
    spectrum_distance,
)
from talkface.files.table import write_table
from talkface.files.write import atomic_write
from talkface.metrics.stats import Measure, Score, average_by_person, mean, plain, score
from talkface.types import FloatArray

SEED = 41  # of the bootstrap
FIELDS = ("alignment", "in_time", "extent", "speed", "variety")
LABELS = {
    "alignment": ("beat alignment with speech onsets", ""),
    "in_time": ("the same above chance", ""),
    "extent": ("extent: std of the angles", "degrees"),
    "speed": ("speed", "degrees/s"),
    "variety": ("variety: difference between seeds", "degrees"),
}


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
        return all(math.isfinite(one.value) for one in (self.frechet, self.spectrum, self.in_time))

    @property
    def preferred(self) -> bool:
        """Whether all three parts of the rule hold."""
        return self.frechet.high < 0 and self.spectrum.high < 0 and (self.in_time.value >= 0 or self.in_time.high > 0)


def head_measures(rows: Sequence[MotionOfClip], judged: str) -> list[Measure]:
    """The table; clips of one person are averaged, or pooled, first."""
    groups = by_system(rows)
    people = _people(rows)
    measures = [
        _pooled("frechet", "pose and velocity, Frechet distance", "", groups, people, judged, frechet_distance),
        _pooled("spectrum", "velocity spectrum, 0.5-6 Hz, distance", "dB", groups, people, judged, spectrum_distance),
    ]
    for name in FIELDS:
        columns = {
            system: score(_per_person(mine, name).values(), np.random.default_rng(SEED), mean)
            for system, mine in groups.items()
        }
        label, unit = LABELS[name]
        measures.append(Measure(name, label, columns, None, judged, unit))
    return measures


def preference(rows: Sequence[MotionOfClip], judged: str) -> Preference:
    """Hold the network called `judged` against the rhythm heuristic on the same people."""
    groups, people = by_system(rows), _people(rows)
    own, rhythm, real = groups[judged], groups[RHYTHM], groups[REAL]
    frechet, spectrum = (
        pooled_score(of(own, people), of(real, people), distance, of(rhythm, people))
        for of, distance in ((moments, frechet_distance), (spectra, spectrum_distance))
    )
    mine, theirs = (_per_person(each, "in_time") for each in (own, rhythm))
    differences = [mine[person] - theirs[person] for person in mine if person in theirs]
    return Preference(frechet, spectrum, score(differences, np.random.default_rng(SEED), mean))


def write_clips(folder: Path, rows: Sequence[MotionOfClip]) -> None:
    """`clips.jsonl` and `clips.csv`: a line per clip and system."""
    lines = [
        {"system": row.system, "clip": row.clip, "speaker": row.speaker, "frames": len(row.tracks[0])}
        | {name: plain(getattr(row, name)) for name in FIELDS}
        for row in rows
    ]
    atomic_write(folder / "clips.jsonl", "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    write_table(folder / "clips.csv", list(lines[0]), [list(line.values()) for line in lines])


def _people(rows: Sequence[MotionOfClip]) -> list[str]:
    return sorted({row.speaker for row in rows})


def _per_person(rows: Sequence[MotionOfClip], name: str) -> dict[str, float]:
    return average_by_person((row.speaker, getattr(row, name)) for row in rows)


def _pooled(
    name: str,
    label: str,
    unit: str,
    groups: dict[str, list[MotionOfClip]],
    people: Sequence[str],
    judged: str,
    distance: Distance,
) -> Measure:
    of = moments if name == "frechet" else spectra
    statistics: dict[str, FloatArray] = {system: of(mine, people) for system, mine in groups.items()}
    columns = {system: pooled_score(each, statistics[REAL], distance) for system, each in statistics.items()}
    return Measure(name, label, columns, None, judged, unit)
