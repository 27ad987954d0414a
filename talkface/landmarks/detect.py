"""Image -> Faces, largest first; video frames -> one tracked Face each."""

import contextlib
import hashlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from talkface.errors import ConfigError
from talkface.geometry.resample import cut_patch
from talkface.landmarks.face import Box, Detector, Effort, Face, box_of_landmarks, face_of, fraction_outside, overlap
from talkface.types import FloatArray, Image

__all__ = ["Detector", "Face", "FaceTracker", "detect_any_rotation", "fraction_outside", "load_detector"]
Start = tuple[tuple[Box, float], float]
"""Box and roll from which a face's landmarks are sought, and the detector's score."""


@dataclass(frozen=True)
class DetectSettings:
    """When two boxes are one face, and when a face is sure."""

    # video: a known face is looked for so many box sides beyond its last box, with a face of so many pixels; dlib's HOG
    # needs 80. The close look takes .2 of the wide one's time and confirms .985 of faces (1,789 looks, 101 clips).
    close: tuple[float, int] = (0.1, 84)
    wide: tuple[float, int] = (0.6, 110)
    same_face: float = 0.3  # smallest overlap of a detection with the tracked box
    good_overlap: float = 0.5  # above it the track's own box, which is steadier, is kept
    # score of a face that is taken without a look at the other turns; false ones were seen up to 0.51
    sure: float = 1.0
    large: float = 0.15  # and its width over the photo's shorter side
    clearly: float = 1.5  # times by which a turned face must rank above the upright one
    surest_turn: float = 0.5  # score of a face in a turned photo: real ones reach 2, a drawing on its head 0.01


DETECT = DetectSettings()


def load_detector(name: str = "dlib") -> Detector:
    """Landmark backend by name: `dlib` (default) or `face-alignment` (an extra, with its own download).

    Raises:
        ConfigError: unknown name.
        MissingExtraError: the backend's package is not installed.
    """
    if name == "dlib":
        from talkface.landmarks.dlib_backend import DlibDetector

        return DlibDetector()
    if name == "face-alignment":
        from talkface.landmarks.fan_backend import load_fan_detector

        return load_fan_detector()
    raise ConfigError(f"unknown landmark backend {name!r}: known are dlib, face-alignment")


def detect_any_rotation(detector: Detector, image: Image) -> tuple[list[Face], int]:
    """Faces of a photo that may lie on its side or stand on its head.

    Only a sure face that is no small part of the photo is taken as it stands. Else all four turns are searched and
    compared by score and size, as detectors also find weak faces in ears, hair and the eyes of turned heads.

    Returns:
        Faces, and the counter-clockwise quarter turns (`np.rot90(image, turns)`) after which they were found. The
        faces' pixels are those of the turned image. `([], 0)` if no turn shows a face.
    """
    efforts: tuple[Effort, ...] = ("photo", "hard")
    short_side = min(image.shape[:2])
    for effort in efforts:
        found = [detector.detect(image, effort)]
        if any(face.score >= DETECT.sure and face.width >= DETECT.large * short_side for face in found[0]):
            return found[0], 0
        found += [detector.detect(np.ascontiguousarray(np.rot90(image, turns)), effort) for turns in (1, 2, 3)]
        ranks = [max((_rank(face) for face in faces), default=0.0) for faces in found]
        turns = int(np.argmax(ranks))
        sure = turns and max(face.score for face in found[turns]) >= DETECT.surest_turn
        if sure and ranks[turns] > DETECT.clearly * ranks[0]:
            return found[turns], turns
        if found[0]:
            return found[0], 0
    return [], 0


def _rank(face: Face) -> float:
    """Rank of a face against those of another turn: its score, and a little its size."""
    return float(max(face.score, 0.0) * np.sqrt(face.width))


class FaceTracker:
    """Follows one face through a video, frame by frame.

    Every frame's landmarks start from the previous frame's box and roll. Every `every` frames the detector looks
    around that box: it confirms the face, or moves the track onto it; if it sees none the whole frame is searched.
    So a face that leaves is noticed after at most `every` frames, and one that enters is found as late. Where the
    backend does not believe its own landmarks, as on a head that turns away, there is no face; the track waits there.
    """

    def __init__(self, detector: Detector, every: int = 4) -> None:
        self._detector = detector
        self._every = every
        self._last: Face | None = None
        self._age = every

    def track(self, image: Image) -> Face | None:
        """The face in the next frame, `None` where there is none. On the first frame the largest face is chosen."""
        start: Start | None = None
        if self._age >= self._every:
            start = self._find(image)
            self._age = 0
        elif self._last is not None:
            start = box_of_landmarks(self._last.landmarks), self._last.score
        self._age += 1
        if start is None:
            self._last = None
            return None
        (box, roll), score = start
        points = self._detector.sure_landmarks(image, box, roll)
        if points is None:
            return None
        self._last = face_of(points, score)
        return self._last

    def _find(self, image: Image) -> Start | None:
        near = None if self._last is None else self._near(image, self._last)
        if near is not None:
            return near
        found = self._detector.boxes(image, "video") or self._detector.boxes(image, "hard")
        if not found:
            return None
        box, score = found[0]
        return box_of_landmarks(self._detector.landmarks(image, box)), score

    def _near(self, image: Image, last: Face) -> Start | None:
        """Where `last` is confirmed or corrected by a detection close to it."""
        tracked, roll = box_of_landmarks(last.landmarks)
        efforts: tuple[Effort, ...] = ("near", "hard")  # the second for heads that turn away for a moment
        for (reach, face_px), tried in ((DETECT.close, efforts[:1]), (DETECT.wide, efforts)):
            same = self._same(image, tracked, reach, face_px, tried)
            agreement, box, score = max(same, default=(0.0, tracked, 0.0))
            if agreement >= DETECT.good_overlap:
                return (tracked, roll), score
        return (box_of_landmarks(self._detector.landmarks(image, box)), score) if agreement else None

    def _same(
        self, image: Image, tracked: Box, reach: float, face_px: int, efforts: Iterable[Effort]
    ) -> list[tuple[float, Box, float]]:
        """Overlap, box and score of what may be the face of the box `tracked`, by the first effort that finds it."""
        side = tracked[2] - tracked[0]
        scale, margin = face_px / side, reach * side
        matrix = np.array([[scale, 0, (margin - tracked[0]) * scale], [0, scale, (margin - tracked[1]) * scale]])
        region = cut_patch(image, matrix, round((side + 2 * margin) * scale))
        for effort in efforts:
            found = self._detector.boxes(region, effort)
            boxes = [(_unscaled(box, scale, margin, tracked[:2]), score) for box, score in found]
            same = [(overlap(box, tracked), box, score) for box, score in boxes]
            same = [each for each in same if each[0] >= DETECT.same_face]
            if same:
                return same
        return []


def _unscaled(box: Box, scale: float, reach: float, corner: tuple[float, float]) -> Box:
    """Box in the search region -> box in the frame."""
    x, y = corner[0] - reach, corner[1] - reach
    return box[0] / scale + x, box[1] / scale + y, box[2] / scale + x, box[3] / scale + y


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
        process.kill()  # a signal with a handler, taken just after the fork, would make it go on as its parent
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
