"""Donors into a checkpoint's tensors and back."""

import numpy as np
import pytest
import torch

from talkface.checkpoints.load import network_tensors, pack_donors, unpack_donors
from talkface.errors import CheckpointError
from talkface.geometry.donor import lay_donor, measure_donor


def test_donors_come_back_as_they_were_laid():
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    x, y = np.array([30, 40, 64, 88, 98, 88, 64, 40]), np.array([48, 40, 38, 40, 48, 60, 62, 60])
    donor = measure_donor(image, np.stack([x, y], 1).astype(np.float32), np.array([200.0, 150.0, 130.0]), 128.0)
    tensors = pack_donors([donor, donor.resized(96.0)])
    assert all(tensor.dtype in (torch.uint8, torch.float32) for tensor in tensors.values())
    back, small = unpack_donors({**tensors, "stem.weight": torch.ones(1).half()}, "x")
    assert (back.opening, back.width) == (pytest.approx(donor.opening), pytest.approx(donor.width))
    assert small.unit == 96.0
    for first, second in zip(
        lay_donor(back, np.array([64.0, 40.0]), 22.0, 1.0, (128, 96)),
        lay_donor(donor, np.array([64.0, 40.0]), 22.0, 1.0, (128, 96)),
        strict=True,
    ):
        assert float(np.abs(first - second).mean()) < 0.2  # float32 knows places to a thousandth of a pixel
    assert list(network_tensors({**tensors, "stem.weight": torch.ones(1).half()})) == ["stem.weight"]


@pytest.mark.parametrize("broken", ["lips", "unit", "picture_000", "split"])
def test_damaged_donors_are_one_line(broken: str):
    image = np.full((40, 60, 3), 128, np.uint8)
    x, y = np.array([10, 15, 30, 45, 50, 45, 30, 15]), np.array([20, 14, 12, 14, 20, 26, 28, 26])
    donor = measure_donor(image, np.stack([x, y], 1).astype(np.float32), np.full(3, 128.0), 60.0)
    tensors = pack_donors([donor])
    for damage in (None, torch.zeros(2, 7)):
        given = {name: tensor for name, tensor in tensors.items() if name != f"donors.{broken}"}
        if damage is not None:
            given[f"donors.{broken}"] = damage
        with pytest.raises(CheckpointError) as raised:
            unpack_donors(given, "file")
        assert "file" in str(raised.value) and "\n" not in str(raised.value)
