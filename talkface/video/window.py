"""RGB images -> a window on the screen, until it is closed."""

import os
import subprocess
import sys
from types import TracebackType

import cv2
import numpy as np

from talkface.errors import MediaError
from talkface.types import Image

CLOSING_KEYS = {27, ord("q"), ord("Q")}
PROBE_S = 20.0  # seconds given to a trial window


class Window:
    """Context manager around one window; Escape, Q or its cross ends the show."""

    def __init__(self, title: str) -> None:
        """Open nothing yet.

        Raises:
            MediaError: no window can be opened here.
        """
        self._title = title
        self._shown = False
        if not can_show():
            raise MediaError("no window can be opened here (no display): record with -o OUT.mp4 --no-window")

    def __enter__(self) -> "Window":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            cv2.destroyWindow(self._title)

    def show(self, image: Image) -> bool:
        """Show `[H, W, 3]`; False once the user has closed the window or pressed Escape or Q."""
        if self._shown and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self._shown = False
            return False
        cv2.imshow(self._title, np.ascontiguousarray(image[..., ::-1]))
        self._shown = True
        return cv2.waitKey(1) & 0xFF not in CLOSING_KEYS


def can_show() -> bool:
    """Whether a window opens here.

    A trial in a process of its own: where the screen cannot be reached, the window library ends the whole program.
    """
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        return False
    program = "import cv2; cv2.namedWindow('talkface'); cv2.waitKey(1); cv2.destroyAllWindows()"
    try:
        trial = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return trial.returncode == 0
