"""Sound file -> what its header claims, which may be more or less than what it holds."""

from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

STREAMED = 0xFFFF_FF00  # what programs that write WAV to a pipe put in place of its length, or a little less
ESTIMATED = ("aac", "mpeg", "mpegts")  # containers that do not say how long they are
MOST_PARTS = 1000  # chunks or files that are looked through


def claimed_s(container: InputContainer, stream: AudioStream, path: Path) -> float | None:
    """Length in seconds that the header claims for a sound track; None where it is only estimated."""
    name = container.format.name
    if name in ESTIMATED:
        return None
    if name == "wav":
        return _wav_claim(path)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1 and container.duration
    return container.duration / av.time_base if alone and container.duration else None


def joined_wavs(path: Path) -> int:
    """How many WAV files lie one behind the other in a file; players and decoders take the first."""
    count, at = 0, 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while at + 12 <= size and count < MOST_PARTS:
            file.seek(at)
            head = file.read(12)
            if head[:4] != b"RIFF" or head[8:] != b"WAVE":
                break
            count += 1
            length = int.from_bytes(head[4:8], "little")
            at += 8 + length + length % 2
    return count


def _wav_claim(path: Path) -> float | None:
    """Length by the header of a WAV: ffmpeg itself only counts the bytes that are there."""
    per_second, length, at = 0, 0, 12
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return None
        for _ in range(MOST_PARTS):
            file.seek(at)
            head = file.read(8)
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"fmt ":
                per_second = int.from_bytes(file.read(16)[8:12], "little")
            if head[:4] == b"data" or len(head) < 8:
                break
            at += 8 + length + length % 2
    if head[:4] != b"data" or length >= STREAMED or not per_second:
        return None
    return length / per_second
