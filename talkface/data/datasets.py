"""Shards -> clips with random access to every frame."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.clip_index import ClipIndex, open_index
from talkface.data.prepare.shards import read_array, read_index, read_span
from talkface.errors import DatasetError
from talkface.files.check import check_array
from talkface.files.read import check_record, parse_json
from talkface.types import FloatArray


class ClipDataset(Sequence[PreparedClip]):
    """Prepared clips of a folder of shards, in a fixed order.

    Holds a table of them only, on the disk where `talkface prepare` wrote one (`data.clip_index`); `[i]` reads clip i.
    Safe to use from several processes and threads.
    """

    def __init__(
        self, folder: Path | str, split: str | None = None, *, speech: bool = False, kept_bytes: int = 0
    ) -> None:
        """Open the shards.

        Args:
            folder: what `talkface prepare` wrote, by path or URL.
            split: keep clips of this split only.
            speech: keep clips with usable sound only.
            kept_bytes: of clips that stay in memory once read, so that a small corpus is read once.

        Raises:
            DatasetError: no shards there, or none of the wanted clips.
        """
        self._kept: dict[int, PreparedClip] = {}
        self._room = kept_bytes
        self.table = open_index(folder)
        columns, wanted = self.table.columns, np.ones(len(self.table), bool)
        if split is not None:
            number = list(self.table.splits).index(split) if split in self.table.splits else -1
            wanted &= columns["split"] == number
        if speech:
            wanted &= columns["speech"] > 0
        self.rows = np.flatnonzero(wanted)
        if not len(self.rows):
            have = ", ".join(self.table.splits) or "none"
            raise DatasetError(f"no clip with split {split!r} in {folder}, it has {have}")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> list[str]:
        return [self.table.key(int(row)) for row in self.rows]

    @property
    def speakers(self) -> list[str]:
        """Who is in each clip."""
        return [self.table.speaker(int(row)) for row in self.rows]

    def column(self, name: str) -> np.ndarray:
        """One of the table's columns for these clips: `speech`, `frames`, `seen`, `fps`..."""
        return np.asarray(self.table.columns[name][self.rows])

    @property
    def metas(self) -> list[dict[str, Any]]:
        """JSON of every sample (speaker, num_frames, speech, fps...), read from the lists beside the shards."""
        folder = self.table.folder
        every = [sample["meta"] for name in self.table.shards for sample in read_index(folder / name)]
        return [every[row] for row in self.rows]

    def __getitem__(self, index: int) -> PreparedClip:  # type: ignore[override]  # slices are not needed
        row = int(self.rows[index])
        if row not in self._kept:
            clip = self._read(row)
            self._room -= clip.landmarks.nbytes + clip.audio.nbytes + 8 * len(clip.offsets)
            if self._room < 0:
                return clip
            self._kept[row] = clip
        return self._kept[row]

    def _read(self, row: int) -> PreparedClip:
        shard, key = self.table.shard(row), self.table.key(row)
        where = f"{key} in {shard}"

        def span(name: str) -> tuple[int, int]:
            found = self.table.span(row, name)
            if found is None:
                raise DatasetError(f"{where} holds no {name}: prepare that shard again")
            return found

        header = parse_json(read_span(shard, *span("json")), where, DatasetError)
        check_record(
            header, where, DatasetError, speaker=str, split=str, fps=float, speech=bool, image_offsets=list[int]
        )
        landmarks, crops = (read_array(shard, span(f"{name}.npy")) for name in ("landmarks", "crops"))
        check_array(landmarks, [(None, 68, 2)], f"landmarks of {where}", DatasetError, finite=False)
        check_array(crops, [(len(landmarks), 2, 3)], f"crops of {where}", DatasetError, finite=False)
        audio: FloatArray = np.zeros(0, np.float32)
        if self.table.span(row, "audio.npy") is not None:
            audio = read_array(shard, span("audio.npy")).astype(np.float32) / 32767
        start, size = span("mjpeg")
        _check_clip(header, audio, len(landmarks), size, where)
        return PreparedClip(
            key=key,
            speaker=self.table.speaker(row),
            split=header["split"],
            landmarks=landmarks,
            crops=crops,
            audio=audio,
            fps=header["fps"],
            speech=header["speech"],
            meta={name: value for name, value in header.items() if name != "image_offsets"},
            shard=shard,
            offsets=[start + offset for offset in header["image_offsets"]],
        )


class Chosen(Sequence[Any]):
    """Some clips of a larger collection, each read when it is asked for: a million need no memory."""

    def __init__(self, source: Sequence[Any], places: Sequence[int] | np.ndarray) -> None:
        self.source, self.places = source, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        return self.source[int(self.places[index])]

    def measured(self) -> tuple[ClipIndex, np.ndarray] | None:
        """The measured table of a corpus and these clips' rows of it; None where they were not measured."""
        if isinstance(self.source, ClipDataset) and self.source.table.measured:
            return self.source.table, self.source.rows[np.asarray(self.places, np.int64)]
        return None


def clip_speakers(clips: Sequence[Any]) -> list[str]:
    """Who is in each clip, without reading any of a corpus."""
    if isinstance(clips, ClipDataset):
        return clips.speakers
    if isinstance(clips, Chosen) and isinstance(clips.source, ClipDataset):
        table, rows = clips.source.table, clips.source.rows
        return [table.speaker(int(rows[place])) for place in clips.places]
    return [clip.speaker for clip in clips]


def whole_lengths(clips: Sequence[Any]) -> list[int | None]:
    """Of each clip how many frames it has if all of them show a face; None where its landmarks must be looked at."""
    found = clips.measured() if isinstance(clips, Chosen) else None
    if found is None:
        return [None] * len(clips)
    table, rows = found
    seen, frames = table.columns["seen"][rows], table.columns["frames"][rows]
    return [int(count) if count == whole else None for count, whole in zip(seen, frames, strict=True)]


def video_numbers(clips: Sequence[Any]) -> np.ndarray:
    """`[N]` which source video each clip is of, from 0 on; a video of its own where the corpus does not say."""
    found = clips.measured() if isinstance(clips, Chosen) else None
    if found is None:
        return np.arange(len(clips))
    table, rows = found
    return np.asarray(np.unique(table.columns["video"][rows], return_inverse=True)[1])


def _check_clip(header: dict[str, Any], audio: FloatArray, num_frames: int, size: int, where: str) -> None:
    """Refuse pictures outside their member, another count of them than of frames, and impossible rates or sound."""
    offsets = header["image_offsets"]
    inside = all(0 <= first <= second <= size for first, second in pairwise(offsets))
    if len(offsets) not in (0, 1, num_frames + 1) or not inside:
        raise DatasetError(f"the pictures of {where} do not fit its {num_frames} frames: prepare it again")
    # 16-bit samples over 32767 reach 1.00003; the margin is for rounding
    if not 0 <= header["fps"] <= 1000 or audio.ndim != 1 or (audio.size and np.abs(audio).max() > 1.001):
        raise DatasetError(f"the sound or frame rate of {where} is impossible: prepare it again")
