"""Content -> a file that is whole or absent, and never somebody else's."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from talkface.errors import MediaError, PassingError, TalkfaceError, printable

PART = ".part"
LONGEST_NAME = 255  # bytes, of most file systems
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class WriteSettings:
    """Names of half-written files, and when they are removed."""

    random_bytes: int = 8  # of a temporary name: process numbers repeat among containers that share a disk
    left_after_s: float = 60.0  # age from which a hidden file may be a killed process'
    full_below: int = 1 << 20  # free bytes; libraries hide the error number of a full disk, so the disk is asked


PART_FILES = WriteSettings()


@contextmanager
def atomic_file(path: Path, *, private: bool = False, exclusive: bool = False) -> Iterator[Path]:
    """Inside, a new empty file to write to; at the end it is seen to the disk and takes the name `path`.

    The temporary file is hidden, lies beside `path`, keeps its suffix, fits the longest name and is called at random;
    it is created exclusively, so that no link laid there is followed. On any exception it is removed and `path` stays
    as it was; what a kill leaves is removed by `sweep`.

    Args:
        path: the final name; a symbolic link there is replaced, never followed.
        private: readable by the owner only (0600).
        exclusive: refuse a `path` that appeared in the meantime instead of replacing it.

    Raises:
        PassingError: the disk is full.
        MediaError: the folder is missing or not writable, or `path` exists and `exclusive` is set.
    """
    with atomic_files([path], private=private, exclusive=exclusive) as (part,):
        yield part


@contextmanager
def atomic_files(paths: Sequence[Path], *, private: bool = False, exclusive: bool = False) -> Iterator[list[Path]]:
    """As `atomic_file` for files that belong together: they take their names when all are whole.

    Where one cannot take its name, those before it lose theirs again (with `exclusive`; else what they replaced is
    gone). Errors name the final files, also those that were raised about the temporary ones.
    """
    parts = [hidden_name(path) for path in paths]
    with contextlib.ExitStack() as opened, _explained(dict(zip(parts, paths, strict=True))):
        modes = [stat.S_IMODE(opened.enter_context(_held(part, private)).lstat().st_mode) for part in parts]
        yield parts
        for part, mode in zip(parts, modes, strict=True):
            if stat.S_IMODE(part.lstat().st_mode) != mode:  # some libraries write a file of their own over it
                part.chmod(mode)
            sync_file(part)
        taken: list[Path] = []
        try:
            for part, path in zip(parts, paths, strict=True):
                _take_name(part, path, exclusive)
                taken.append(path)
        except BaseException:
            for path in taken if exclusive else ():
                path.unlink(missing_ok=True)
            raise


@contextmanager
def hidden_file(path: Path) -> Iterator[Path]:
    """Inside, an empty hidden file beside `path` for work on the way to it; it is removed at the end.

    Raises:
        PassingError, MediaError: as `atomic_file`.
    """
    part = hidden_name(path)
    with _explained({part: path}), _held(part, private=False):
        yield part


def sweep(path: Path) -> None:
    """Remove what killed processes left of `path`: hidden files or folders beside it, not new, that nobody holds.

    Hidden files on the way to a hidden file, and those of another kind such as captions, are among them. Where the
    system knows no locks, all stay.
    """
    with contextlib.suppress(OSError):
        for left in path.parent.iterdir():
            if _is_hidden_name_of(path, left.name) and time.time() - left.lstat().st_mtime > PART_FILES.left_after_s:
                _remove_unless_held(left)


def _is_hidden_name_of(path: Path, name: str) -> bool:
    made = re.fullmatch(rf"\.(.*)\.[0-9a-f]{{{2 * PART_FILES.random_bytes}}}{PART}(\.[^.]*)?", name, re.DOTALL)
    if made is None:
        return False
    stem: str = made[1]
    if len(os.fsencode(name)) > LONGEST_NAME - 4:  # the stem was cut at a whole letter
        return path.stem.startswith(re.sub(r"(\.[0-9a-f]{0,16}(\.p?a?r?t?)?)+$", "", stem.lstrip(".")))
    return stem == path.stem or _is_hidden_name_of(path, stem)


def _remove_unless_held(left: Path) -> None:
    if left.is_symlink() or not (left.is_file() or left.is_dir()):
        return
    handle = os.open(left, os.O_RDONLY)
    try:
        if try_lock(handle) and left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        elif try_lock(handle):
            left.unlink(missing_ok=True)
    finally:
        os.close(handle)


@contextmanager
def _held(part: Path, private: bool) -> Iterator[Path]:
    """Make `part` and keep it locked, which tells `sweep` that somebody works on it; remove it at the end."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _flag("O_NOFOLLOW")
    handle = os.open(part, flags, 0o600 if private else 0o666)
    try:
        try_lock(handle)
        yield part
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes | str, *, private: bool = False, exclusive: bool = False) -> None:
    """Write `content` (text as UTF-8) to `path` in one step; arguments and errors as `atomic_file`."""
    with atomic_file(path, private=private, exclusive=exclusive) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def append_file(path: Path, content: bytes | str, *, sync: bool = False) -> None:
    """Add `content` (text as UTF-8) to the end of a file that grows; it is made where it is missing.

    Args:
        path: the file; a symbolic link there is not followed.
        content: whole lines, as a rule.
        sync: see it to the disk before returning.

    Raises:
        PassingError: the disk is full.
        MediaError: `path` is a link, or not writable.
    """
    flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | _flag("O_NOFOLLOW")
    with _explained({path: path}), os.fdopen(os.open(path, flags, 0o666), "ab") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def hidden_name(path: Path) -> Path:
    """A free hidden name beside `path`: its stem as far as it fits, random digits, `.part` and its suffix."""
    ending = f".{secrets.token_hex(PART_FILES.random_bytes)}{PART}{path.suffix}"
    room = LONGEST_NAME - len(os.fsencode(ending)) - 1
    stem = os.fsencode(path.stem)[: max(room, 0)].decode("utf-8", errors="ignore")
    return path.with_name(f".{stem}{ending}")


