"""RGB images -> a window on the screen, until it is closed.

The window lives in a process of its own, this very module run as a program: OpenCV's window library hangs in a process
that loaded PyAV before it, and ends the whole program where a screen cannot be reached.
"""

import contextlib
import struct
import subprocess
import sys
from types import TracebackType
from typing import BinaryIO

import cv2
import numpy as np

from talkface.errors import MediaError
from talkface.types import Image

READY = b"ready\n"
_SIZE = struct.Struct("<II")  # height and width, before the pixels of every picture


class Window:
    """Context manager around one window; Escape, Q or its cross ends the show."""

    def __init__(self, title: str) -> None:
        """Open it, empty.

        Raises:
            MediaError: no window can be opened here.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "talkface.media.window", title],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            self._end()
            raise MediaError("no window can be opened here (no display): record with -o OUT.mp4 --no-window")

    def __enter__(self) -> "Window":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def show(self, image: Image) -> bool:
        """Show `[H, W, 3]`; False once the user has closed the window or pressed Escape or Q."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(_SIZE.pack(*image.shape[:2]))
            self._process.stdin.write(np.ascontiguousarray(image).data)
            self._process.stdin.flush()
        except OSError:  # its end of the pipe went with the window
            return False
        return self._process.poll() is None

    def _end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()


def show_pictures(title: str, pictures: BinaryIO) -> None:
    """Show what comes through a pipe until it ends, or the user has seen enough."""
    while head := pictures.read(_SIZE.size):
        height, width = _SIZE.unpack(head)
        pixels = pictures.read(height * width * 3)
        cv2.imshow(title, np.frombuffer(pixels, np.uint8).reshape(height, width, 3)[..., ::-1].copy())
        if cv2.waitKey(1) & 0xFF in {27, ord("q"), ord("Q")} or cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
            return


if __name__ == "__main__":
    cv2.namedWindow(sys.argv[1], cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)  # without its bar of buttons
    cv2.waitKey(1)
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C reaches this process too
        show_pictures(sys.argv[1], sys.stdin.buffer)
