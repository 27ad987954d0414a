"""Video file -> the frames to look at: all, every k-th, or n evenly spaced; unusable files are refused."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.data.sources.tree import is_lfs_pointer
from talkface.errors import MediaError
from talkface.media.read import probe_video, read_frames
from talkface.types import DEFAULT_FPS, Image


class Refusal(Exception):
    """A clip that cannot be used; `reason` is what the table counts."""

    def __init__(self, reason: str, detail: str, source_frames: int = 0) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.source_frames = source_frames


def refuse_file(path: Path) -> None:
    """Refuse what can be told from the file's first bytes.

    Raises:
        Refusal: empty, or a pointer that Git LFS left.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Refusal("unreadable", f"{path}: {error.strerror}") from error
    if size == 0:
        raise Refusal("empty file", f"{path} has 0 bytes")
    if is_lfs_pointer(path):
        raise Refusal("git-lfs pointer", f"{path} is a note of Git LFS, not the video: run `git lfs pull` there")


def chosen_frames(video: Path, step: int = 1, count: int = 0) -> Iterator[Image]:
    """Frames at 25 fps.

    Args:
        video: any file that ffmpeg decodes.
        step: take every `step`-th.
        count: take this many, evenly spaced from the first to the last; 0 takes all.

    Raises:
        Refusal: empty, unreadable, or damaged before the first frame.
    """
    refuse_file(video)
    seen = 0
    try:
        wanted = set(evenly_spaced(_num_frames(video), count)) if count else None
        for index, (image, _) in enumerate(read_frames(video, Fraction(DEFAULT_FPS))):
            if (index in wanted) if wanted is not None else index % step == 0:
                seen += 1
                yield image
            if wanted is not None and seen == len(wanted):
                return
    except MediaError as error:
        raise Refusal("unreadable", str(error), seen) from error


def chosen_photos(photos: Sequence[Path], step: int = 1, count: int = 0) -> list[Path]:
    """The same choice among photos."""
    if count:
        return [photos[index] for index in evenly_spaced(len(photos), count)]
    return list(photos[::step])


def evenly_spaced(total: int, count: int) -> list[int]:
    """`count` indices from 0 to `total - 1`, or all of them where there are fewer."""
    return [int(i) for i in np.unique(np.linspace(0, max(total - 1, 0), min(count, max(total, 1))).round().astype(int))]


def _num_frames(video: Path) -> int:
    """Length at 25 fps, as the container says, else by decoding."""
    duration_s = probe_video(video).duration_s
    if duration_s is not None:
        return max(1, round(duration_s * float(DEFAULT_FPS)))
    return sum(1 for _ in read_frames(video, Fraction(DEFAULT_FPS)))
