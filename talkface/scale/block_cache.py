"""URL of a folder -> any bytes of its files, fetched in blocks that are kept on this disk within a bound.

A block is fetched by one request for its range, tried again where a connection is slow or breaks, and kept only when it
is whole; so a run that was stopped goes on with what it has, and nothing is left out in silence.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from talkface.errors import DatasetError
from talkface.files.read import limit, refusing
from talkface.files.write import atomic_write
from talkface.scale.storage import open_remote


@dataclass(frozen=True)
class BlockCacheSettings:
    """Size of blocks read from afar, and how often they are tried."""

    block: int = 1 << 20  # bytes
    tries: int = 6
    first_wait_s: float = 0.25  # between tries, doubled each time
    longest_wait_s: float = 8.0
    silent_s: float = 30.0  # a connection that says nothing for so long is given up


BLOCKS = BlockCacheSettings()


def cache_folder() -> Path:
    """Where blocks are kept: TALKFACE_CACHE, or ~/.cache/talkface."""
    return Path(os.environ.get("TALKFACE_CACHE") or Path.home() / ".cache" / "talkface") / "shards"


class BlockCache:
    """Files of a folder at a URL, read by ranges; several threads and processes may share the kept blocks."""

    def __init__(self, place: str) -> None:
        """Open a URL; raises `MissingExtraError` or `MediaError` where its kind cannot be used."""
        self.place = place
        self.files, self.root = open_remote(place, patient_options(place))
        self.kept = cache_folder() / hashlib.sha256(place.encode()).hexdigest()[:12]
        self._written = 0
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockCache, (self.place,)

    def whole(self, name: str) -> Path:
        """A local copy of a whole file, fetched again where that at the URL has another size or date.

        Raises:
            DatasetError: it cannot be fetched.
        """
        size, version = self._state(name)
        path = self.kept / f"{name}.{version}"
        if not path.is_file():
            atomic_write(self._made(path), b"".join(self._fetch(name, at, to) for at, to in _blocks(0, size, size)))
        return path

    def read(self, name: str, version: str, offset: int, size: int, total: int) -> bytes:
        """`size` bytes from `offset` on of a file of `total`; `version` tells states of the folder apart.

        Raises:
            DatasetError: they cannot be fetched.
        """
        parts = []
        for start, end in _blocks(offset, size, total):
            path = self.kept / version / name / f"{start // BLOCKS.block:07d}"
            try:
                block = path.read_bytes()
                with contextlib.suppress(OSError):
                    os.utime(path)
            except OSError:
                block = b""
            if len(block) != end - start:
                block = self._fetch(name, start, end)
                atomic_write(self._made(path), block)
                self._make_room(len(block))
            parts.append(block[max(0, offset - start) : offset + size - start])
        return b"".join(parts)

    def _state(self, name: str) -> tuple[int, str]:
        """Size of a file and a word that changes with its content."""
        info = self._again(f"{self.place}/{name}", lambda: self.files.info(f"{self.root}/{name}"))
        size = info.get("size")
        if not isinstance(size, int) or size < 0:
            raise DatasetError(f"{self.place}/{name}: its server does not say how large it is: use another one")
        marks = [str(info.get(key)) for key in ("ETag", "etag", "LastModified", "mtime", "last_modified")]
        return size, hashlib.sha256(f"{size} {marks}".encode()).hexdigest()[:12]

    def _fetch(self, name: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of a file from its server, whole or an error."""

        def once() -> bytes:
            block: bytes = self.files.cat_file(f"{self.root}/{name}", start=start, end=end)
            if len(block) != end - start:
                raise OSError(f"{len(block)} bytes came where {end - start} were asked for")
            return block

        return bytes(self._again(f"{self.place}/{name}", once)) if end > start else b""

    def _again(self, what: str, once: Any) -> Any:
        """Try until it works, at most `BLOCKS.tries` times."""
        wait, message = (
            BLOCKS.first_wait_s,
            f"{what} cannot be read after {BLOCKS.tries} tries; run the same command later to resume",
        )
        for left in reversed(range(BLOCKS.tries)):
            try:
                with refusing(message, DatasetError):
                    return once()
            except DatasetError:
                if not left:
                    raise
                time.sleep(wait)
                wait = min(2 * wait, BLOCKS.longest_wait_s)
        raise AssertionError("not reached")

    def _made(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _make_room(self, added: int) -> None:
        """Remove the blocks that were read longest ago where all kept ones take more than the limit."""
        room = limit("cache_mb") * 1e6
        with self._lock:
            self._written += added
            if self._written < room / 50:
                return
            self._written = 0
            found = sorted(_files_below(cache_folder()), key=lambda each: each.used)
            too_many = sum(each.size for each in found) - room
            for each in found:
                if too_many <= 0:
                    return
                with contextlib.suppress(OSError):
                    each.path.unlink()
                too_many -= each.size


@dataclass(frozen=True)
class RemoteFile:
    """One file of a folder at a URL, whose size is known.

    Attributes:
        version: of the folder's state, see `BlockCache.read`.
    """

    cache: BlockCache
    name: str
    size: int
    version: str

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on."""
        return self.cache.read(self.name, self.version, offset, size, self.size)

    def __str__(self) -> str:
        return f"{self.cache.place}/{self.name}"


def patient_options(place: str) -> dict[str, Any]:
    """Options of fsspec by which a server that falls silent is given up: its own defaults wait for minutes."""
    kind = place.partition("://")[0].rpartition("::")[2]
    if kind in ("http", "https", "gs", "gcs"):
        import aiohttp

        patience = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=BLOCKS.silent_s)
        return {"client_kwargs": {"timeout": patience}} if kind.startswith("http") else {"requests_timeout": patience}
    if kind == "s3":
        return {
            "config_kwargs": {"connect_timeout": 15, "read_timeout": BLOCKS.silent_s, "retries": {"max_attempts": 1}}
        }
    return {}


@dataclass(frozen=True)
class _Kept:
    path: Path
    size: int
    used: float


def _files_below(folder: Path) -> Iterator[_Kept]:
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            state = path.stat()
            if path.is_file():
                yield _Kept(path, state.st_size, state.st_mtime)


def _blocks(offset: int, size: int, total: int) -> Iterator[tuple[int, int]]:
    """First byte and end of the blocks that hold a range."""
    for start in range(offset // BLOCKS.block * BLOCKS.block, offset + size, BLOCKS.block):
        yield start, min(start + BLOCKS.block, total)
