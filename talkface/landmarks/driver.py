"""Driver's landmarks -> motion without the driver's shape -> landmarks of another person's face.

A driver's face differs from the photo's in shape, so its landmarks cannot be used as they are: the result would wear
the driver's face (the identity gap of Zakharov et al. 2019, section 5). What is carried over is what changes: the turn
and shift of the head against the driver's usual pose, what mouth and brows do beyond the driver's own closed-mouth
face, and how far the lids have shut.
"""

from dataclasses import dataclass

import numpy as np

from talkface.geometry.affine import fit_similarity, rotation_vectors, transform
from talkface.landmarks.head_style import soften
from talkface.landmarks.layout import LEFT_EYE, RIGHT_EYE, STABLE
from talkface.landmarks.mean_face import to_canonical
from talkface.landmarks.motion import close_eyes
from talkface.landmarks.pose import head_rotation, move_head
from talkface.landmarks.retarget import Retargeter, close_lips, lip_gap
from talkface.types import FloatArray, HeadPose


@dataclass(frozen=True)
class DriverSettings:
    """Limits of a driver's motion."""

    usual_share: float = 0.4  # of a clip: frames in the most usual pose; of those, the most closed
    closed_share: float = 0.25
    # pitch, yaw, roll in radians: a photo does not show the other side
    longest_turn: tuple[float, float, float] = (0.3, 0.4, 0.45)
    longest_shift: float = 0.2  # outer-eye distances: the shoulders stay where they are
    lids_open: float = 0.85  # lid gap over the driver's usual one: a detector never sees it vanish
    lids_shut: float = 0.4


DRIVER = DriverSettings()


@dataclass(frozen=True)
class Motion:
    """Motion of a driver, free of the driver's shape.

    Attributes:
        displacement: `[T, 68, 2]` from the closed-mouth face as seen from ahead, in outer-eye distances; eyes at rest.
        pose: of the head, relative to the driver's usual one.
        closure: `[T, 2]` of the right and the left lids, 0 as open as usual to 1 shut.
    """

    displacement: FloatArray
    pose: HeadPose
    closure: FloatArray


