"""Rendered frames -> a folder of what the network saw and made: PNG sequences and a panel video of all of them."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from PIL import Image as PilImage

from talkface.errors import ConfigError, MediaError
from talkface.files.write import file_lock, hidden_name
from talkface.geometry.affine import transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.rasterize import face_sketch
from talkface.media.speech import SpeechStream
from talkface.media.write import VideoWriter
from talkface.renderers.base import Rendered
from talkface.types import FloatArray, Image

SIDE = 256  # pixels of a drawing, and of every picture in the panel
PANEL = "panel.mp4"
FOLDERS = ("landmarks", "attention", "motion", "mask")
"""Sub-folders of a folder of maps besides the panel: `landmarks`; of vgnet `attention` and `motion`, else `mask`."""


class MapWriter:
    """Context manager that leaves a whole folder of maps, or none.

    `NAME/%05d.png` from 00001 for every map at the network's own size, landmarks as drawings, all in the square that
    the network generates; and `panel.mp4`: photo | landmarks | maps | result.
    """

    def __init__(
        self, folder: Path, photo: Image, fps: Fraction, speech: SpeechStream | None = None, force: bool = False
    ) -> None:
        """Check the folder.

        Raises:
            MediaError: it cannot be written, or exists and `force` is off, or holds other things.
        """
        check_map_folder(folder, force=force)
        self.folder = folder
        self.frames_written = 0
        self._photo, self._fps, self._speech = photo, fps, speech
        self._work = hidden_name(folder)
        self._force = force
        self._lock = contextlib.ExitStack()  # tells `sweep` that somebody works there
        self._panel: VideoWriter | None = None
        self._shown: Image | None = None

    def __enter__(self) -> "MapWriter":
        with _disk_errors(self.folder):
            self._work.mkdir()
            self._lock.enter_context(file_lock(self._work, MediaError(f"{self._work} is locked")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._panel is not None:
                self._panel.__exit__(kind, error, trace)
            if kind is None and self.frames_written:
                with _disk_errors(self.folder):
                    self._put_in_place()
        finally:
            shutil.rmtree(self._work, ignore_errors=True)
            self._lock.close()

    def tee(self, rendered: Iterator[Rendered]) -> Iterator[Rendered]:
        """The same frames, each written on its way.

        Raises:
            ConfigError: the renderer makes no maps.
            MediaError: the disk is full, or the folder went away.
        """
        for frame in rendered:
            self.write(frame)
            yield frame

    def write(self, rendered: Rendered) -> None:
        """Write one frame's maps; raises as `tee` does."""
        to_patch = rendered.to_patch
        if to_patch is None:
            raise ConfigError(
                "this renderer has no maps to save: use --renderer vgnet (attention, motion), hybrid, fewshot or spade "
                "(mask)"
            )
        maps = rendered.maps or {"mask": _grey(rendered.patch_mask)}
        size = len(next(iter(maps.values())))
        to_square = np.asarray(to_patch, np.float64) * (SIDE / size)
        points = transform(to_square, np.asarray(rendered.landmarks, np.float64))
        pictures = {"landmarks": face_sketch(points, (SIDE, SIDE)), **maps}
        self.frames_written += 1
        with _disk_errors(self.folder):
            for name, picture in pictures.items():
                path = self._work / name / f"{self.frames_written:05d}.png"
                path.parent.mkdir(exist_ok=True)
                PilImage.fromarray(picture).save(path)
        self._show(list(pictures.values()), cut_patch(rendered.image, to_square, SIDE), to_square)

    def _show(self, pictures: list[Image], result: Image, to_square: FloatArray) -> None:
        if self._shown is None:
            self._shown = cut_patch(self._photo, to_square, SIDE)  # stays: only the result moves
        row = np.concatenate([self._shown, *(_square(picture) for picture in pictures), result], 1)
        if self._panel is None:
            size = (row.shape[1], row.shape[0])
            self._panel = VideoWriter(self._work / PANEL, size, self._fps, self._speech).__enter__()
        self._panel.write(row)

    def _put_in_place(self) -> None:
        """Rename; an older folder of maps gives way at once where it may, and is removed afterwards."""
        old = hidden_name(self.folder)
        if self._force and self.folder.exists():
            os.replace(self.folder, old)
        os.replace(self._work, self.folder)
        shutil.rmtree(old, ignore_errors=True)


def check_map_folder(folder: Path, *, force: bool = False) -> None:
    """Refuse a folder before any work is done for it.

    Raises:
        MediaError: no place for it, or it exists and `force` is off, or holds what no `MapWriter` wrote.
    """
    if folder.exists() and not folder.is_dir():
        raise MediaError(f"{folder} is a file: give a folder for the maps")
    if not folder.parent.is_dir():
        raise MediaError(f"there is no folder {folder.parent}: make it with mkdir -p, or give another place")
    if not os.access(folder.parent, os.W_OK):
        raise MediaError(f"nothing may be written to {folder.parent}: change its permissions or give another place")
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    foreign = sorted(held - {*FOLDERS, PANEL})
    if foreign:
        raise MediaError(f"{folder} holds other things ({foreign[0]}): give a folder of its own")
    if held and not force:
        raise MediaError(f"{folder} holds maps already: give another name, or --force to replace them")


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Inside, an `OSError` becomes a `MediaError` of one line."""
    try:
        yield
    except OSError as error:
        raise MediaError(f"the maps cannot be written to {folder}: {error.strerror or error}") from error


def _grey(mask: FloatArray | None) -> Image:
    """`[S, S]` in [0, 1] -> `[S, S, 3]`."""
    assert mask is not None, "a frame with a patch has a mask"
    levels = np.clip(np.round(255 * mask), 0, 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, 2)


def _square(picture: Image) -> Image:
    if len(picture) == SIDE:
        return picture
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
