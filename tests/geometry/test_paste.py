"""Pasting: nothing outside the patch, the right change inside, fine detail kept."""

import numpy as np

from talkface.geometry.resample import Patch, match_colour, paste_patch, patch_box, place_patch

RNG = np.random.default_rng(0)
TO_PATCH = np.array([[0.5, 0.0, -10.0], [0.0, 0.5, -15.0]])  # patch pixel (0, 0) is frame pixel (20, 30)


def test_only_the_patch_is_touched():
    frame = RNG.integers(0, 255, (120, 100, 3), dtype=np.uint8)
    before = frame.copy()
    change = np.full((20, 20, 3), 30, np.float32)
    change[[0, -1]] = change[:, [0, -1]] = 0
    paste_patch(frame, Patch(change, np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.float32)), TO_PATCH)
    left, top, right, bottom = patch_box(TO_PATCH, 20, (100, 120))
    outside = np.ones((120, 100), bool)
    outside[top:bottom, left:right] = False
    assert np.array_equal(frame[outside], before[outside])
    inside = (slice(40, 60), slice(30, 50))
    assert np.array_equal(frame[inside], np.minimum(before[inside].astype(int) + 30, 255))


def test_no_change_leaves_the_frame_alone():
    frame = RNG.integers(0, 255, (120, 100, 3), dtype=np.uint8)
    before = frame.copy()
    paste_patch(
        frame,
        Patch(np.zeros((20, 20, 3), np.float32), np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.float32)),
        TO_PATCH,
    )
    assert np.array_equal(frame, before)


def test_replaced_places_lose_the_warps_fine_detail():
    frame = np.full((120, 100, 3), 100, np.uint8)
    frame[::2] = 140  # stripes that the patch cannot hold
    coarse = np.full((20, 20, 3), 120, np.uint8)
    paste_patch(frame, Patch(np.zeros((20, 20, 3), np.float32), coarse, np.ones((20, 20), np.float32)), TO_PATCH)
    assert np.ptp(frame[45:55, 35:45]) <= 1


def test_patch_off_the_frame_is_ignored():
    frame = np.zeros((20, 20, 3), np.uint8)
    patch = Patch(np.full((8, 8, 3), 9, np.float32), np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32))
    paste_patch(frame, patch, np.array([[1.0, 0, -500], [0, 1.0, 0]]))
    assert not frame.any()


def test_placed_mask_has_the_frames_size():
    placed = place_patch(np.ones((20, 20), np.float32), TO_PATCH, (0, 0), (100, 120))
    assert placed.shape == (120, 100)
    assert placed[50, 40] == 1 and placed[5, 5] == 0


def test_colours_are_matched_by_mean_and_spread():
    image = RNG.normal(100, 20, (50, 50, 3)).clip(0, 255).astype(np.uint8)
    wanted = RNG.normal(130, 22, (50, 50, 3)).clip(0, 255).astype(np.uint8)
    matched = match_colour(image, wanted, image)
    assert np.abs(matched.mean((0, 1)) - wanted.mean((0, 1))).max() < 1.5
    assert np.abs(matched.std((0, 1)) - wanted.std((0, 1))).max() < 1.5
