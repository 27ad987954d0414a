"""A number of threads -> torch and OpenCV limited to it, for as long as a caller wants."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def limit_threads(count: int, *, opencv: bool = True) -> Iterator[None]:
    """Inside, torch and OpenCV compute on `count` threads each; outside they do as before.

    The numbers belong to the process, so only who owns it asks for them: a command, a training, a worker's task.

    Args:
        count: of threads; 0 leaves everything as it is.
        opencv: whether OpenCV is limited, too.
    """
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
