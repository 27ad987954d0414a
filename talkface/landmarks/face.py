"""Image and box -> Face: what a detector returns, and the geometry of the box that belongs to a set of landmarks."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from talkface.geometry.affine import fit_similarity
from talkface.landmarks.layout import STABLE
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import FloatArray, Image

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; may reach beyond the image."""

Effort = Literal["near", "video", "photo", "hard"]
"""Effort of the search: a clip around a face of some 110 px, a video frame, a photo, a photo once more (a second)."""


@dataclass(frozen=True)
class Face:
    """One face in one image.

    Attributes:
        box: left, top, right, bottom in pixels; square, from the brows to the chin, may reach beyond the image.
        landmarks: `[68, 2]` float32, pixel space.
        score: confidence of the detector; dlib's is positive for a clear face and unbounded.
    """

    box: tuple[int, int, int, int]
    landmarks: FloatArray
    score: float

    @property
    def width(self) -> int:
        return self.box[2] - self.box[0]


class Detector(Protocol):
    """A landmark backend."""

    def boxes(self, image: Image, effort: Effort = "photo") -> list[tuple[Box, float]]:
        """Face boxes with scores, largest first."""
        ...

    def landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray:
        """`[68, 2]` float32 of the face in `box`, whose eyes' line is turned by `roll` radians."""
        ...

    def sure_landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray | None:
        """As `landmarks`, of a box that fits its face; None where the backend does not believe them itself."""
        ...

    def detect(self, image: Image, effort: Effort = "photo") -> list[Face]:
        """All faces, largest first."""
        ...


def box_of_landmarks(points: FloatArray) -> tuple[Box, float]:
    """Detector box and roll that belong to landmarks; steadier than a detector's own, which jumps by cells of 8 px.

    Args:
        points: `[68, 2]`, pixel space.

    Returns:
        Square box around the nose, and the roll of the head in radians (positive: clockwise in the picture).
    """
    matrix = fit_similarity(MEAN_FACE[STABLE], points[STABLE])  # canonical -> pixel
    box_side = 1.76  # side of dlib's box in outer-eye distances: median over 1,545 frames of 75 people
    half = 0.5 * box_side * float(np.hypot(matrix[0, 0], matrix[1, 0]))
    x, y = float(matrix[0, 2]), float(matrix[1, 2])
    return (x - half, y - half, x + half, y + half), float(np.arctan2(matrix[1, 0], matrix[0, 0]))


def face_of(points: FloatArray, score: float) -> Face:
    """Face whose box is the one that belongs to its landmarks."""
    left, top, right, bottom = (round(value) for value in box_of_landmarks(points)[0])
    return Face((left, top, right, bottom), points, score)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def fraction_outside(points: FloatArray, image: Image) -> float:
    """Share of `[68, 2]` landmarks that lie beyond the image's border: above 0 the face is cut off.

    Detectors guess the missing part, so a cut face still has 68 landmarks; the mouth of one cannot be animated.
    """
    height, width = image.shape[:2]
    inside = (points >= 0).all(-1) & (points[:, 0] <= width - 1) & (points[:, 1] <= height - 1)
    return float(1 - inside.mean())
