"""Pairs to measure -> rows of those that could be measured, and one line for each that could not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from talkface.errors import TalkfaceError
from talkface.evaluation.bench import Bench
from talkface.evaluation.compare import PairRow
from talkface.evaluation.pair import Pair, Reference, load_reference, score_made
from talkface.evaluation.report.page import ClipPictures
from talkface.evaluation.report.pages import clip_pictures


@dataclass
class SetResult:
    """Scores of a set.

    Attributes:
        rows: every system on every clip; photo and real once per clip.
        pictures: of some pairs.
        failures: one line per pair that could not be measured.
        notes: remarks on the others.
    """

    rows: list[PairRow] = field(default_factory=list)
    pictures: list[ClipPictures] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def score_set(pairs: Sequence[Pair], bench: Bench, say: Callable[[str], None] = lambda line: None) -> SetResult:
    """Measure pair after pair; a bad one is reported and the rest goes on.

    Pairs of one real video are measured together, so that it is read and tracked once; `say` gets every failure as
    soon as it is known.
    """
    result = SetResult()
    order = list(dict.fromkeys((pair.real, pair.photo) for pair in pairs))
    grouped = sorted(pairs, key=lambda pair: order.index((pair.real, pair.photo)))
    shown = set(np.linspace(0, len(grouped) - 1, 6).round().astype(int).tolist())  # pictures on the page
    kept: set[tuple[Path, Path | None]] = set()
    references: dict[tuple[Path, Path | None], Reference] = {}
    for index, pair in enumerate(grouped):
        key = (pair.real, pair.photo)
        try:
            if key not in references:
                references = {key: load_reference(*key, bench)}  # the one before is not needed again
            measured = score_made(pair, references[key], bench)
        except TalkfaceError as error:
            line = f"row {pair.row} ({pair.clip}, {pair.name}): {error}"
            result.failures.append(line)
            say(line)
            continue
        fresh = key not in kept
        kept.add(key)
        result.rows += measured.rows if fresh else measured.rows[:1]  # photo and real count once
        result.notes += [f"{pair.clip}, {note}" for note in measured.notes]
        if index in shown:
            result.pictures.append(clip_pictures(measured, bench.folder))
    return result
