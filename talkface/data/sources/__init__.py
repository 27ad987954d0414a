"""Adapters that find a corpus' clips, one file each; `SOURCES` maps a corpus' name to its finder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from talkface.data.sources.folder import find_folder_clips
from talkface.types import Clip

Where = Mapping[str, Sequence[str]]
"""Column of the corpus' table -> values that a row must have one of."""

Finder = Callable[[Path, Path | None, Where], list[Clip]]
"""Root folder, optional table and row filter -> clips in a fixed order; decodes nothing."""

SOURCES: dict[str, Finder] = {"folder": find_folder_clips}
