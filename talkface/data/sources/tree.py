"""Corpus root -> folders and files in a fixed order, and what every adapter needs to describe a clip."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkface.data.sources.archives import ArchivedPath
from talkface.errors import DatasetError
from talkface.files.read import read_bytes
from talkface.types import Clip

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v", ".flv", ".wmv", ".ogv", ".ts")
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Words for the splits, in lower case."""


@dataclass(frozen=True)
class Corpus:
    """A published corpus.

    Attributes:
        name: as in `talkface prepare NAME`.
        find: root folder -> its clips in a fixed order, found lazily; nothing is decoded. Nothing is found in a root
            of another layout.
        layout: where its files are, in one line.
        home: where to get it.
        licence: in one line; goes with every prepared clip.
    """

    name: str
    find: Callable[[Path], Iterator[Clip]]
    layout: str
    home: str
    licence: str

    def describe(self) -> str:
        """One line: layout and where to get it."""
        return f"{self.name}: {self.layout} ({self.home})"


def folders(path: Path) -> list[Path]:
    """Sub-folders in the order of their names; none where `path` is not a folder."""
    return sorted(path / entry.name for entry in _entries(path) if _is(entry.is_dir))


def files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files with one of `suffixes`, of either case, in the order of their names; hidden ones are left out."""
    found = (e for e in _entries(path) if not e.name.startswith(".") and e.name.lower().endswith(suffixes))
    return sorted(path / entry.name for entry in found if _is(entry.is_file))


def _is(kind: Callable[[], bool]) -> bool:
    """Whether an entry is of a kind; a link to itself is of none."""
    try:
        return kind()
    except OSError:
        return False


def first_folder(root: Path, *names: str) -> Path:
    """The first of `root/name` that exists, else `root`: archives are unpacked with or without their top folder."""
    return next((root / name for name in names if (root / name).is_dir()), root)


def beside(video: Path, *candidates: Path) -> Path:
    """The first of `candidates` that exists, else the video itself, whose own sound is used then."""
    return next((path for path in candidates if path.is_file()), video)


def make_key(*parts: str) -> str:
    """Letters, digits, `_` and `-` only: a dot would end a shard's key."""
    return "-".join(re.sub(r"[^A-Za-z0-9_-]+", "_", part).strip("_") or "x" for part in parts)


def speaker_share(speaker: str) -> float:
    """Number in [0, 1) that depends on the name alone: the same on every machine and in every subset."""
    return int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:8], "big") / 2**64


def split_by_speaker(speaker: str, val: float = 0.1, test: float = 0.1) -> str:
    """Split of a speaker where the corpus has none: shares of the speakers, nobody in two splits."""
    share = speaker_share(speaker)
    return "test" if share < test else "val" if share < test + val else "train"


def find_split(word: str) -> str | None:
    """`train`, `val` or `test` for any usual word, of any case; None for another word."""
    return SPLITS.get(word.strip().lower())


def is_lfs_pointer(path: Path) -> bool:
    """Whether Git LFS left a note in place of the file's content."""
    lfs_magic = b"version https://git-lfs"
    lfs_largest = 1024  # bytes; a pointer has about 130
    try:
        if path.stat().st_size > lfs_largest:
            return False
        with path.open("rb") as handle:
            return handle.read(len(lfs_magic)) == lfs_magic
    except OSError:
        return False


def read_text(path: Path) -> str:
    """Text of a side file; empty where it is missing or unreadable. Broken bytes never stop a corpus."""
    try:
        return read_bytes(path, "side file", DatasetError).decode("utf-8-sig", errors="replace")
    except DatasetError:
        return ""


def read_number(text: str) -> float | None:
    """The finite number that a side file's field begins with; None where there is none."""
    found = re.match(r"-?[0-9]{1,12}(\.[0-9]{0,12})?", text.strip())
    return float(found.group()) if found else None


def read_fields(text: str) -> dict[str, str]:
    """`Name : value` lines -> dict with lower-case names."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _entries(path: Path) -> Sequence[os.DirEntry[str] | ArchivedPath]:
    if isinstance(path, ArchivedPath):
        return list(path.iterdir())
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []
