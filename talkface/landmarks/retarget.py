"""Canonical motion and a photo's landmarks -> pixel landmarks of that photo's face."""

from dataclasses import dataclass

import numpy as np

from talkface.landmarks.layout import INNER_LIP, JAW, OUTER_LIP
from talkface.landmarks.mean_face import MEAN_FACE, from_canonical, to_canonical
from talkface.landmarks.pose import head_rotation, move_head
from talkface.types import FloatArray, HeadPose


@dataclass(frozen=True)
class RetargetSettings:
    """Settings by which closed lips and a smile are transferred to another face."""

    closed_gap: float = 0.012  # inner-lip gap that the detector reports on closed lips, in outer-eye distances
    smile_relax: float = 0.35  # share of a photo's excess mouth width that speech takes back
    lower_lip_share: float = 0.7  # of closing a mouth, the rest is the upper lip's


RETARGET = RetargetSettings()

_UPPER_INNER, _LOWER_INNER = np.array([61, 62, 63]), np.array([67, 66, 65])  # facing pairs


def lip_gap(points: FloatArray) -> FloatArray:
    """Signed vertical gap of the three facing inner-lip pairs, `[..., 68, 2]` -> `[..., 3]`; negative when crossed."""
    return np.asarray(points[..., _LOWER_INNER, 1] - points[..., _UPPER_INNER, 1])


def close_mouth(face: FloatArray) -> FloatArray:
    """The photo's own face with its lips closed and a broad smile partly relaxed.

    Args:
        face: `[68, 2]` canonical landmarks of the photo, any expression.

    Returns:
        `[68, 2]` canonical landmarks: what speech is added to, so that a closed sound closes this mouth.
    """
    return _relax_smile(close_lips(face))


def close_lips(face: FloatArray) -> FloatArray:
    """`[68, 2]` canonical landmarks with the lips closed and the chin raised as far, and nothing else changed."""
    neutral = np.array(face, np.float64)
    gap = float(np.maximum(lip_gap(neutral) - RETARGET.closed_gap, 0.0).max())
    for pair, (upper, lower) in enumerate(zip(_UPPER_INNER, _LOWER_INNER, strict=True)):
        own = max(float(lip_gap(neutral)[pair]) - RETARGET.closed_gap, 0.0)
        neutral[upper, 1] += (1 - RETARGET.lower_lip_share) * own
        neutral[lower, 1] -= RETARGET.lower_lip_share * own
    neutral[49:54, 1] += (1 - RETARGET.lower_lip_share) * gap
    neutral[55:60, 1] -= RETARGET.lower_lip_share * gap
    jaw_follow = np.sin(np.pi * (JAW - JAW[0]) / (JAW[-1] - JAW[0])) ** 2  # chin 1, ears 0
    neutral[JAW, 1] -= RETARGET.lower_lip_share * gap * jaw_follow
    return neutral


def _relax_smile(face: FloatArray) -> FloatArray:
    """Narrow a mouth that is wider than the mean face's by part of the excess, about its own centre."""
    width = face[54, 0] - face[48, 0]
    mean_width = MEAN_FACE[54, 0] - MEAN_FACE[48, 0]
    if width <= mean_width:
        return face
    shrink = 1 - RETARGET.smile_relax * (1 - mean_width / width)
    centre = (face[48] + face[54]) / 2
    lips = np.concatenate([OUTER_LIP, INNER_LIP])
    relaxed = face.copy()
    relaxed[lips, 0] = centre[0] + (face[lips, 0] - centre[0]) * shrink
    return relaxed


def uncross_lips(points: FloatArray) -> FloatArray:
    """Meet facing inner-lip points in the middle where the upper one lies below the lower one, `[T, 68, 2]`."""
    result = points.copy()
    crossed = lip_gap(points) < 0
    middle = (points[:, _UPPER_INNER, 1] + points[:, _LOWER_INNER, 1]) / 2
    result[:, _UPPER_INNER, 1] = np.where(crossed, middle, points[:, _UPPER_INNER, 1])
    result[:, _LOWER_INNER, 1] = np.where(crossed, middle, points[:, _LOWER_INNER, 1])
    return result


class Retargeter:
    """Moves one photo's face: holds its closed-mouth shape, its pose and the way back to pixels."""

    def __init__(self, landmarks: FloatArray) -> None:
        """Take the photo's `[68, 2]` pixel landmarks."""
        canonical, self._matrices = to_canonical(landmarks[None])
        self.face = canonical[0]
        self.rotation = head_rotation(canonical)[0]
        self.neutral = close_mouth(self.face)

    def __call__(
        self, displacement: FloatArray, pose: HeadPose | None = None, *, expression_scale: float = 1.0
    ) -> FloatArray:
        """Add `displacement` to the photo's closed-mouth face and turn the head.

        A turned face shows sideways motion foreshortened, so displacement passes through the photo's own rotation.

        Args:
            displacement: `[T, 68, 2]` from the closed mouth, in outer-eye distances.
            pose: head pose per frame relative to the photo; still if not given.
            expression_scale: factor on `displacement`.

        Returns:
            `[T, 68, 2]` float32 pixel landmarks.
        """
        seen = expression_scale * displacement @ self.rotation[:2, :2].T
        faces = uncross_lips(self.neutral + seen)
        if pose is not None:
            faces = move_head(faces, pose, self.rotation)
        return from_canonical(faces, np.broadcast_to(self._matrices, (len(faces), 2, 3)))
