"""Parts shared by the fuzzed readers: their description, and sound files that several of them read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from talkface.data.prepare.shards import find_shards, index_path, read_index
from talkface.testing.shards import write_loud_mouth_shards


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        name: of the file that is damaged, inside a folder of its own.
        kind: its structure, see `fuzz_mutate.mutate`.
        make: writes a sound file, and what else belongs to it, into a folder.
        read: reads it and asserts that what comes back is possible; talkface's own errors are the other right outcome.
    """

    name: str
    kind: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]


def write_video(path: Path, container: str, codec: str, sound: str | None, side: int = 32, frames: int = 6) -> None:
    """A small video, with or without sound."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height = side, side
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        track = file.add_stream(sound, rate=16_000) if sound else None
        if track is not None:
            track.layout = "mono"
        for index in range(frames):
            image = np.full((side, side, 3), 40 * index, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
        if track is not None:
            for index in range(5):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16_000, 1024 * index
                file.mux(track.encode(frame))
            file.mux(track.encode(None))


def write_shards(folder: Path) -> None:
    """One shard of one clip, and its list."""
    write_loud_mouth_shards(folder / "s", {"a": "a"}, frames=12)
    for shard in find_shards(folder / "s"):
        read_index(shard)
        shard.rename(folder / shard.name)
        index_path(shard).rename(folder / index_path(shard).name)
