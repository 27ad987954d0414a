"""Name of a facial part -> its indices among the 68 landmarks (iBUG 300-W order, counted from 0); its size."""

import numpy as np

from talkface.types import FloatArray

NUM_LANDMARKS = 68
JAW = np.arange(0, 17)
RIGHT_BROW = np.arange(17, 22)  # the person's right, left in the picture
LEFT_BROW = np.arange(22, 27)
NOSE_BRIDGE = np.arange(27, 31)
NOSE_BASE = np.arange(31, 36)
RIGHT_EYE = np.arange(36, 42)  # 36 outer corner, 37 38 upper lid, 39 inner corner, 40 41 lower lid
LEFT_EYE = np.arange(42, 48)  # 42 inner corner, 43 44 upper lid, 45 outer corner, 46 47 lower lid
OUTER_LIP = np.arange(48, 60)  # 48 and 54 the corners, 51 top middle, 57 bottom middle
INNER_LIP = np.arange(60, 68)  # 60 and 64 the corners, 61 62 63 upper, 65 66 67 lower
MOUTH = np.arange(48, 68)
OUTER_EYE_CORNERS = (36, 45)
UPPER_INNER_LIP, LOWER_INNER_LIP = 62, 66  # their distance is the mouth's opening
STABLE = np.array([27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45])
"""Points that speech hardly moves: nose and eye corners; similarity and pose are fitted on them."""
FLIP = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
    ]
)
"""Mirrored face: `points[:, FLIP]` after `x -> width - 1 - x`."""


def interocular(points: np.ndarray) -> np.ndarray:
    """Distance between the outer eye corners, `[..., 68, 2]` -> `[...]`."""
    return np.asarray(np.linalg.norm(points[..., 45, :] - points[..., 36, :], axis=-1))


def mouth_opening(points: np.ndarray) -> np.ndarray:
    """Inner-lip opening 62-66 over the outer-eye distance, `[..., 68, 2]` -> `[...]`."""
    gap = np.linalg.norm(points[..., LOWER_INNER_LIP, :] - points[..., UPPER_INNER_LIP, :], axis=-1)
    return np.asarray(gap / interocular(points))


def eye_openness(landmarks: np.ndarray) -> np.ndarray:
    """Eye aspect ratio (Soukupova & Cech 2016), mean of both eyes: `[T, 68, 2]` pixels -> `[T]`, no unit.

    Mean of the two lid distances over the distance of the eye's corners; about 0.3 open and 0.15 shut with dlib.
    """
    points = np.asarray(landmarks, np.float64)
    ratios = []
    for eye in (RIGHT_EYE, LEFT_EYE):
        outer, up1, up2, inner, low2, low1 = (points[:, int(index)] for index in eye)
        lids = np.linalg.norm(up1 - low1, axis=-1) + np.linalg.norm(up2 - low2, axis=-1)
        ratios.append(lids / (2 * np.linalg.norm(outer - inner, axis=-1)))
    return np.asarray(np.mean(ratios, axis=0))


def point_weights() -> FloatArray:
    """`[68]` importance: mouth 1, jaw up to 0.5 at the chin, all else 0 (speech does not move it)."""
    weights = np.zeros(NUM_LANDMARKS, np.float32)
    weights[MOUTH] = 1.0
    weights[JAW] = 0.2 + 0.3 * np.sin(np.pi * np.arange(len(JAW)) / (len(JAW) - 1)).astype(np.float32)
    return weights


def eye_distance(landmarks: FloatArray) -> float:
    """Outer-eye distance in pixels, held up by the nose's length so that a turned head does not shrink its patch."""
    nose = float(np.linalg.norm(landmarks[33] - landmarks[27]))  # about half the outer-eye distance, seen from ahead
    return max(float(interocular(landmarks)), 1.5 * nose, 1e-3)


def eye_angle(landmarks: FloatArray) -> float:
    """Roll of the head in radians, from eye centre to eye centre."""
    across = landmarks[LEFT_EYE].mean(0) - landmarks[RIGHT_EYE].mean(0)
    return float(np.arctan2(across[1], across[0]))
