"""Patch of the mouth against faces of known size, roll and colour."""

import numpy as np
import pytest

from talkface.geometry.affine import transform
from talkface.landmarks.layout import MOUTH, OUTER_LIP, interocular
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.mouth_patch import (
    cut_mouth_patch,
    lip_masks,
    mouth_patch_frame,
    patch_size,
    skin_colour,
    teeth_share,
)


def face(unit: float = 200.0, turn: float = 0.0) -> np.ndarray:
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray(MEAN_FACE, np.float64) @ np.array([[cos, sin], [-sin, cos]]) * unit + 2 * unit


@pytest.mark.parametrize(("unit", "turn"), [(60.0, 0.0), (200.0, 0.4), (500.0, -0.3)])
def test_the_patch_is_upright_and_of_one_scale(unit: float, turn: float):
    points = transform(mouth_patch_frame(face(unit, turn)), face(unit, turn))
    assert points[36, 1] == pytest.approx(points[45, 1], abs=0.5)
    assert interocular(points) == pytest.approx(128, rel=0.01)
    lips = points[OUTER_LIP]
    np.testing.assert_allclose(
        0.5 * (lips.min(0) + lips.max(0)), [63.5, 47.5], atol=3
    )  # a turned face's box is another


def test_a_patch_of_a_large_photo_is_reduced_without_aliasing():
    points = face(900.0)
    side = 4 * 900
    fine = (np.indices((side, side)).sum(0) % 2 * 255).astype(np.uint8)
    patch, _ = cut_mouth_patch(np.repeat(fine[..., None], 3, -1), points)
    assert patch.shape == (96, 128, 3)
    np.testing.assert_allclose(patch, 127, atol=12)


def test_patch_and_landmarks_belong_together():
    points = face(300.0, 0.2)
    image = np.zeros((1200, 1200, 3), np.uint8)
    x, y = np.round(points[62]).astype(int)
    image[y - 4 : y + 5, x - 4 : x + 5] = 255
    patch, there = cut_mouth_patch(image, points)
    spot = np.argwhere(patch[..., 0] > 128).mean(0)[::-1]
    np.testing.assert_allclose(spot, there[62], atol=1)


def test_masks_hold_each_other():
    _, points = cut_mouth_patch(np.zeros((800, 800, 3), np.uint8), face())
    masks = lip_masks(points[MOUTH], patch_size(), 3)
    outer, inner, hole = (masks[..., channel].astype(int) for channel in range(3))
    assert (inner > 0).sum() < (hole > 127).sum() < (outer > 127).sum()
    assert lip_masks(points[MOUTH], patch_size(256.0), 3).shape == (192, 256, 3)


def test_skin_is_measured_beside_the_lips_and_teeth_between_them():
    skin, lip, tooth = (200, 150, 130), (180, 80, 90), (220, 210, 200)
    mouth = np.array([[40, 48], [64, 30], [88, 48], [64, 66]], np.float64)
    outer = np.concatenate([np.linspace(mouth[i], mouth[(i + 1) % 4], 3, endpoint=False) for i in range(4)])
    inner = np.concatenate([np.linspace(mouth[i], mouth[(i + 1) % 4], 2, endpoint=False) for i in range(4)])
    inner = 0.5 * (inner - [64, 48]) + [64, 48]
    image = np.full((96, 128, 3), skin, np.uint8)
    masks = lip_masks(np.concatenate([outer, inner]), (128, 96), 0)
    image[masks[..., 0] > 0] = lip
    image[masks[..., 1] > 0] = tooth
    np.testing.assert_allclose(skin_colour(image, np.concatenate([outer, inner]), 128.0), skin, atol=1)
    assert teeth_share(image, inner) == pytest.approx(1.0)
    image[masks[..., 1] > 0] = lip
    assert teeth_share(image, inner) == 0.0
