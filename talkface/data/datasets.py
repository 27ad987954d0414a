"""Shards -> clips with random access to every frame."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from talkface.data.prepare.shards import find_shards, read_index
from talkface.errors import DatasetError
from talkface.files.arrays import check_array, parse_npy
from talkface.files.read import check_record, parse_json
from talkface.media.photo import decode_picture
from talkface.types import FloatArray, Image

NEEDED = ("json", "landmarks.npy", "crops.npy", "mjpeg")  # members of every clip
FASTEST = 1000  # frames per second
LOUDEST = 1.001  # of 16-bit samples over 32767


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
        where = f"frame {index} of {self.key} in {self.shard}"
        return decode_picture(_read(self.shard, start, end - start), ("JPEG", "PNG"), where, DatasetError)


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
        for shard, sample in entries:
            _check_sample(shard, sample)
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
        where = f"{sample['key']} in {shard}"
        header = parse_json(_read(shard, *members["json"]), where, DatasetError)
        check_record(
            header, where, DatasetError, speaker=str, split=str, fps=float, speech=bool, image_offsets=list[int]
        )
        landmarks, crops = (_array(shard, members[f"{name}.npy"]) for name in ("landmarks", "crops"))
        check_array(landmarks, [(None, 68, 2)], f"landmarks of {where}", DatasetError, finite=False)
        check_array(crops, [(len(landmarks), 2, 3)], f"crops of {where}", DatasetError, finite=False)
        audio: FloatArray = np.zeros(0, np.float32)
        if "audio.npy" in members:
            audio = _array(shard, members["audio.npy"]).astype(np.float32) / 32767
        start, size = members["mjpeg"]
        _check_clip(header, audio, len(landmarks), size, where)
        return PreparedClip(
            key=sample["key"],
            speaker=header["speaker"],
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


def _check_sample(shard: Path, sample: dict[str, Any]) -> None:
    """Refuse an entry of an index that lacks what every clip has."""
    where = f"{sample['key']} in {shard}"
    check_record(sample["meta"], where, DatasetError, speaker=str, split=str, speech=bool, fps=float)
    missing = [name for name in NEEDED if name not in sample["members"]]
    if missing:
        raise DatasetError(f"{where} has no {missing[0]}: delete the shard and prepare again")


def _check_clip(header: dict[str, Any], audio: FloatArray, num_frames: int, size: int, where: str) -> None:
    """Refuse pictures outside their member, another count of them than of frames, and impossible rates or sound."""
    offsets = header["image_offsets"]
    inside = all(0 <= first <= second <= size for first, second in pairwise(offsets))
    if len(offsets) not in (0, 1, num_frames + 1) or not inside:
        raise DatasetError(f"the pictures of {where} do not fit its {num_frames} frames: prepare it again")
    if not 0 <= header["fps"] <= FASTEST or audio.ndim != 1 or (audio.size and np.abs(audio).max() > LOUDEST):
        raise DatasetError(f"the sound or frame rate of {where} is impossible: prepare it again")


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
    return parse_npy(_read(shard, member[0], member[1]), f"an array in {shard}", DatasetError)
