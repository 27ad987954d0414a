"""Photo and the face in it -> reasons why it will animate poorly, in a user's words."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from talkface.geometry.affine import fit_similarity, invert
from talkface.geometry.resample import cut_patch
from talkface.landmarks.layout import STABLE, eye_openness, interocular, mouth_opening
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import head_rotation
from talkface.types import FloatArray, Image

ADVICE = "a sharp, frontal photo with a free, closed mouth and open eyes looks best"
WEIGHTS = Path(__file__).parent / "mouth_cover.npy"  # `scripts/train_mouth_cover.py` makes it


@dataclass(frozen=True)
class SuitabilitySettings:
    """Photos that are hard to animate: lids, turn, mouth."""

    shut_eyes: float = 0.17  # eye aspect ratio; about 0.3 open and 0.15 shut
    turned_deg: float = 18.5  # estimated turn; dlib's landmarks of half and full profiles give no more than 23
    wide_open: float = 0.22  # gap of the inner lips over the distance of the outer eye corners
    wide_grin: float = 0.86  # width of the mouth over that distance; 0.60 on the mean face


SUITABILITY = SuitabilitySettings()


def unsuited(image: Image, landmarks: FloatArray) -> list[str]:
    """Reasons why a photo suits a talking face poorly; empty for a good one.

    Judged by eye on 418 photos of as many people, dlib's landmarks: of 13 pairs of shut eyes 9 are named, and 11 that
    are narrow, in a smile or behind glasses; of 10 mouths named as wide open 9 are; all 12 heads named as turned are,
    by 25 degrees or more, one of them in profile; 5 mouths named as drawn wide smile broadly; one free mouth is named
    as covered.

    Args:
        image: `[H, W, 3]`.
        landmarks: `[68, 2]` pixels.
    """
    points = np.asarray(landmarks, np.float64)
    reasons = []
    turn = head_turn(points)
    if abs(turn) >= SUITABILITY.turned_deg:
        reasons.append("the head is turned aside")
    covered = cover_score(image, points) > COVER.covered
    if covered:
        reasons.append("the mouth seems to be covered")
    if float(eye_openness(points[None])[0]) < SUITABILITY.shut_eyes:
        reasons.append("the eyes are shut or nearly so")
    if covered:
        return reasons  # where nothing of the mouth is seen its landmarks are guesses
    if float(mouth_opening(points)) > SUITABILITY.wide_open:
        reasons.append("the mouth is wide open")
    elif float(np.linalg.norm(points[54] - points[48]) / interocular(points)) > SUITABILITY.wide_grin:
        reasons.append("the mouth is drawn wide, in a smile or a grimace")
    return reasons


def head_turn(landmarks: FloatArray) -> float:
    """Turn of the head to the side in degrees, 0 frontal, of `[68, 2]` pixels."""
    rotation = head_rotation(np.asarray(landmarks, np.float64)[None])[0]
    return float(np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2])))


@dataclass(frozen=True)
class CoverSettings:
    """Patch and histogram by which a covered mouth is found."""

    patch: int = 96  # pixels, side of the lower face
    corner: tuple[float, float] = (-0.62, -0.02)  # of that square on the canonical face, nose at the origin, y down
    width: float = 1.24
    side: int = 48  # of the features' picture, its cells along a side, and directions of edges
    cells: int = 6
    bins: int = 9
    covered: float = 2.7  # score above which a mouth counts so: 1 of 1,480 photos with a free mouth, a blurred one


COVER = CoverSettings()


def cover_score(image: Image, landmarks: FloatArray) -> float:
    """Log-odds that something covers the mouth; see `CoverSettings.covered`.

    A logistic regression on edges, colours and grain of the lower face, cut out by eyes and nose alone, as the mouth's
    own landmarks look usual even where no mouth is seen.

    Args:
        image: `[H, W, 3]`.
        landmarks: `[68, 2]` pixels.
    """
    weights = _weights()
    return float(cover_features(lower_face(image, landmarks)) @ weights[:-1] + weights[-1])


def lower_face(image: Image, landmarks: FloatArray) -> Image:
    """`[96, 96, 3]` from below the eyes to the chin, upright and of one size."""
    to_canonical = invert(fit_similarity(MEAN_FACE[STABLE], landmarks[STABLE]))
    scale = COVER.patch / COVER.width
    matrix = np.concatenate(
        [scale * to_canonical[:, :2], scale * (to_canonical[:, 2:] - np.reshape(COVER.corner, (2, 1)))], axis=1
    )
    return cut_patch(image, matrix, COVER.patch)


def cover_features(patch: Image) -> FloatArray:
    """`[468]` of a lower face: directions of edges, colours against the cheeks', and grain, each in 6x6 cells."""
    small = cv2.resize(patch, (COVER.side, COVER.side), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    colours = cv2.resize(lab, (COVER.cells, COVER.cells), interpolation=cv2.INTER_AREA)
    cheeks = np.median(colours[0, [1, 4]], axis=0)
    against = np.clip((colours - cheeks) / np.asarray([60, 20, 20], np.float32), -3, 3)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    grain = np.clip(cv2.resize(edges, (COVER.cells, COVER.cells), interpolation=cv2.INTER_AREA) / 20, 0, 3)
    return np.concatenate([_directions(grey), against.ravel(), grain.ravel()]).astype(np.float32)


def _directions(grey: npt.NDArray[np.uint8]) -> FloatArray:
    """`[324]` histograms of oriented gradients (Dalal & Triggs 2005), each cell normalised by its surroundings."""
    values = grey.astype(np.float32) / 255
    across, down = (cv2.Sobel(values, cv2.CV_32F, *order, ksize=1) for order in ((1, 0), (0, 1)))
    strength = np.hypot(across, down)
    angle = np.mod(np.arctan2(down, across), np.pi) / np.pi * COVER.bins
    lower = np.floor(angle)
    first = lower.astype(int) % COVER.bins
    votes = np.zeros((COVER.side, COVER.side, COVER.bins), np.float32)
    rows, columns = np.indices((COVER.side, COVER.side))
    votes[rows, columns, first] += strength * (1 - (angle - lower))
    votes[rows, columns, (first + 1) % COVER.bins] += strength * (angle - lower)
    step = COVER.side // COVER.cells
    cells = cv2.blur(votes, (12, 12))[step // 2 :: step, step // 2 :: step]
    energy = cv2.blur((cells**2).sum(-1), (3, 3), borderType=cv2.BORDER_REPLICATE)
    return np.asarray((cells / np.sqrt(energy + 2e-4)[..., None]).ravel())


@cache
def _weights() -> FloatArray:
    return np.asarray(np.load(WEIGHTS, allow_pickle=False), np.float32)
