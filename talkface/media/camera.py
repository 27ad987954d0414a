"""Camera number, device or file standing in for one -> upright RGB images as they come, each with its time."""

import os
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from talkface.errors import MediaError
from talkface.types import Image

USUAL_FPS = Fraction(25)  # where a device does not say
HIGHEST_FPS = 120
PATIENCE = 30  # reads without a picture before a camera counts as gone


class Camera:
    """Context manager around one opened camera.

    Attributes:
        fps: pictures per second that the device says it gives.
        first: the first picture, `[H, W, 3]`; every other has its size.
        live: whether pictures come by the clock; those of a file come as fast as they are read, on the file's own time.
    """

    def __init__(self, source: str | int) -> None:
        """Open a camera.

        Args:
            source: number of a camera (`0`), a device such as `/dev/video2`, an address that OpenCV opens, or a video
                file that plays the camera.

        Raises:
            MediaError: there is no such camera, or it gives no picture.
        """
        self._name = str(source)
        number = int(source) if self._name.isdigit() else None
        is_file = number is None and Path(self._name).is_file()
        self.live = not is_file
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # warnings are said here, in one line
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._capture = cv2.VideoCapture(self._name if number is None else number)
        first = self._read()
        if first is None:
            self._capture.release()
            raise MediaError(f"camera {self._name} gives no picture: {_advice(number, is_file)}")
        self.first = first
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old pictures would pile up and be shown late
        said = self._capture.get(cv2.CAP_PROP_FPS)
        usable = 1 <= said <= HIGHEST_FPS
        self.fps = Fraction(said).limit_denominator(1001) if usable else USUAL_FPS

    def __enter__(self) -> "Camera":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.release()

    def frames(self) -> Iterator[tuple[Image, float]]:
        """`[H, W, 3]` RGB images with their time in seconds; ends when a file does or a camera is unplugged."""
        image: Image | None = self.first
        index, started = 0, time.monotonic()
        while image is not None:
            yield image, time.monotonic() - started if self.live else float(index / self.fps)
            index += 1
            image = self._read()

    def _read(self) -> Image | None:
        for _ in range(PATIENCE if self.live else 1):
            there, picture = self._capture.read()
            if there:
                return np.ascontiguousarray(picture[..., ::-1])
        return None


def _advice(number: int | None, is_file: bool) -> str:
    if is_file:
        return "the file is no video that OpenCV can read"
    devices = sorted(str(path) for path in Path("/dev").glob("video*")) if sys.platform == "linux" else []
    there = f"devices here are {', '.join(devices)}" if devices else "this machine shows no camera"
    return f"{there}; give --camera a number, a device or a video file" if number is not None else there
