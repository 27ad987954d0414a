"""VoxCeleb2 folder -> Clips, one utterance each.

Chung, Nagrani and Zisserman, "VoxCeleb2: deep speaker recognition", Interspeech 2018: 224x224 face tracks of 6112
people at 25 fps with sound inside the MP4; the text files hold the face's box in the original video, frame by frame.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from talkface.data.sources.tree import (
    VIDEO_SUFFIXES,
    Corpus,
    beside,
    files,
    folders,
    make_key,
    read_fields,
    read_number,
    split_by_speaker,
)
from talkface.data.sources.voxceleb1 import is_voxceleb1_person
from talkface.types import Clip


def find_voxceleb2_clips(root: Path) -> Iterator[Clip]:
    """`{dev,test}/mp4/id00012/VIDEO/00001.mp4`, `{dev,test}/txt/id00012/VIDEO/00001.txt`; `mp4/` may be missing.

    `test` is the corpus' own; of the people in `dev` some become `val`, by a hash. A root that is itself `dev`, `test`
    or the folder of people is read too. Sound unpacked from the AAC archives (`aac/`, .m4a) is preferred.
    """
    for part, base in _parts(root):
        for person in folders(base / "mp4" if (base / "mp4").is_dir() else base):
            if re.fullmatch(r"id\d{5}", person.name) and not is_voxceleb1_person(person.name):
                for video_folder in folders(person):
                    for video in files(video_folder, VIDEO_SUFFIXES):
                        yield _clip(base, video, part)


def _parts(root: Path) -> list[tuple[str, Path]]:
    own = [(part, root / part) for part in ("dev", "test") if (root / part).is_dir()]
    here = "test" if "test" in (root.name, root.parent.name) else "dev"
    return own or [(here, root)]


def _clip(base: Path, video: Path, part: str) -> Clip:
    person, source = video.parent.parent.name, video.parent.name
    within = Path(person, source, video.stem)
    side = base.parent if base.name == "mp4" else base
    header = beside(video, side / "txt" / within.with_suffix(".txt"), video.with_suffix(".txt"))
    fields = {} if header == video else _header(header)
    info: dict[str, object] = {"part": part, "youtube": source, "licence": VOXCELEB2.licence}
    names = (("corpus_offset", "offset"), ("face_confidence", "fv conf"), ("speaker_confidence", "asd conf"))
    for name, field in names:
        number = read_number(fields.get(field, ""))
        if number is not None:
            info[name] = number
    val_share = 0.02  # of the people in dev, as the corpus has no validation set of its own
    split = "test" if part == "test" else split_by_speaker(person, val=val_share, test=0.0)
    sound = beside(video, side / "aac" / within.with_suffix(".m4a"), video.with_suffix(".m4a"))
    return Clip(make_key(person, source, video.stem), video, sound, person, split, None, info)


def _header(path: Path) -> dict[str, str]:
    header_bytes = 400  # the text file's header ends well before; hundreds of lines of boxes follow
    try:
        with path.open("rb") as handle:
            text = handle.read(header_bytes).decode(errors="replace")
    except OSError:
        return {}
    return read_fields(text.partition("FRAME")[0])


VOXCELEB2 = Corpus(
    "voxceleb2",
    find_voxceleb2_clips,
    "{dev,test}/mp4/id00012/VIDEO/00001.mp4 and {dev,test}/txt/id00012/VIDEO/00001.txt",
    "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox2.html",
    "video of their makers, research only; lists and boxes CC BY 4.0",
)
