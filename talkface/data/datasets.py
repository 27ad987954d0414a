"""Shards -> clips with random access to every frame."""

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from talkface.data.prepare.shards import find_shards, read_index
from talkface.errors import DatasetError
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class PreparedClip:
    """One clip of a shard; landmarks and sound are read at once, pictures when asked for.

    Attributes:
        key: name inside the corpus.
        speaker: identity.
        split: train, val or test.
        landmarks: `[T, 68, 2]` float32, pixels of the face crops.
        crops: `[T, 2, 3]` float32 affine maps from pixels of the original frames to those of the crops.
        audio: `[S]` float32, 16 kHz, exactly `T / fps` seconds, its offset corrected; empty for silent clips.
        fps: frames per second; 0 for a person's photos, which have no order in time.
        speech: whether the sound may teach how a face moves.
        meta: the rest of the sample's JSON: `licence`, `tier`, `file`, `sync_lag`, `sync_applied`, `transcript`...
    """

    key: str
    speaker: str
    split: str
    landmarks: FloatArray
    crops: FloatArray
    audio: FloatArray
    fps: float
    speech: bool
    meta: dict[str, Any]
    shard: Path = field(repr=False)
    offsets: Sequence[int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def has_images(self) -> bool:
        """Whether there are pictures; imported landmarks have none."""
        return len(self.offsets) > 1

    def image(self, index: int) -> Image:
        """Face crop of frame `index`: `[256, 256, 3]` RGB (the size that was prepared)."""
        if not self.has_images:
            raise DatasetError(f"{self.key} in {self.shard} has landmarks only: it can teach how sound moves a face")
        start, end = self.offsets[index], self.offsets[index + 1]
        data = _read(self.shard, start, end - start)
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise DatasetError(f"frame {index} of {self.key} in {self.shard} is damaged: prepare it again")
        return np.ascontiguousarray(picture[..., ::-1])


class ClipDataset:
    """Prepared clips of a folder of shards, in a fixed order.

    Holds the index only; `[i]` reads clip i. Safe to use from several processes and threads.
    """

    def __init__(self, folder: Path | str, split: str | None = None, *, speech: bool = False) -> None:
        """Open the shards.

        Args:
            folder: what `talkface prepare` wrote.
            split: keep clips of this split only.
            speech: keep clips with usable sound only.

        Raises:
            DatasetError: no shards there, or none of the wanted clips.
        """
        folder = Path(folder)
        shards = find_shards(folder)
        if not shards:
            raise DatasetError(f"no shards in {folder}: make them with `talkface prepare folder DIR {folder}`")
        entries = [(shard, sample) for shard in shards for sample in read_index(shard)]
        wanted = [(shard, sample) for shard, sample in entries if split in (None, sample["meta"]["split"])]
        self._entries = [(shard, s) for shard, s in wanted if s["meta"]["speech"] or not speech]
        if not self._entries:
            have = sorted({sample["meta"]["split"] for _, sample in entries})
            raise DatasetError(f"no clip with split {split!r} in {folder}, it has {', '.join(have) or 'none'}")

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def keys(self) -> list[str]:
        return [sample["key"] for _, sample in self._entries]

    @property
    def metas(self) -> list[dict[str, Any]]:
        """JSON of every sample (speaker, num_frames, speech, fps...), without reading the shards."""
        return [sample["meta"] for _, sample in self._entries]

    def __getitem__(self, index: int) -> PreparedClip:
        shard, sample = self._entries[index]
        members = sample["members"]
        header = json.loads(_read(shard, *members["json"]))
        start = members["mjpeg"][0]
        audio: FloatArray = np.zeros(0, np.float32)
        if "audio.npy" in members:
            audio = _array(shard, members["audio.npy"]).astype(np.float32) / 32767
        return PreparedClip(
            key=sample["key"],
            speaker=header["speaker"],
            split=header["split"],
            landmarks=_array(shard, members["landmarks.npy"]),
            crops=_array(shard, members["crops.npy"]),
            audio=audio,
            fps=header["fps"],
            speech=header["speech"],
            meta={name: value for name, value in header.items() if name != "image_offsets"},
            shard=shard,
            offsets=[start + offset for offset in header["image_offsets"]],
        )


def _read(shard: Path, offset: int, size: int) -> bytes:
    try:
        with shard.open("rb", buffering=0) as handle:
            data = os.pread(handle.fileno(), size, offset)
    except OSError as error:
        raise DatasetError(f"{shard} cannot be read: {error.strerror}") from error
    if len(data) != size:
        raise DatasetError(f"{shard} is shorter than its index says: delete shard and index and prepare again")
    return data


def _array(shard: Path, member: Sequence[int]) -> FloatArray:
    """`.npy` member -> array; object arrays, which could run code, are refused."""
    try:
        return np.asarray(np.load(io.BytesIO(_read(shard, member[0], member[1])), allow_pickle=False))
    except ValueError as error:
        raise DatasetError(f"an array in {shard} is damaged ({error}): prepare it again") from error