@dataclass(frozen=True)
class DriverFace:
    """A driver's own face at rest, and where it usually is.

    Attributes:
        neutral: `[68, 2]` canonical, mouth closed.
        usual: `[68, 2]` pixels, the face in its usual place.
        lids: `[2]` usual gap of the right and the left lids, in outer-eye distances.
    """

    neutral: FloatArray
    usual: FloatArray
    lids: FloatArray

    def motion(self, points: FloatArray) -> Motion:
        """Take `[T, 68, 2]` pixel landmarks of the driver apart.

        The rigid part is the neutral face turned with the mean face's depth; what the seen face adds to it, undone
        for the turn, is the expression. So a driver who only turns has none, and the way back adds up to what was seen.
        """
        seen, turned, rotation, rigid = self._turn(points)
        aligned = transform(fit_similarity(seen[:, STABLE], rigid[:, STABLE]), seen)
        displacement = (aligned - rigid) @ np.swapaxes(np.linalg.inv(turned[:, :2, :2]), 1, 2)
        displacement[:, np.concatenate([RIGHT_EYE, LEFT_EYE])] = 0.0
        pose = HeadPose(
            soften(rotation, np.array(DRIVER.longest_turn)),
            soften(_shift(seen, rigid), np.full(2, DRIVER.longest_shift)),
        )
        ratio = lid_gaps(aligned) / np.maximum(self.lids, 1e-6)
        closure = np.clip((DRIVER.lids_open - ratio) / (DRIVER.lids_open - DRIVER.lids_shut), 0, 1)
        return Motion(displacement.astype(np.float32), pose, closure.astype(np.float32))

    def track(self, points: FloatArray) -> FloatArray:
        """Head motion in `[T, 68, 2]` pixel landmarks, in the units of `HeadPose`, unlimited.

        Returns:
            `[T, 6]` against the usual pose: pitch, yaw and roll (rotation vector, radians), x and y (outer-eye
            distances), and z, the logarithm of the head's size over its usual one (nearer is larger).
        """
        seen, _, rotation, rigid = self._turn(points)
        grown = fit_similarity(rigid[:, STABLE], seen[:, STABLE])
        size = np.log(np.maximum(np.hypot(grown[:, 0, 0], grown[:, 1, 0]), 1e-6))
        return np.column_stack([rotation, _shift(seen, rigid), size])

    def _turn(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Canonical landmarks as seen, turns `[T, 3, 3]`, turns against rest `[T, 3]`, the neutral face so turned."""
        to_canonical_here = fit_similarity(self.usual[STABLE], self.neutral[STABLE])
        seen = transform(to_canonical_here, np.asarray(points, np.float64))
        own = head_rotation(self.neutral[None])[0]
        turned = head_rotation(seen)
        rotation = rotation_vectors(turned @ own.T)
        none = np.zeros((len(seen), 2))
        rigid = move_head(np.broadcast_to(self.neutral, seen.shape), HeadPose(rotation, none), own)
        return seen, turned, rotation, np.asarray(rigid)

    def laid_onto(self, points: FloatArray, photo: FloatArray) -> FloatArray:
        """The driver's own landmarks `[T, 68, 2]`, shape and all, moved and scaled once so that the usual face lies
        on the photo's `[68, 2]`: what the few-shot paper feeds its generator."""
        to_photo = fit_similarity(self.usual[STABLE], photo[STABLE])
        return transform(to_photo, np.asarray(points, np.float64)).astype(np.float32)


def fit_driver(points: FloatArray) -> DriverFace:
    """Find a driver's face at rest from `[T, 68, 2]` pixel landmarks, all finite.

    Of the frames in the most usual pose the most closed ones are averaged; lips that never met are closed.
    """
    assert len(points), "a driver's face needs at least one frame"
    canonical, _ = to_canonical(points)
    turns = rotation_vectors(head_rotation(canonical))
    unusual = np.linalg.norm(turns - np.median(turns, 0), axis=1)
    near = np.argsort(unusual, kind="stable")[: max(1, round(DRIVER.usual_share * len(points)))]
    gap = np.maximum(lip_gap(canonical[near]), 0).mean(-1)
    rest = near[np.argsort(gap, kind="stable")[: max(1, round(DRIVER.closed_share * len(near)))]]
    usual = np.asarray(points, np.float64)[rest].mean(0)
    neutral = to_canonical(usual[None])[0][0]
    return DriverFace(close_lips(neutral), usual, np.quantile(lid_gaps(canonical[near]), 0.6, axis=0))


def lid_gaps(points: FloatArray) -> FloatArray:
    """Mean distance of facing lid points of the right and the left eye: `[T, 68, 2]` -> `[T, 2]`."""
    gaps = [np.linalg.norm(points[:, eye[[1, 2]]] - points[:, eye[[5, 4]]], axis=-1) for eye in (RIGHT_EYE, LEFT_EYE)]
    return np.stack([gap.mean(1) for gap in gaps], 1)


def follow_motion(
    photo: Retargeter, motion: Motion, *, expression_scale: float = 1.0, head_motion: float = 1.0
) -> FloatArray:
    """Landmarks of the photo's face that does what the driver did: `[T, 68, 2]` float32 pixels.

    Args:
        photo: the face that is animated.
        motion: of the driver.
        expression_scale: factor on what the mouth and brows do.
        head_motion: factor on turns and shifts of the head.
    """
    pose = HeadPose(head_motion * motion.pose.rotation, head_motion * motion.pose.translation)
    points = photo(motion.displacement, pose, expression_scale=expression_scale)
    right, left = (close_eyes(points, motion.closure[:, side]) for side in range(2))
    right[:, LEFT_EYE] = left[:, LEFT_EYE]
    return right


def _shift(seen: FloatArray, rigid: FloatArray) -> FloatArray:
    """`[T, 2]` mean way of the stable points from the turned face to where they are seen."""
    return np.asarray((seen[:, STABLE] - rigid[:, STABLE]).mean(1))
