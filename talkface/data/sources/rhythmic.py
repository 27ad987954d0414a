"""Folder of "Rhythmic Head Motion" demo files -> Clips, those of its test lists where it has some."""

import re
from collections.abc import Iterator
from pathlib import Path

from talkface.data.interop.quintuple import (
    LIST_ENDING,
    Ending,
    find_quintuple,
    find_quintuples,
    read_demo_list,
    with_ending,
)
from talkface.data.sources.tree import Corpus, beside, make_key, split_by_speaker
from talkface.types import Clip


def find_rhythmic_clips(root: Path) -> Iterator[Clip]:
    """Every `X_aligned.mp4` with its arrays in `root`; of a `*_demo.npy` list the clips that it names, for testing.

    The list's word becomes the transcript, its frames go into the clip's info. Speakers are VoxCeleb's `idNNNNN` where
    the name has one, else the clip.

    Raises:
        DatasetError: a list that is none.
    """
    rows = [row for path in sorted(root.glob(f"*{LIST_ENDING}")) for row in read_demo_list(path)]
    if not rows:
        for prefix in find_quintuples(root):
            yield _clip(prefix, None, {})
        return
    seen: set[Path] = set()
    for row in rows:
        prefix = find_quintuple(row.video)
        if prefix not in seen:
            seen.add(prefix)
            yield _clip(prefix, row.word or None, {"start": row.start, "end": row.end})


def _clip(prefix: Path, word: str | None, span: dict[str, object]) -> Clip:
    video = with_ending(prefix, Ending.VIDEO)
    named = re.search(r"id\d{5}", prefix.name)
    speaker = named.group() if named else prefix.name
    split = "test" if span else split_by_speaker(speaker)
    info = {"licence": RHYTHMIC.licence, **span}
    return Clip(
        make_key(prefix.name), video, beside(video, with_ending(prefix, Ending.SOUND)), speaker, split, word, info
    )


RHYTHMIC = Corpus(
    "rhythmic",
    find_rhythmic_clips,
    "X_aligned.mp4, X_aligned.npy, X_aligned_rt.npy, X_aligned_front.npy and X.wav",
    "https://github.com/lelechen63/Talking-head-Generation-with-Rhythmic-Head-Motion",
    "that of the corpus the clips were cut from",
)
