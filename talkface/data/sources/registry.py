"""Name of a corpus and its root -> Clips, or what the root holds instead."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from talkface.data.interop.importers import PICKLE_SUFFIXES, WHY_NO_PICKLES, refuse_pickles
from talkface.data.sources.archives import open_archives
from talkface.data.sources.arrays import ATVGNET, LSTM_HDF5
from talkface.data.sources.cremad import CREMAD
from talkface.data.sources.grid import GRID
from talkface.data.sources.hdtf import HDTF
from talkface.data.sources.lrs3 import LRS3
from talkface.data.sources.lrw import LRW
from talkface.data.sources.rhythmic import RHYTHMIC
from talkface.data.sources.tree import Corpus, folders
from talkface.data.sources.voxceleb1 import VOXCELEB1
from talkface.data.sources.voxceleb2 import VOXCELEB2
from talkface.errors import DatasetError
from talkface.types import Clip

CORPORA: dict[str, Corpus] = {c.name: c for c in (LRW, GRID, LRS3, CREMAD, HDTF, VOXCELEB1, VOXCELEB2, RHYTHMIC)}
IMPORTS: dict[str, Corpus] = {c.name: c for c in (ATVGNET, LSTM_HDF5)}
"""Landmarks that earlier systems left; they can look like anything, so no root is taken for one of them."""


def find_clips(name: str, root: Path, where: Mapping[str, Sequence[str]] | None = None) -> list[Clip]:
    """Clips of a published corpus, in the adapter's order.

    Args:
        name: one of `CORPORA`.
        root: folder that the corpus was unpacked to, or what `corpus_root` gives.
        where: `speaker`, `split`, `key` or a name in the clips' info -> accepted values.

    Raises:
        DatasetError: unknown corpus, no such folder, another layout (the message names what it looks like), or no clip
            that fits `where`.
    """
    corpus = load_corpus(name)
    if not root.is_dir() and not (corpus is LSTM_HDF5 and root.is_file()):
        raise DatasetError(f"no folder {root}: give the folder that holds {corpus.layout}")
    clips = list(corpus.find(root))
    if not clips:
        raise DatasetError(wrong_root(corpus, root))
    fitting = [clip for clip in clips if all(_value(clip, key) in values for key, values in (where or {}).items())]
    if not fitting:
        wanted = ", ".join(f"{key}={'|'.join(values)}" for key, values in (where or {}).items())
        raise DatasetError(f"none of the {len(clips)} clips of {name} in {root} has {wanted}")
    return fitting


@contextmanager
def corpus_root(name: str, root: Path) -> Iterator[Path]:
    """`root`, or the tree inside its archives where it holds no clip that is unpacked; while the block runs.

    Raises:
        DatasetError: an archive cannot be used, see `open_archives`.
    """
    corpus = CORPORA.get(name)
    if corpus is None or (root.is_dir() and holds(corpus, root)):
        yield root
        return
    with open_archives(root) as tree:
        inside = [tree, *folders(tree)] if tree is not None else [root]
        yield next((each for each in inside if holds(corpus, each)), inside[0])


def load_corpus(name: str) -> Corpus:
    """Published corpus or import by name.

    Raises:
        DatasetError: unknown; or pickles, which no import opens.
    """
    known = {**CORPORA, **IMPORTS}
    if name in known:
        return known[name]
    if f".{name}" in PICKLE_SUFFIXES:
        raise DatasetError(f"no import of {name}: {WHY_NO_PICKLES}")
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are folder, {', '.join(known)}"
    raise DatasetError(f"unknown corpus {name!r}: {hint}")


def wrong_root(corpus: Corpus, root: Path) -> str:
    """One line: what was expected, and which corpus or folder this looks like."""
    if corpus.name in IMPORTS and root.is_dir():
        refuse_pickles(root)
    expected = f"no {corpus.name} in {root}: expected {corpus.layout}"
    if root.is_file():
        return expected
    if not any(root.iterdir()):
        return f"{expected}, but the folder is empty (get the corpus at {corpus.home})"
    most_children = 20  # sub-folders looked into for a corpus that was given one level too high
    for below in folders(root)[:most_children]:
        if holds(corpus, below):
            return f"{expected}; {below} fits: give that folder"
    for other in CORPORA.values():
        if other is not corpus and holds(other, root):
            return f"{expected}; it looks like {other.name}: talkface prepare {other.name} {root} OUT"
    for above in (root.parent, root.parent.parent):
        if holds(corpus, above, inside=root):
            return f"{expected}; it is a part of {above}: give that folder"
    return f"{expected} (get the corpus at {corpus.home})"


def holds(corpus: Corpus, root: Path, inside: Path | None = None) -> bool:
    """Whether `root` has at least one clip of the corpus; among its first ones, one in `inside` where that is given."""
    most_looked_at = 2000  # clips of a folder above that may hold the given one
    try:
        first = islice(corpus.find(root), most_looked_at if inside else 1)
        return any(inside is None or inside in clip.video.parents for clip in first)
    except DatasetError:  # the layout is the corpus' own, its files are faulty
        return True


def _value(clip: Clip, key: str) -> str:
    return str(getattr(clip, key) if key in ("speaker", "split", "key") else clip.info.get(key, ""))
