"""Mouth patch: where it lies and that it turns with the head."""

import numpy as np

from talkface.geometry.affine import compose_affine, transform
from talkface.landmarks.layout import OUTER_LIP, eye_angle
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.patches import mouth_frame


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def test_mouth_is_centred_upright_and_of_fixed_scale():
    face = MEAN_FACE * 80 + 300
    patches = [transform(mouth_frame(points, 96), points) for points in (face, turned(face, 0.4) * 1.7)]
    lips = patches[0][OUTER_LIP]
    assert np.allclose(0.5 * (lips.min(0) + lips.max(0)), 47.5)
    assert np.abs(patches[0] - patches[1]).max() < 2.0  # the same patch whatever the head's roll and size
    assert abs(eye_angle(patches[1])) < 1e-6


def test_an_opening_mouth_does_not_change_the_scale():
    face = MEAN_FACE * 80 + 300
    opened = face.copy()
    opened[55:60] += [0, 20]
    assert np.allclose(mouth_frame(face, 96)[:, :2], mouth_frame(opened, 96)[:, :2])


def test_composition_applies_the_inner_map_first():
    rng = np.random.default_rng(0)
    outer, inner, points = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(5, 2))
    assert np.allclose(transform(compose_affine(outer, inner), points), transform(outer, transform(inner, points)))
