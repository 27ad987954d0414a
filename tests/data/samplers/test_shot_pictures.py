"""Levels of 0 to 255 <-> the range of networks' pictures."""

import numpy as np
import torch

from talkface.data.samplers.shot_pictures import unsigned
from talkface.media.colour import to_levels, to_signed


def test_levels_of_networks_pictures_are_the_same_from_bytes_and_floats_and_come_back():
    levels = np.arange(256)
    signed = to_signed(torch.arange(256, dtype=torch.uint8))
    assert signed.dtype == torch.float32 and (signed[0], signed[255]) == (-1, 1)
    assert torch.equal(signed, torch.arange(256.0) / 127.5 - 1)
    assert np.array_equal(to_signed(levels.astype(np.float32)), signed.numpy()) and to_signed(127.5) == 0
    assert np.array_equal(to_levels(signed).round(), levels) and np.abs(to_levels(signed).numpy() - levels).max() < 1e-4
    assert to_signed(signed.bfloat16()).dtype == torch.bfloat16


def test_pictures_of_networks_are_rounded_or_cut_off_and_clipped():
    picture = to_signed(torch.tensor([-9.0, 0.4, 0.6, 254.4, 254.6, 300.0])).reshape(1, 2, 3).expand(3, 2, 3)
    assert unsigned(picture)[..., 0].ravel().tolist() == [0, 0, 1, 254, 255, 255]
    assert unsigned(picture, rounded=False)[..., 1].ravel().tolist() == [0, 0, 0, 254, 254, 255]
    assert unsigned(picture[None].repeat(5, 1, 1, 1)).shape == (5, 2, 3, 3)
