"""HDTF folder -> Clips, one cut piece of a public speech each.

Zhang et al., "Flow-guided one-shot talking face generation with a high-resolution audio-visual dataset", CVPR 2021:
lists of YouTube videos in three parts (RD, WDA, WRA), of the times at which to cut them and of where the face is. There
are no splits; speakers are divided by a hash of their name. The lists alone give no clip: the videos are downloaded and
cut by the user, with one of the usual scripts.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from talkface.data.sources.tree import (
    VIDEO_SUFFIXES,
    Corpus,
    files,
    folders,
    make_key,
    read_text,
    split_by_speaker,
)
from talkface.types import Clip


def find_hdtf_clips(root: Path) -> Iterator[Clip]:
    """`WDA_AdamSchiff_000.mp4` or `AdamSchiff_0.mp4`, in the root or in folders in it, beside `WDA_annotion_time.txt`.

    A piece is told from other videos by its number; of a part whose times are there, only pieces that they list count.
    """
    parts = ("RD", "WDA", "WRA")
    times = {part: read_times(root / f"{part}_annotion_time.txt") for part in parts}
    places = [root, *folders(root), *(inner for folder in folders(root) for inner in folders(folder))]
    for video in sorted(video for place in places for video in files(place, VIDEO_SUFFIXES)):
        # WDA_AdamSchiff_000, Radio11_1
        match = re.fullmatch(r"(?:(RD|WDA|WRA)_)?(.+?)_(\d{1,3})", video.stem)
        if match is None:
            continue
        part = match[1] or next((part for part in parts if match[2] in times[part]), None)
        if part is None:
            continue
        yield from _clip(video, part, match[2], int(match[3]), times[part])


def read_times(path: Path) -> dict[str, list[tuple[float, float]]]:
    """`Radio11.mp4 00:30-01:00 01:30-02:30` lines -> name -> (start, end) of every piece in seconds.

    Pieces are told by their place in the line, so those of a line that is damaged are left out with it.
    """
    times = {}
    clock = r"\d{1,3}(?::\d{1,2}){0,2}(?:\.\d{1,6})?"
    for line in read_text(path).splitlines():
        # Radio11.mp4 00:30-01:00 01:30-02:30
        found = re.fullmatch(rf"\s*(\S+)((?:\s+{clock}-{clock})*)\s*", line)
        if found:
            pieces = [piece.split("-") for piece in found[2].split()]
            times[Path(found[1]).stem] = [(_seconds(start), _seconds(end)) for start, end in pieces]
    return times


def _clip(
    video: Path, part: str, name: str, number: int, times: dict[str, list[tuple[float, float]]]
) -> Iterator[Clip]:
    pieces = times.get(name, [])
    if times and number >= len(pieces):
        return
    speaker = (
        f"hdtf-{name}" if part == "RD" else f"hdtf-{name.rstrip('0123456789')}"
    )  # Radio1 and Radio2 are two people
    info: dict[str, object] = {"part": part, "licence": HDTF.licence}
    if pieces:
        info["cut_s"] = list(pieces[number])
    yield Clip(make_key(part, name, str(number)), video, video, speaker, split_by_speaker(speaker), None, info)


def _seconds(clock: str) -> float:
    """`01:30` or `1:02:03` -> seconds."""
    seconds = 0.0
    for part in clock.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


HDTF = Corpus(
    "hdtf",
    find_hdtf_clips,
    "WDA_AdamSchiff_000.mp4 or AdamSchiff_0.mp4, cut by the times in WDA_annotion_time.txt beside them",
    "https://github.com/MRzzm/HDTF",
    "lists CC BY 4.0; videos of their makers",
)