def fitting_name(stem: str, ending: str) -> str:
    """`stem + ending`, the stem cut at a whole character so that every file system takes the name."""
    room = LONGEST_NAME - len(os.fsencode(ending))
    return os.fsencode(stem)[:room].decode("utf-8", errors="ignore") + ending


def sync_file(path: Path) -> None:
    """See a file's content to the disk."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def inside(folder: Path, name: str, refuse: Callable[[str], TalkfaceError] = MediaError) -> Path:
    """`folder / name`, where no symbolic link on the way leads out of `folder`.

    Raises:
        MediaError, or what `refuse` makes: the name leads out of the folder, or through a link in it.
    """
    target = folder / name
    root = folder.resolve()
    resolved = target.parent.resolve() / target.name
    if ".." in target.parts[len(folder.parts) :] or not resolved.is_relative_to(root) or resolved == root:
        raise refuse(f"{name} leads out of {folder}: give a name inside it, without links")
    return target


def _take_name(part: Path, path: Path, exclusive: bool) -> None:
    if not exclusive:
        os.replace(part, path)
        return
    try:
        os.link(part, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without hard links: claim the name, then replace the claim
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(part, path)


@contextmanager
def _explained(finals: Mapping[Path, Path]) -> Iterator[None]:
    """Inside, what the disk refuses becomes one line; what else goes wrong on a full disk is the disk's fault.

    Args:
        finals: final name of each temporary file.
    """
    try:
        yield
    except TalkfaceError as error:
        message = str(error)
        for part, path in finals.items():
            message = message.replace(printable(part), printable(path))
        error.args = (message,)
        raise
    except Exception as error:
        path = _meant(error, finals)
        number = _error_number(error)
        if number in FULL or (number is None and _is_full(path.parent)):
            raise PassingError(f"no space left on the disk of {path}: free some, or write elsewhere") from error
        if isinstance(error, FileExistsError):
            raise MediaError(f"{path} exists: give another name, or --force to replace it") from error
        if number is not None:
            raise MediaError(f"{path} cannot be written: {os.strerror(number)}") from error
        raise


def _error_number(error: Exception) -> int | None:
    """The system's number of an error; libraries in Rust, such as safetensors, have it in their words only."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _meant(error: Exception, finals: Mapping[Path, Path]) -> Path:
    """The final file that an error is about; the first one where it does not say."""
    named = {str(getattr(error, name, None)) for name in ("filename", "filename2")}
    for part, path in finals.items():
        if named & {str(part), str(path)}:
            return path
    return next(iter(finals.values()))


def _is_full(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < PART_FILES.full_below
    return False


def _flag(name: str) -> int:
    """A flag of `os.open` that some systems lack."""
    return int(getattr(os, name, 0))


@contextmanager
def file_lock(path: Path, busy: TalkfaceError) -> Iterator[None]:
    """Hold `path` inside; nothing is written to it, and nothing is left behind after a kill.

    A folder is locked itself, so it needs no lock file. A file is made where it is missing. Links are not followed.
    Where the system or a network disk knows no such locks, nothing is held.

    Args:
        path: folder, or file.
        busy: raised where another process holds it.

    Raises:
        OSError: `path` is a symbolic link or cannot be opened.
    """
    handle = open_locked(path, busy)
    try:
        yield
    finally:
        os.close(handle)


def open_locked(path: Path, busy: TalkfaceError) -> int:
    """File descriptor that holds `path` until it is closed; arguments and errors as `file_lock`."""
    flags = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    is_folder = path.is_dir() and not path.is_symlink()
    handle = os.open(path, flags | os.O_RDONLY) if is_folder else os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not is_folder and not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is not a regular file")
        if try_lock(handle) is False:
            raise busy
    except BaseException:
        os.close(handle)
        raise
    return handle


def try_lock(handle: int) -> bool | None:
    """Lock an open file or folder until it is closed.

    Returns:
        True where it is locked now, False where another process holds it, None where there are no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network disk without locks
        return None
    return True
