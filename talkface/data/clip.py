"""Place in a shard -> one prepared clip, whose pictures are read when asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from talkface.data.prepare.shards import read_span
from talkface.errors import DatasetError
from talkface.media.photo import decode_picture
from talkface.scale.block_cache import RemoteFile
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
    shard: Path | RemoteFile = field(repr=False)
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
        return decode_picture(read_span(self.shard, start, end - start), ("JPEG", "PNG"), where, DatasetError)
