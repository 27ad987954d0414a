"""VoxCeleb1 folder -> Clips: a video's extracted face frames together, or cropped video.

Nagrani, Chung and Zisserman, "VoxCeleb: a large-scale speaker identification dataset", Interspeech 2017. The authors
give face frames at 1 fps and no video; the videos people have were cut with the list `vox-metadata.csv` of
video-preprocessing, which names them `PERSON#VIDEO#START#END.mp4`.
"""

import re
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
    split_by_speaker,
)
from talkface.media.photo import PHOTO_SUFFIXES
from talkface.types import Clip

PERSON = re.compile(r"id(\d{5})")


def find_voxceleb1_clips(root: Path) -> Iterator[Clip]:
    """`unzippedFaces/NAME/1.6/VIDEO/*.jpg`, or videos.

    Videos: `{train,test}/PERSON#VIDEO#START#END.mp4` (or a folder of frames of that name), or
    `[mp4/]idNNNNN/VIDEO/00001.mp4`. The frames of one video are one silent clip in no order of time. The test people
    are those of the verification task, or the folder's own; of the others some become `val`, by a hash.
    """
    yield from _frame_clips(first_folder(root, "unzippedFaces", "vox1/unzippedFaces"))
    for part in ("train", "test", "."):
        yield from _cut_clips(root / part, part)
    base = first_folder(root, "mp4", "dev/mp4")
    for person in folders(base):
        if is_voxceleb1_person(person.name):
            for source in folders(person):
                for video in files(source, VIDEO_SUFFIXES):
                    yield _clip(video, person.name, source.name, video.stem, _split(person.name))


def is_voxceleb1_person(name: str) -> bool:
    """VoxCeleb1 numbers its people from id10001 to id11251; VoxCeleb2 uses other numbers."""
    number = PERSON.fullmatch(name)
    return number is not None and int(number.group(1)) in range(10001, 11252)


def _frame_clips(base: Path) -> Iterator[Clip]:
    for person in folders(base):
        for source in folders(person / "1.6"):  # the archive's only crop, 1.6 x the face's box
            photos = files(source, PHOTO_SUFFIXES)
            if photos:
                yield _clip(photos[0], person.name, source.name, "", _split(person.name), photos)


def _cut_clips(folder: Path, part: str) -> Iterator[Clip]:
    """Videos, or folders of frames, named `PERSON#VIDEO#START#END`."""
    for path in sorted([*files(folder, VIDEO_SUFFIXES), *folders(folder)]):
        parts = path.name.removesuffix(".mp4").split("#")
        if len(parts) != 4:
            continue
        split = "test" if part == "test" else _split(parts[0]) if part == "." else _dev_split(parts[0])
        photos = files(path, PHOTO_SUFFIXES) if path.is_dir() else None
        if photos is None or photos:
            start = photos[0] if photos else path
            yield _clip(start, parts[0], parts[1], f"{parts[2]}-{parts[3]}", split, photos)


def _clip(video: Path, person: str, source: str, piece: str, split: str, photos: list[Path] | None = None) -> Clip:
    info: dict[str, object] = {"youtube": source, "licence": VOXCELEB1.licence}
    if photos:
        info["photos"] = [str(photo) for photo in photos]
    key = make_key(*(part for part in (person, source, piece) if part))
    sound = video if photos else beside(video, video.with_suffix(".wav"))
    return Clip(key, video, sound, person, split, None, info)


def _split(person: str) -> str:
    number = PERSON.fullmatch(person)
    # the 40 people of the verification test set, by number or by the first letter of their names
    is_test = int(number.group(1)) in range(10270, 10310) if number else person.upper().startswith("E")
    return "test" if is_test else _dev_split(person)


def _dev_split(person: str) -> str:
    val_share = 0.05
    return split_by_speaker(person, val=val_share, test=0.0)


VOXCELEB1 = Corpus(
    "voxceleb1",
    find_voxceleb1_clips,
    "unzippedFaces/NAME/1.6/VIDEO/*.jpg, or {train,test}/PERSON#VIDEO#START#END.mp4",
    "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html",
    "video of their makers, research only; lists and boxes CC BY 4.0",
)
