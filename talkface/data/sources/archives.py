"""Folder of published archives (zip, tar, either in parts) -> the tree that unpacking would give, nothing unpacked."""

import io
import os
import re
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path, PurePosixPath

from talkface.errors import DatasetError
from talkface.files.read import refusing
from talkface.types import Clip

PART = re.compile(r"(.+?)(?:[._-]*part[._-]?|(?<=\.zip)\.|(?<=\.tar)\.)([a-z]{2,3}|[0-9]{1,4})")
BLOCK = 1 << 20


@dataclass(frozen=True)
class Span:
    """Where a member lies.

    Attributes:
        parts: files whose contents behind each other are the archive.
        start: first byte, of the member's own header in a zip.
        stored: bytes there.
        size: bytes of the member.
        kind: tar | zip | deflated.
        changed_ns: when the archive was written.
    """

    parts: tuple[str, ...]
    start: int
    stored: int
    size: int
    kind: str
    changed_ns: int

    def copy(self, out: io.BufferedIOBase) -> None:
        """Write the member's content.

        Raises:
            DatasetError: the archive is damaged or cut short.
        """
        where = f"{self.parts[0]}: a member at byte {self.start}"
        local_header = struct.Struct("<4s22xHH")  # of a zip's member: mark, lengths of its name and of what follows
        with JoinedFile(self.parts) as archive, refusing(f"{where} is damaged: download it again", DatasetError):
            archive.seek(self.start)
            if self.kind != "tar":
                mark, name, extra = local_header.unpack(archive.read(local_header.size))
                if mark != b"PK\3\4":
                    raise DatasetError(f"{where} is damaged: download it again")
                archive.seek(name + extra, io.SEEK_CUR)
            inflate = zlib.decompressobj(-15) if self.kind == "deflated" else None
            left, written = self.stored, 0
            while left and written <= self.size:
                block = archive.read(min(BLOCK, left))
                if not block:
                    break
                left -= len(block)
                content = inflate.decompress(block, self.size - written + 1) if inflate else block
                written += out.write(content)
            if written != self.size:
                raise DatasetError(f"{where} is damaged or cut short: download it again")


class JoinedFile(io.RawIOBase):
    """Files behind each other as one, for reading anywhere."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._files = [os.open(part, os.O_RDONLY) for part in parts]
        self._ends = list(accumulate(os.fstat(file).st_size for file in self._files))
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._ends[-1]}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As many bytes as the part has from here on; 0 at the end."""
        start = 0
        for file, end in zip(self._files, self._ends, strict=True):
            if self._place < end:
                content = os.pread(file, min(len(buffer), end - self._place), self._place - start)
                buffer[: len(content)] = content
                self._place += len(content)
                return len(content)
            start = end
        return 0

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end."""
        content = bytearray()
        while size < 0 or len(content) < size:
            block = super().read(BLOCK if size < 0 else size - len(content))
            if not block:
                break
            content += block
        return bytes(content)

    def close(self) -> None:
        if not self.closed:
            for file in self._files:
                os.close(file)
        super().close()


class ArchivedPath(type(Path())):  # type: ignore[misc]  # the class of this system's paths
    """Path in a tree that `open_archives` found; of others, and in other processes, a plain path."""

    __slots__ = ()

    def span(self) -> Span | None:
        """Where a member's content lies; None for folders and for what is not there."""
        return _MEMBERS.get(str(self))

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        span = self.span()
        if span is None and str(self) not in _FOLDERS:
            found: os.stat_result = super().stat(follow_symlinks=follow_symlinks)
            return found
        mode = stat.S_IFDIR | 0o500 if span is None else stat.S_IFREG | 0o400
        size, changed = (span.size, span.changed_ns) if span else (0, 0)
        seconds = changed // 10**9
        return os.stat_result((mode, 0, 0, 1, 0, 0, size, seconds, seconds, seconds), {"st_mtime_ns": changed})

    def is_dir(self) -> bool:
        return str(self) in _FOLDERS

    def is_file(self) -> bool:
        return self.span() is not None

    def open(self, mode: str = "r", *args: object, **options: object) -> io.IOBase:
        span = self.span()
        if span is None or mode not in ("r", "rb"):
            opened: io.IOBase = super().open(mode, *args, **options)
            return opened
        content = io.BytesIO()
        span.copy(content)
        content.seek(0)
        return content if mode == "rb" else io.TextIOWrapper(content, encoding="utf-8")

    def iterdir(self) -> Iterator["ArchivedPath"]:
        return (self / name for name in _FOLDERS.get(str(self), {}))


