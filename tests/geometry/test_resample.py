"""Look-up, reduction and boxes against arithmetic."""

import numpy as np

from talkface.geometry.resample import cut_patch, look_up, pixel_box, shrink_part

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 255, (40, 60, 3), dtype=np.uint8)
IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def test_no_offset_gives_the_same_pixels_bit_for_bit():
    assert np.array_equal(look_up(IMAGE, np.zeros((40, 60, 2), np.float32), IDENTITY), IMAGE)


def test_whole_pixel_offset_shifts():
    offsets = np.full((10, 10, 2), (3, 2), np.float32)
    corner = np.array([[1.0, 0.0, 5], [0.0, 1.0, 7]])
    assert np.array_equal(look_up(IMAGE, offsets, corner), IMAGE[9:19, 8:18])


def test_outside_the_border_repeats():
    offsets = np.full((4, 4, 2), -100, np.float32)
    assert (look_up(IMAGE, offsets, IDENTITY) == IMAGE[0, 0]).all()


def test_a_patch_is_reduced_without_aliasing():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    small = cut_patch(stripes, np.array([[0.1, 0, 0], [0, 0.1, 0]]), 40)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 100).max() < 25


def test_reduced_part_keeps_its_place():
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    part, to_part = shrink_part(ramp, (40, 20, 120, 80), 0.25)
    assert part.shape == (15, 20, 3)
    x = to_part[0, 0] * 100 + to_part[0, 2]
    assert abs(np.interp(x, np.arange(20), part[5, :, 0].astype(float)) - 100) < 1


def test_box_stays_inside_and_is_never_negative():
    assert pixel_box(np.array([[-5.5, 3.2], [10.1, 99.0]]), (60, 40)) == (0, 3, 12, 40)
    left, top, right, bottom = pixel_box(np.array([[80.0, 50.0], [90.0, 60.0]]), (60, 40))
    assert right >= left and bottom >= top
