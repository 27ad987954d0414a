"""Cutting a drawn person out of a drawn room, and guessing what they hide."""

import cv2
import numpy as np
import pytest

from talkface.geometry.matte import hidden_background, person_matte, polygon_mask

SIZE = 320
OUTLINE = np.array([[1 / 60, 0, -160 / 60], [0, 1 / 80, -150 / 80]])  # an upright head, 120 x 160 pixels


@pytest.fixture(scope="module")
def room() -> np.ndarray:
    """A striped wall, darker to the right."""
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    stripes = 20 * ((y // 16) % 2)
    return np.stack([150 - x // 4 + stripes, 170 - x // 4 + stripes, 120 - x // 8 + 0 * y], -1).astype(np.uint8)


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """`[H, W]` bool: head with long hair, neck and shoulders."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(mask, (160, 150), (62, 82), 0, 0, 360, 1, -1)
    cv2.rectangle(mask, (98, 150), (222, 240), 1, -1)  # hair that falls beside the face
    cv2.fillPoly(mask, [np.array([[130, 220], [190, 220], [270, 319], [50, 319]])], 1)
    return mask.astype(bool)


@pytest.fixture(scope="module")
def photo(room, person) -> np.ndarray:
    picture = room.copy()
    picture[person] = (70, 40, 30)
    cv2.ellipse(picture, (160, 160), (42, 62), 0, 0, 360, (220, 170, 140), -1)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_the_person_is_cut_out_with_their_hair(photo, person):
    matte = person_matte(photo, OUTLINE)
    head = person.copy()
    head[240:] = False
    inside, outside = (
        cv2.erode(head.astype(np.uint8), np.ones((7, 7))),
        cv2.dilate(person.astype(np.uint8), np.ones((7, 7))),
    )
    assert (matte[inside > 0] > 128).mean() > 0.97
    assert (matte[outside == 0] > 128).mean() < 0.02
    assert np.array_equal(matte, person_matte(photo, OUTLINE))


def test_the_wall_goes_on_behind_the_head(photo, room, person):
    matte = person_matte(photo, OUTLINE)
    background, needed = hidden_background(photo, matte)
    assert (needed[person][:, None] > 0).mean() > 0.9
    assert not needed[:40, :40].any()
    rim = person & (cv2.erode(person.astype(np.uint8), np.ones((13, 13))) == 0)
    rim[230:] = False
    error = np.abs(background.astype(float) - room)[rim].mean()
    assert error < 0.25 * np.abs(photo.astype(float) - room)[rim].mean()


def test_any_size_and_a_picture_without_contrast_work(photo):
    for size in (24, 900):
        zoom = size / SIZE
        outline = OUTLINE @ np.array([[1 / zoom, 0, 0], [0, 1 / zoom, 0], [0, 0, 1]])
        scaled = cv2.resize(photo, (size, size))
        assert person_matte(scaled, outline).shape == (size, size)
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    matte = person_matte(grey, OUTLINE)
    background, _ = hidden_background(grey, matte)
    assert matte[150, 160] == 255 and np.abs(background.astype(int) - 128).max() <= 1


def test_a_polygon_of_whole_pixels_is_filled_with_its_edge_and_a_soft_one_in_shades():
    square = np.array([[2, 1], [6, 1], [6, 4], [2, 4]])
    hard = polygon_mask(square + 0.4, (9, 7), soft=False)
    inside = np.zeros((7, 9), np.uint8)
    inside[1:5, 2:7] = 255
    assert hard.dtype == np.uint8 and np.array_equal(hard, inside)
    soft = polygon_mask(square + 0.4, (9, 7))
    assert (soft[2:4, 3:6] == 255).all() and len(np.unique(soft)) > 2
    right = (soft[3].astype(int) - polygon_mask(square, (9, 7))[3])[6:]
    assert right.max() > 50  # 0.4 pixels further right show


def test_a_mask_is_filled_further_and_what_lies_outside_is_cut():
    first, second = np.array([[0, 0], [3, 0], [0, 3]]), np.array([[5, 5], [20, 5], [20, 20], [5, 20]])
    mask = polygon_mask(first, (8, 8))
    both = polygon_mask(second, (8, 8), onto=mask)
    assert both is mask and mask[0, 0] == mask[7, 7] == 255 and mask[7, 0] == 0
    assert np.array_equal(both, np.maximum(polygon_mask(first, (8, 8)), polygon_mask(second, (8, 8))))
    assert not polygon_mask(second - 100, (8, 8)).any()