_MEMBERS: dict[str, Span] = {}  # of this process, by path: paths cannot carry more than their text before Python 3.12
_FOLDERS: dict[str, dict[str, None]] = {}  # names in each folder, in the archives' order


@contextmanager
def open_archives(root: Path) -> Iterator[Path | None]:
    """Root of the tree that `root`'s archives hold, while the block runs; None where there are none.

    `root` is a folder of archives, or one archive. A tar or zip in parts (`x_partaa`, `x.zip.001`) is read as one; one
    whose members lie in no folder is taken for a folder of its name; VoxCeleb's go below `dev` or `test`.

    Raises:
        DatasetError: a part is missing, an archive is damaged or encrypted, or compressed as a whole.
    """
    found = _archives(root)
    if not found:
        yield None
        return
    top = root if root.is_dir() else root.parent
    try:
        for parts in found:
            for name, span in _members(parts):
                _add(top, name, span)
        yield ArchivedPath(top)
    finally:
        _MEMBERS.clear()
        _FOLDERS.clear()


def _add(top: Path, name: str, span: Span) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise DatasetError(f"{span.parts[0]} has a member {name[:60]!r} outside its folder: download it again")
    whole = str(top.joinpath(*path.parts))
    _MEMBERS[whole] = span
    for above in path.parents:
        folder = str(top / above)
        entries, known = _FOLDERS.setdefault(folder, {}), Path(whole).name in _FOLDERS[folder]
        entries[Path(whole).name] = None
        if known:
            break
        whole = folder


def _archives(root: Path) -> list[tuple[str, ...]]:
    """Parts of every archive of a folder, in the order of their names."""
    if not root.exists():
        return []
    names = [root.name] if root.is_file() else sorted(entry.name for entry in root.iterdir() if entry.is_file())
    folder = root.parent if root.is_file() else root
    split: dict[str, list[str]] = {}
    compressed = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
    for name in names:
        part = None if name.lower().endswith(compressed) else PART.fullmatch(name)
        if part or name.lower().endswith((".zip", ".tar")):
            split.setdefault(part[1] if part else name, []).append(name)
    packed = [name for name in names if name.lower().endswith(compressed)]
    if packed and not split:
        raise DatasetError(_compressed(str(folder / packed[0])))
    for name, parts in split.items():
        _check_parts(folder / name, parts)
    return [tuple(str(folder / part) for part in parts) for parts in split.values()]


def _check_parts(name: Path, parts: Sequence[str]) -> None:
    """Refuse a gap: parts are counted by letters from a or by digits from 0 or 1."""
    labels = [found[2] for found in map(PART.fullmatch, parts) if found]
    digits = bool(labels) and labels[0].isdigit()
    numbers = [int(each) if digits else _letters(each) for each in labels]
    whole = list(range(numbers[0], numbers[0] + len(numbers))) if numbers else []
    if numbers != whole or (numbers and numbers[0] > digits):
        raise DatasetError(f"parts of {name} are missing, {' '.join(labels)[:80]} are here: download all of them")


def _letters(label: str) -> int:
    """`aa`, `ab`... counted from 0."""
    return sum((ord(letter) - ord("a")) * 26**place for place, letter in enumerate(reversed(label)))


