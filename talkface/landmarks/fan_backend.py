"""Image -> face boxes and 68 landmarks with the package face-alignment (Bulat & Tzimiropoulos 2017), an extra."""

import inspect
from typing import Any

import cv2
import numpy as np

from talkface.errors import MediaError, MissingExtraError
from talkface.landmarks.face import Box, Effort, Face, face_of
from talkface.types import FloatArray, Image


def load_fan_detector(device: str = "cpu") -> "FanDetector":
    """The backend with the package's own networks, which it downloads on first use.

    Raises:
        MissingExtraError: face-alignment is not installed.
        MediaError: its weights cannot be downloaded.
    """
    try:
        import face_alignment
    except ImportError as error:
        raise MissingExtraError("landmark backend face-alignment: pip install 'talkface[face-alignment]'") from error
    network = face_alignment.FaceAlignment
    options: dict[str, Any] = {"device": device, "flip_input": False}
    if "compile" in inspect.signature(network.__init__).parameters:
        options["compile"] = False  # since 1.5 it compiles by default, which takes a C++ compiler and minutes
    try:
        return FanDetector(network(face_alignment.LandmarksType.TWO_D, **options))
    except OSError as error:  # of which URLError is one
        raise MediaError(
            f"face-alignment could not download its weights ({error}): go online once, or use --detector dlib"
        ) from error


class FanDetector:
    """face-alignment's SFD face detector and 2D-FAN heat maps behind the same methods as dlib's."""

    def __init__(self, network: Any) -> None:
        """Args: network: a `face_alignment.FaceAlignment`."""
        self._network = network

    def boxes(self, image: Image, effort: Effort = "photo") -> list[tuple[Box, float]]:
        """Face boxes with scores in 0..1, largest first."""
        side = 480 if effort == "video" else 1280  # longest side in pixels at which faces are searched
        scale = min(1.0, side / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        found = [np.asarray(hit, np.float64) for hit in self._network.face_detector.detect_from_image(small.copy())]
        boxes = [(_box(hit[:4] / scale), float(hit[4])) for hit in found]
        return sorted(boxes, key=lambda item: item[0][0] - item[0][2])

    def landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray:
        """`[68, 2]` float32; heat maps follow the roll by themselves, so `roll` is not used."""
        del roll
        answer = self._network.get_landmarks_from_image(np.ascontiguousarray(image), detected_faces=[[*box, 1.0]])
        return np.asarray(answer[0][:, :2], dtype=np.float32)

    def sure_landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray | None:
        return self.landmarks(image, box, roll)

    def detect(self, image: Image, effort: Effort = "photo") -> list[Face]:
        """All faces, largest first."""
        faces = [face_of(self.landmarks(image, box), score) for box, score in self.boxes(image, effort)]
        return sorted(faces, key=lambda face: -face.width)


def _box(values: FloatArray) -> Box:
    left, top, right, bottom = (float(value) for value in values)
    return left, top, right, bottom
