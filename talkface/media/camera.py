"""Camera number, device or file standing in for one -> upright RGB images as they come, each with its time."""

import os
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from talkface.errors import MediaError
from talkface.media.read import probe_video, read_frames
from talkface.types import Image


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
        self._capture = None if is_file else _open_device(self._name if number is None else number)
        self._pictures = _file_pictures(Path(self._name)) if self._capture is None else _device_pictures(self._capture)
        first = next(self._pictures, None)
        if first is None:
            self._release()
            raise MediaError(f"camera {self._name} gives no picture: {_advice(number, is_file)}")
        self.first = first
        if self._capture is None:
            stated = probe_video(self._name).fps
        else:
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old pictures would pile up and be shown late
            stated = Fraction(self._capture.get(cv2.CAP_PROP_FPS)).limit_denominator(1001)
        usual_fps = Fraction(25)  # where a device does not say
        highest_fps = 120
        self.fps = stated if 1 <= stated <= highest_fps else usual_fps

    def __enter__(self) -> "Camera":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def frames(self) -> Iterator[tuple[Image, float]]:
        """`[H, W, 3]` RGB images with their time in seconds; ends when a file does or a camera is unplugged."""
        started = time.monotonic()
        for index, image in enumerate(chain([self.first], self._pictures)):
            yield image, time.monotonic() - started if self.live else float(index / self.fps)

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()


def _open_device(source: str | int) -> cv2.VideoCapture:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # warnings are given here, in one line
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(source)


def _device_pictures(capture: cv2.VideoCapture) -> Iterator[Image]:
    failed = 0
    patience = 30  # reads without a picture before a camera counts as gone
    while failed < patience:
        there, picture = capture.read()
        failed = 0 if there else failed + 1
        if there:
            yield np.ascontiguousarray(picture[..., ::-1])


def _file_pictures(path: Path) -> Iterator[Image]:
    """A file's pictures as everywhere else: its colours, square pixels, upright; none where it is not a video."""
    try:
        yield from (image for image, _ in read_frames(path))
    except MediaError:
        return


def _advice(number: int | None, is_file: bool) -> str:
    if is_file:
        return "the file is not a video that ffmpeg can read"
    devices = sorted(str(path) for path in Path("/dev").glob("video*")) if sys.platform == "linux" else []
    there = f"devices here are {', '.join(devices)}" if devices else "this machine shows no camera"
    return f"{there}; give --camera a number, a device or a video file" if number is not None else there
