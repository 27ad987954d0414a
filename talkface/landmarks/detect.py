"""Image -> Faces, largest first; video frames -> one tracked Face each."""

import numpy as np

from talkface.errors import ConfigError
from talkface.landmarks.face import Box, Detector, Effort, Face, box_of_landmarks, face_of, fraction_outside, overlap
from talkface.types import Image

__all__ = ["Detector", "Face", "FaceTracker", "detect_any_rotation", "fraction_outside", "load_detector"]

SEARCH_REACH = 1.0  # video: a known face is looked for this many box sides beyond its last box
SAME_FACE = 0.3  # smallest overlap of a detection with the tracked box


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

    Returns:
        Faces, and the counter-clockwise quarter turns (`np.rot90(image, turns)`) after which they were found. The
        faces' pixels are those of the turned image. `([], 0)` if no turn shows a face.
    """
    efforts: tuple[Effort, ...] = ("photo", "hard")
    for effort in efforts:
        for turns in (0, 1, 3, 2):  # lying photos are commoner than upside-down ones
            faces = detector.detect(np.ascontiguousarray(np.rot90(image, turns)), effort)
            if faces:
                return faces, turns
    return [], 0


class FaceTracker:
    """Follows one face through a video, frame by frame.

    Every frame's landmarks start from the previous frame's box and roll. Every `every` frames the detector looks
    around that box: it confirms the face, or moves the track onto it; if it sees none the whole frame is searched.
    Between confirmations a face may be lost for at most `every` frames before `track` says so.
    """

    def __init__(self, detector: Detector, every: int = 4) -> None:
        self._detector = detector
        self._every = every
        self._last: Face | None = None
        self._age = 0

    def track(self, image: Image) -> Face | None:
        """The face in the next frame, `None` where there is none. On the first frame the largest face is chosen."""
        face: Face | None
        if self._last is not None and self._age < self._every:
            self._age += 1
            face = self._follow(image, box_of_landmarks(self._last.landmarks), self._last.score)
        else:
            face = self._find(image)
            self._age = 1
        self._last = face
        return face

    def _find(self, image: Image) -> Face | None:
        if self._last is not None:
            near = self._near(image, self._last)
            if near is not None:
                return near
        found = self._detector.boxes(image, effort="video")
        if not found:
            return None
        box, score = found[0]
        first = self._detector.landmarks(image, box)
        return self._follow(image, box_of_landmarks(first), score)

    def _near(self, image: Image, last: Face) -> Face | None:
        """`last` confirmed or corrected by a detection close to it."""
        tracked, roll = box_of_landmarks(last.landmarks)
        left, top, region = _region(image, tracked)
        if min(region.shape[:2]) < 8:
            return None
        shifted = [
            ((box[0] + left, box[1] + top, box[2] + left, box[3] + top), score)
            for box, score in self._detector.boxes(region, effort="video")
        ]
        same = [(overlap(box, tracked), box, score) for box, score in shifted if overlap(box, tracked) >= SAME_FACE]
        if not same:
            return None
        agreement, box, score = max(same)
        if agreement >= 0.5:
            return self._follow(image, (tracked, roll), score)
        return self._follow(image, box_of_landmarks(self._detector.landmarks(image, box)), score)

    def _follow(self, image: Image, start: tuple[Box, float], score: float) -> Face:
        return face_of(self._detector.landmarks(image, *start), score)


def _region(image: Image, box: Box) -> tuple[int, int, Image]:
    """Left, top and pixels of the part of `image` around `box`."""
    height, width = image.shape[:2]
    reach = SEARCH_REACH * (box[2] - box[0])
    left, top = max(0, int(box[0] - reach)), max(0, int(box[1] - reach))
    right, bottom = min(width, int(box[2] + reach)), min(height, int(box[3] + reach))
    return left, top, image[top : max(top, bottom), left : max(left, right)]
