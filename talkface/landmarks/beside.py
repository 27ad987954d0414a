"""Detector's name -> that detector in a process of its own, which finds faces while the caller imports its networks."""

import contextlib
import hashlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from talkface.landmarks.face import Box, Detector, Effort, Face
from talkface.types import FloatArray, Image


@contextlib.contextmanager
def detector_beside(name: str, photos: Callable[[], Iterable[Image]] = tuple) -> Iterator[Detector | None]:
    """Start a detector in a process forked from this one; call it before threads are started or torch is imported.

    Args:
        name: of the detector.
        photos: gives, in that process, the pictures in which it looks for faces without being asked.

    Yields:
        The detector; None where it would gain nothing: one core, another detector than dlib's, or no safe fork.
    """
    if name != "dlib" or not sys.platform.startswith("linux") or (os.cpu_count() or 1) < 2:
        yield None
        return
    forking = multiprocessing.get_context("fork")
    here, there = forking.Pipe()
    process = forking.Process(target=_serve, args=(there, here, name, photos), daemon=True)
    process.start()
    there.close()
    try:
        yield _Beside(here, name)
    finally:
        here.close()
        process.terminate()
        process.join()


class _Beside:
    """Passes every call on; loads the detector here where the other process was killed."""

    def __init__(self, pipe: Connection, name: str) -> None:
        self._pipe, self._name = pipe, name
        self._own: Detector | None = None

    def boxes(self, image: Image, effort: Effort = "photo") -> list[tuple[Box, float]]:
        found: list[tuple[Box, float]] = self._ask("boxes", image, effort)
        return found

    def landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray:
        points: FloatArray = self._ask("landmarks", image, box, roll)
        return points

    def sure_landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray | None:
        points: FloatArray | None = self._ask("sure_landmarks", image, box, roll)
        return points

    def detect(self, image: Image, effort: Effort = "photo") -> list[Face]:
        faces: list[Face] = self._ask("detect", image, effort)
        return faces

    def _ask(self, method: str, *words: Any) -> Any:
        if self._own is None:
            try:
                self._pipe.send((method, words))
                answer = self._pipe.recv()
            except (EOFError, OSError):
                from talkface.landmarks.detect import load_detector

                self._own = load_detector(self._name)
            else:
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return getattr(self._own, method)(*words)


class _Remembering:
    """A detector that answers the same question about the same picture from memory."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[tuple[bytes, Effort], list[Face]] = {}

    def detect(self, image: Image, effort: Effort = "photo") -> list[Face]:
        key = hashlib.sha256(image.tobytes() + str(image.shape).encode()).digest(), effort
        if key not in self._found:
            self._found[key] = self._detector.detect(image, effort)
        return self._found[key]

    def __getattr__(self, method: str) -> Any:
        return getattr(self._detector, method)


def _serve(pipe: Connection, callers: Connection, name: str, photos: Callable[[], Iterable[Image]]) -> None:
    """Answer calls until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the caller ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    callers.close()
    from talkface.landmarks.detect import detect_any_rotation, load_detector
    from talkface.landmarks.dlib_backend import load_models

    with contextlib.suppress(EOFError, OSError):
        detector: Any = _Remembering(load_detector(name))
        load_models()
        for image in photos():
            detect_any_rotation(detector, image)
        while True:
            method, words = pipe.recv()
            try:
                answer = getattr(detector, method)(*words)
            except Exception as error:  # noqa: BLE001 - raised in the process that asked
                answer = error
            pipe.send(answer)
