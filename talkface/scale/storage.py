"""Path or URL -> a folder whose files are complete or absent, on this disk or wherever fsspec reaches."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from talkface.errors import MediaError, MissingExtraError
from talkface.files.write import append_file, atomic_file, atomic_write, inside, sync_file

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def is_url(place: str | Path) -> bool:
    """Whether `place` names a file system of fsspec (`s3://bucket/x`, `dir::file:///tmp`) rather than a path."""
    return isinstance(place, str) and ("://" in place or "::" in place)


def absolute(place: str) -> str:
    """A path that holds in every working folder; a URL as it is."""
    return place if is_url(place) else str(Path(place).absolute())


@dataclass(frozen=True)
class Folder:
    """One folder, by path or URL; small enough to send to other machines.

    Attributes:
        place: path, or URL as fsspec takes it. Names below are relative to it, with `/` between their parts.
    """

    place: str

    @property
    def path(self) -> Path | None:
        """The folder as a path, None where it is not on a disk of this machine."""
        return None if is_url(self.place) else Path(self.place)

    def make(self) -> None:
        """Make it, with all above it, if it is missing.

        Raises:
            MediaError: it cannot be made.
        """
        try:
            if self.path is not None:
                self.path.mkdir(parents=True, exist_ok=True)
            else:
                files, root = self._remote()
                files.makedirs(root, exist_ok=True)
        except OSError as error:
            raise MediaError(f"no folder {self.place} can be made ({error}): give another one") from error

    def put(self, source: Path, name: str) -> None:
        """Move the local file `source` here; readers see all of it or nothing."""
        if self.path is not None:
            target = self._place(name)
            _settle(source, target)
            return
        self.copy(source, name)
        source.unlink()

    def copy(self, source: Path, name: str) -> None:
        """Copy the local file `source` here; readers see all of it or nothing."""
        if self.path is not None:
            target = self._place(name)
            with atomic_file(target) as part:
                shutil.copyfile(source, part)
            return
        files, root = self._remote()
        target_name = f"{root}/{name}"
        files.makedirs(target_name.rpartition("/")[0], exist_ok=True)
        hidden_name = _hidden(target_name)
        files.put_file(str(source), hidden_name)
        files.mv(hidden_name, target_name)

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file from here to the local file `target`, which appears when it is whole."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(target) as part:
            if self.path is not None:
                shutil.copyfile(self.path / name, part)
            else:
                files, root = self._remote()
                files.get_file(f"{root}/{name}", str(part))

    def write(self, name: str, content: bytes) -> None:
        """Write a small file; readers see all of it or nothing."""
        if self.path is not None:
            target = self._place(name)
            atomic_write(target, content)
            return
        files, root = self._remote()
        target_name = f"{root}/{name}"
        files.makedirs(target_name.rpartition("/")[0], exist_ok=True)
        hidden_name = _hidden(target_name)
        files.pipe_file(hidden_name, content)
        files.mv(hidden_name, target_name)

    def append(self, name: str, content: bytes) -> None:
        """Add to the end of a small file of a local folder; elsewhere files are only written whole, so do nothing."""
        if self.path is not None:
            append_file(self.path / name, content)

    def read(self, name: str, length: int = -1) -> bytes:
        """Content of a file, or its first `length` bytes; empty where there is none."""
        try:
            if self.path is not None:
                with (self.path / name).open("rb") as file:
                    return file.read(length)
            files, root = self._remote()
            content: bytes = files.cat_file(f"{root}/{name}", end=None if length < 0 else length)
        except FileNotFoundError:
            return b""
        return content

    def read_all(self, folder: str, suffix: str) -> Iterator[bytes]:
        """Contents of all files right in the sub-folder `folder` whose names end in `suffix`, one after the other."""
        if self.path is not None:
            yield from (path.read_bytes() for path in sorted((self.path / folder).glob(f"[!.]*{suffix}")))
            return
        files, root = self._remote()
        if not files.exists(f"{root}/{folder}"):
            return
        names = [name for name in files.ls(f"{root}/{folder}", detail=False) if name.endswith(suffix)]
        yield from (files.cat(names) if names else {}).values()

    def delete(self, name: str) -> None:
        """Remove a file of a local folder; what is elsewhere stays."""
        if self.path is not None:
            (self.path / name).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """Size in bytes of every file here and below, by name, hidden ones left out."""
        if self.path is not None:
            return dict(_local_sizes(self.path))
        files, root = self._remote()
        if not files.exists(root):
            return {}
        found = files.find(root, detail=True)
        names = {name[len(root) :].lstrip("/"): int(info["size"]) for name, info in found.items()}
        return {name: size for name, size in names.items() if not any(p.startswith(".") for p in name.split("/"))}

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A new local folder to work in, from which `put` is a mere rename where this folder is local."""
        import tempfile

        if self.path is not None:
            (self.path / name).mkdir(parents=True, exist_ok=True)
        parent = None if self.path is None else self.path / name
        with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def remove(self, name: str) -> None:
        """Remove a local sub-folder of scratch; remote ones never have any."""
        if self.path is not None:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _place(self, name: str) -> Path:
        """Where a local file goes, its folder made; a link that leads out of this folder is refused."""
        assert self.path is not None
        target = inside(self.path, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _remote(self) -> "tuple[AbstractFileSystem, str]":
        return open_remote(self.place)


@contextmanager
def local_copies(sources: Sequence[str]) -> Iterator[list[Path]]:
    """Files at paths as they are, those at URLs as temporary copies that keep their suffixes.

    Raises:
        MediaError: no such file there.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield [
            _fetched(source, Path(folder) / str(i)) if is_url(source) else Path(source)
            for i, source in enumerate(sources)
        ]


def _fetched(source: str, folder: Path) -> Path:
    files, name = open_remote(source)
    target: Path = folder / name.rpartition("/")[2]
    folder.mkdir()
    try:
        files.get_file(name, str(target))
    except FileNotFoundError as error:
        raise MediaError(f"no file {source}: check its address") from error
    return target


def open_remote(place: str, options: dict[str, Any] | None = None) -> "tuple[AbstractFileSystem, Any]":
    """File system, opened with fsspec's `options`, and path of a URL.

    Raises:
        MissingExtraError: fsspec, or the package behind this kind of address, is not installed.
        MediaError: no kind of address that fsspec knows.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError(f"{place} is not a path on this disk: pip install 'talkface[scale]'") from error
    try:
        files, root = url_to_fs(place, **(options or {}))
    except ImportError as error:
        raise MissingExtraError(f"{place} cannot be reached: {error}") from error
    except ValueError as error:
        raise MediaError(f"{place} is not an address that can be used: {error}") from error
    return files, root.rstrip("/")


def _hidden(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}.{last}.{uuid4().hex}.part"


def _settle(source: Path, target: Path) -> None:
    """See the content to the disk, then give it its name."""
    sync_file(source)
    try:
        os.replace(source, target)
    except OSError:
        source.unlink(missing_ok=True)
        raise


def _local_sizes(root: Path) -> Iterator[tuple[str, int]]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(root).as_posix(), path.stat().st_size
