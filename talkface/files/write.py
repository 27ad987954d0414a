"""Content -> a file that is whole or absent, and never somebody else's."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from talkface.errors import MediaError, PassingError, TalkfaceError

PART = ".part"
LONGEST_NAME = 255  # bytes, of most file systems
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_BELOW = 1 << 20  # free bytes; libraries hide the error number of a full disk, so the disk is asked


@contextmanager
def atomic_file(path: Path, *, private: bool = False, exclusive: bool = False) -> Iterator[Path]:
    """Inside, a new empty file to write to; at the end it is seen to the disk and takes the name `path`.

    The temporary file is hidden, lies beside `path`, keeps its suffix, fits the longest name and is called at random;
    it is created exclusively, so that no link laid there is followed. On any exception it is removed and `path` stays
    as it was.

    Args:
        path: the final name; a symbolic link there is replaced, never followed.
        private: readable by the owner only (0600).
        exclusive: refuse a `path` that appeared in the meantime instead of replacing it.

    Raises:
        PassingError: the disk is full.
        MediaError: the folder is missing or not writable, or `path` exists and `exclusive` is set.
    """
    part = hidden_name(path)
    with _explained(path):
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _flag("O_NOFOLLOW"), 0o600 if private else 0o666))
        mode = stat.S_IMODE(part.lstat().st_mode)
        try:
            yield part
            if stat.S_IMODE(part.lstat().st_mode) != mode:  # some libraries write a file of their own over it
                part.chmod(mode)
            sync_file(part)
            _take_name(part, path, exclusive)
        finally:
            part.unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes | str, *, private: bool = False, exclusive: bool = False) -> None:
    """Write `content` (text as UTF-8) to `path` in one step; arguments and errors as `atomic_file`."""
    with atomic_file(path, private=private, exclusive=exclusive) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def hidden_name(path: Path) -> Path:
    """A free hidden name beside `path`: its stem as far as it fits, random digits, `.part` and its suffix."""
    ending = f".{secrets.token_hex(8)}{PART}{path.suffix}"
    room = LONGEST_NAME - len(os.fsencode(ending)) - 1
    stem = os.fsencode(path.stem)[: max(room, 0)].decode("utf-8", errors="ignore")
    return path.with_name(f".{stem}{ending}")


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
def _explained(path: Path) -> Iterator[None]:
    """Inside, what the disk refuses becomes one line; what else goes wrong on a full disk is the disk's fault."""
    try:
        yield
    except TalkfaceError:
        raise
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in FULL or (number is None and _is_full(path.parent)):
            raise PassingError(f"no space left on the disk of {path}: free some, or write elsewhere") from error
        if isinstance(error, FileExistsError):
            raise MediaError(f"{path} exists: give another name, or --force to replace it") from error
        if isinstance(error, OSError) and number is not None:
            raise MediaError(f"{path} cannot be written: {error.strerror}") from error
        raise


def _is_full(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < FULL_BELOW
    return False


def _flag(name: str) -> int:
    """A flag of `os.open` that some systems lack."""
    return int(getattr(os, name, 0))
