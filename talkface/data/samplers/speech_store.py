"""Prepared clips of any number -> speech examples, measured when they are drawn; a bounded part of them is kept."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np

from talkface.audio.features import MEL, Bands
from talkface.data.clip import PreparedClip
from talkface.data.clip_index import ClipIndex
from talkface.data.datasets import Chosen
from talkface.data.samplers.speech import (
    NOBODY,
    SPEECH_CLIPS,
    SpeechExample,
    bands_name,
    make_examples,
    measure_clip,
    speaker_range,
)
from talkface.errors import DatasetError
from talkface.types import FloatArray


def speech_examples(clips: Sequence[PreparedClip], mel: Bands, kept_bytes: int = 1 << 30) -> list[SpeechExample]:
    """As `make_examples`; of a corpus whose table was measured, examples are stand-ins that read their clip when drawn.

    Args:
        clips: prepared clips.
        mel: bands of the network.
        kept_bytes: of measured examples in memory; a corpus that fits is measured once.

    Raises:
        DatasetError: no clip is usable.
    """
    found = clips.measured() if isinstance(clips, Chosen) else None
    if found is None or bands_name(mel) not in found[0].bands:
        return make_examples(clips, mel)
    assert isinstance(clips, Chosen)
    return ExampleStore(clips, *found, mel, kept_bytes).examples()


class ExampleStore:
    """Measures clips when asked, by the ranges of their speakers, and keeps those that were asked for last."""

    def __init__(self, clips: Chosen, table: ClipIndex, rows: np.ndarray, mel: Bands, kept_bytes: int) -> None:
        """Find the usable clips and every speaker's range, without reading any clip."""
        self.table, self.rows, self.mel = table, rows, mel
        self._clips, self._room = clips, kept_bytes
        self._kept: OrderedDict[int, SpeechExample] = OrderedDict()
        self._lock = Lock()
        ends = table.columns["opening_ends"]
        self.lengths = np.diff(ends, prepend=0)[rows]
        references = table.columns["references"][rows, list(table.bands).index(bands_name(mel))]
        self.usable = np.flatnonzero((self.lengths > 0) & (references >= MEL.silent_power))
        self.scales = np.ones(len(rows))
        self._find_scales()

    def examples(self) -> list[SpeechExample]:
        """A stand-in for every usable clip, in order; raises `DatasetError` where there is none."""
        if not len(self.usable):
            raise DatasetError(NOBODY)
        return [StoredExample(self, int(place)) for place in self.usable]

    def load(self, place: int) -> SpeechExample:
        """Measured example of a clip."""
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
        example = measure_clip(self._clips[place], self.mel)
        if example is None:
            key = self.table.key(int(self.rows[place]))
            raise DatasetError(f"clip {key} is not the one of its corpus' index: run `talkface prepare --index` again")
        example.scale_by(float(self.scales[place]))
        with self._lock:
            if place not in self._kept:
                self._kept[place] = example
                self._room -= _size(example)
            while self._room < 0 and len(self._kept) > 1:
                self._room += _size(self._kept.popitem(last=False)[1])
        return example

    def _find_scales(self) -> None:
        """Range of every usable clip's speaker: of people with one clip all at once, by length."""
        people = self.table.columns["speaker"][self.rows[self.usable]]
        _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
        alone = self.usable[counts[person] == 1]
        for length in np.unique(self.lengths[alone]):
            places = alone[self.lengths[alone] == length]
            starts = self.table.columns["opening_ends"][self.rows[places]] - length
            every = self.table.columns["openings"][starts[:, None] + np.arange(length)]
            self.scales[places] = np.maximum(
                np.percentile(every, SPEECH_CLIPS.range_percentile, axis=1), SPEECH_CLIPS.smallest_range
            )
        order = np.argsort(person, kind="stable")
        for group in np.split(order, np.cumsum(counts)[:-1]):
            if len(group) > 1:
                places = self.usable[group]
                openings = np.concatenate([self.table.openings(int(row)) for row in self.rows[places]])
                self.scales[places] = speaker_range(openings)


class StoredExample(SpeechExample):
    """Stands in for an example that is measured when its arrays are asked for."""

    __slots__ = ("_place", "_store", "lag")

    def __init__(self, store: ExampleStore, place: int) -> None:
        self._store, self._place, self.lag = store, place, 0.0

    def __len__(self) -> int:
        return int(self._store.lengths[self._place])

    @property
    def key(self) -> str:  # type: ignore[override]
        return self._store.table.key(int(self._store.rows[self._place]))

    @property
    def speaker(self) -> str:  # type: ignore[override]
        return self._store.table.speaker(int(self._store.rows[self._place]))

    @property
    def scale(self) -> float:  # type: ignore[override]
        return float(self._store.scales[self._place])

    @property
    def power(self) -> FloatArray:  # type: ignore[override]
        return self._store.load(self._place).power

    @property
    def motion(self) -> FloatArray:  # type: ignore[override]
        return self._store.load(self._place).motion

    @property
    def opening(self) -> FloatArray:  # type: ignore[override]
        return self._store.load(self._place).opening

    @property
    def seen(self) -> FloatArray:  # type: ignore[override]
        return self._store.load(self._place).seen

    @property
    def shape(self) -> FloatArray:  # type: ignore[override]
        return self._store.load(self._place).shape


def _size(example: SpeechExample) -> int:
    return example.power.nbytes + example.motion.nbytes + example.opening.nbytes + example.seen.nbytes
