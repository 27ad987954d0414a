"""LRS3-TED folder -> Clips, one sentence or, in `pretrain`, one longer stretch each.

Afouras, Chung and Zisserman, "LRS3-TED: a large-scale dataset for visual speech recognition", 2018: 224x224 face
tracks at 25 fps with 16 kHz sound inside the MP4. LRS2 has the same text files and is read too.
"""

from collections.abc import Iterator
from pathlib import Path

from talkface.data.sources.tree import (
    VIDEO_SUFFIXES,
    Corpus,
    beside,
    files,
    first_folder,
    folders,
    make_key,
    read_fields,
    read_number,
    read_text,
    split_by_speaker,
)
from talkface.types import Clip


def find_lrs3_clips(root: Path) -> Iterator[Clip]:
    """`{pretrain,trainval,test}/ID/00001.mp4` with a `.txt` beside it; ID is a talk, so a speaker.

    `test` is the corpus' own; of the other talks some become `val`, by a hash of the ID, in `pretrain` and `trainval`
    alike. AV-HuBERT's arrangement (`video/PART/ID/*.mp4`, `audio/PART/ID/*.wav`) is read too.
    """
    base = first_folder(root, "video", "lrs3")
    for part in ("pretrain", "trainval", "train", "val", "test"):
        for talk in folders(base / part):
            for video in files(talk, VIDEO_SUFFIXES):
                text = read_text(video.with_suffix(".txt"))
                if text.lstrip().lower().startswith("text:") or base.name == "video":
                    yield _clip(root, video, part, text)


def _clip(root: Path, video: Path, part: str, text: str) -> Clip:
    talk = video.parent.name
    fields = read_fields(text)
    info: dict[str, object] = {"part": part, "licence": LRS3.licence}
    words = read_words(text)
    if words:
        info["words"] = words
    if fields.get("conf"):
        info["confidence"] = fields["conf"]
    sound = beside(video, root / "audio" / part / talk / f"{video.stem}.wav", video.with_suffix(".wav"))
    # the corpus has no validation set of its own: 5 % of the talks outside the test set
    split = part if part in ("val", "test") else split_by_speaker(talk, val=0.05, test=0.0)
    return Clip(make_key(part, talk, video.stem), video, sound, talk, split, fields.get("text") or None, info)


def read_words(text: str) -> list[list[object]]:
    """Lines after `WORD START END ASDSCORE` -> [word, start, end] in seconds; only `pretrain` files have them."""
    words: list[list[object]] = []
    inside = False
    for line in text.splitlines():
        parts = line.split()
        if parts[:3] == ["WORD", "START", "END"]:
            inside = True
        elif inside and len(parts) >= 3:
            start_s, end_s = read_number(parts[1]), read_number(parts[2])
            if start_s is None or end_s is None:
                break
            words.append([parts[0], start_s, end_s])
    return words


LRS3 = Corpus(
    "lrs3",
    find_lrs3_clips,
    "{pretrain,trainval,test}/ID/00001.mp4 and .txt that opens with `Text:`",
    "https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs3.html",
    "TED talks, CC BY-NC-ND 4.0: non-commercial research",
)
