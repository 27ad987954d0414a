"""File or folder -> held by one process at a time, until it closes it or dies."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from talkface.errors import TalkfaceError


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
