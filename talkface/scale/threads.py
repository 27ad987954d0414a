"""Cores that this process may run on; a number of threads -> torch and OpenCV limited to it while a caller wants."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(core_numbers())


def core_numbers() -> list[int | None]:
    """Which cores this process may run on; as many None where the system does not tell."""
    return [*sorted(os.sched_getaffinity(0))] if hasattr(os, "sched_getaffinity") else [None] * (os.cpu_count() or 1)


def keep_to_core(number: int | None) -> None:
    """Run this thread, and threads and processes that it starts, on one core, if that is still there; None: on any.

    Threads of a real-time process, as ffmpeg's AV1 encoder makes one of root's, would never take turns there: it stays
    as it is.
    """
    if number is not None and os.sched_getscheduler(0) not in (os.SCHED_FIFO, os.SCHED_RR):
        with suppress(OSError):
            os.sched_setaffinity(0, {number})


@contextmanager
def limit_threads(count: int, *, opencv: bool = True) -> Iterator[None]:
    """Inside, torch and OpenCV compute on `count` threads each; outside they do as before.

    The numbers belong to the process, so only who owns it asks for them: a command, a training, a worker's task.

    Args:
        count: of threads; 0 leaves everything as it is.
        opencv: whether OpenCV is limited, too.
    """
    import cv2

    torch = sys.modules.get("torch")  # where nobody has loaded it there is nothing to limit
    before = cv2.getNumThreads(), torch.get_num_threads() if torch else 0
    if count and opencv:
        cv2.setNumThreads(count)
    if count and torch:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count and opencv:
            cv2.setNumThreads(before[0])
        if count and torch:
            torch.set_num_threads(before[1])