def _members(parts: tuple[str, ...]) -> Iterator[tuple[str, Span]]:
    """Name and place of every file in an archive."""
    name = Path(parts[0]).name
    changed = max(Path(part).stat().st_mtime_ns for part in parts)
    where = f"{parts[0]} is damaged or cut short: download it again"
    with JoinedFile(parts) as archive, refusing(where, DatasetError):
        head = archive.read(4)
        archive.seek(0)
        if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zX")):  # gzip, bzip2, xz
            raise DatasetError(_compressed(parts[0]))
        listed = list((_zip_members if head[:2] == b"PK" else _tar_members)(archive, parts, changed))
    if not listed:
        raise DatasetError(f"{parts[0]} holds no files: expected the zip or tar that was published")
    above = re.match(r"vox[12]_(dev|test)_", name)
    if above and not any(member.startswith(("dev/", "test/")) for member, _ in listed):
        prefix = f"{above[1]}/"
    else:
        stem = PART.sub(r"\1", name).split(".")[0]
        prefix = "" if any("/" in member for member, _ in listed) else f"{stem}/"
    return ((prefix + member.removeprefix("./"), span) for member, span in listed)


def _compressed(name: str) -> str:
    return f"{name} is compressed as a whole and would be read from its start for every clip: unpack it"


def _zip_members(archive: JoinedFile, parts: tuple[str, ...], changed: int) -> Iterator[tuple[str, Span]]:
    kinds = {zipfile.ZIP_STORED: "zip", zipfile.ZIP_DEFLATED: "deflated"}
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            if info.is_dir():
                continue
            if info.flag_bits & 1 or info.compress_type not in kinds:
                raise DatasetError(f"{parts[0]} is encrypted or compressed in an unusual way: unpack it")
            kind = kinds[info.compress_type]
            yield info.filename, Span(parts, info.header_offset, info.compress_size, info.file_size, kind, changed)


def _tar_members(archive: JoinedFile, parts: tuple[str, ...], changed: int) -> Iterator[tuple[str, Span]]:
    with tarfile.open(fileobj=archive, mode="r:") as packed:
        for info in packed:
            if info.isreg() and not info.issparse():
                yield info.name, Span(parts, info.offset_data, info.size, info.size, "tar", changed)
            packed.members.clear()  # type: ignore[attr-defined]  # a million of them would stay
        # tarfile takes a header that is damaged or cut off for the end, which is a block of zeros
        archive.seek(packed.offset)
        end = archive.read(tarfile.BLOCKSIZE)
        if len(end) < tarfile.BLOCKSIZE or any(end):
            raise DatasetError(f"{parts[0]} is damaged or cut short at byte {archive.tell()}: download it again")


def archived_members(clip: Clip) -> dict[str, Span]:
    """Where the files of a clip lie in archives, by path; empty for one that is unpacked."""
    named = clip.info.get("photos")
    paths = [clip.video, clip.audio, *(named if isinstance(named, list) else [])]
    found = {str(path): _MEMBERS.get(str(path)) for path in paths} if _MEMBERS else {}
    return {path: span for path, span in found.items() if span is not None}


@contextmanager
def unpacked(clip: Clip, members: Mapping[str, Span]) -> Iterator[Clip]:
    """The clip with its archived files in a temporary folder while the block runs.

    Raises:
        DatasetError: an archive is damaged.
    """
    if not members:
        yield clip
        return
    with tempfile.TemporaryDirectory(prefix="talkface_", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        local: dict[str, Path] = {}
        for place, (path, span) in enumerate(members.items()):
            local[path] = folder / f"{place}{Path(path).suffix}"
            with local[path].open("wb") as file:
                span.copy(file)
        photos = clip.info.get("photos")
        named = {"photos": [str(local.get(each, each)) for each in photos]} if isinstance(photos, list) else {}
        yield replace(
            clip,
            video=local.get(str(clip.video), clip.video),
            audio=local.get(str(clip.audio), clip.audio),
            info={**clip.info, **named},
        )
