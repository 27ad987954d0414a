"""LRW (Lip Reading in the Wild) folder -> Clips, one word each.

Chung and Zisserman, "Lip reading in the wild", ACCV 2016: 500 words, up to 1000 clips each, 29 frames (1.16 s) at
25 fps, 256x256. The word stands in the middle of its clip, for the `Duration` that the text file gives.
"""

from collections.abc import Iterator
from pathlib import Path

from talkface.data.sources.tree import (
    VIDEO_SUFFIXES,
    Corpus,
    files,
    first_folder,
    folders,
    make_key,
    read_fields,
    read_number,
    read_text,
)
from talkface.types import Clip


def find_lrw_clips(root: Path) -> Iterator[Clip]:
    """`[lipread_mp4/]WORD/{train,val,test}/WORD_00001.mp4` with a `.txt` beside it.

    LRW names no speakers; each clip is taken for one of its own. Its splits are of different broadcasts' dates.
    """
    for word in folders(first_folder(root, "lipread_mp4")):
        for split in ("train", "val", "test"):
            for video in files(word / split, VIDEO_SUFFIXES):
                if video.stem.upper().startswith(f"{word.name.upper()}_"):
                    yield _clip(video, word.name.upper(), split)


def _clip(video: Path, word: str, split: str) -> Clip:
    fields = read_fields(read_text(video.with_suffix(".txt")))
    info: dict[str, object] = {"word": word, "licence": LRW.licence}
    for name, field in (
        ("channel", "channel"),
        ("programme", "disk reference"),
        ("programme_start", "programme start"),
    ):
        if fields.get(field):
            info[name] = fields[field]
    duration = read_number(fields.get("duration", ""))
    clip_s = 29 / 25  # length of every clip
    if duration is not None:
        half = min(max(duration, 0.0), clip_s) / 2
        info["words"] = [[word, round(clip_s / 2 - half, 4), round(clip_s / 2 + half, 4)]]
    key = make_key(video.stem)
    return Clip(key, video, video, f"lrw-{key}", split, word, info)


LRW = Corpus(
    "lrw",
    find_lrw_clips,
    "lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4 and .txt",
    "https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrw1.html, after signing the BBC's agreement",
    "BBC agreement, non-commercial research only, for named people",
)
