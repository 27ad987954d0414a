"""Slopes: librosa as oracle, a factor on the sound leaves no trace."""

import numpy as np
import pytest
import torch

from talkface.audio.deltas import REACH, slopes

librosa = pytest.importorskip("librosa")


def test_slopes_are_librosas() -> None:
    values = torch.randn(2, 40, 5, generator=torch.Generator().manual_seed(0))
    ours = slopes(values)
    assert ours.shape == (2, 40, 10)
    for order, columns in ((1, slice(0, 5)), (2, slice(5, 10))):
        theirs = librosa.feature.delta(values[1].numpy().T, order=order, width=9, mode="nearest").T
        np.testing.assert_allclose(ours[1, :, columns].numpy(), theirs, atol=1e-6)


def test_a_shift_of_the_log_leaves_no_trace_and_a_line_has_its_slope() -> None:
    line = 0.3 * torch.arange(30.0)[None, :, None]
    inside = slopes(line)[0, REACH:-REACH]
    np.testing.assert_allclose(inside[:, 0], 0.3, atol=1e-5)
    np.testing.assert_allclose(inside[:, 1], 0, atol=1e-5)
    np.testing.assert_allclose(slopes(line + 7), slopes(line), atol=1e-5)


def test_a_frame_is_felt_no_further_than_its_reach() -> None:
    values = torch.zeros(1, 30, 1)
    values[0, 15] = 1
    felt = slopes(values)[0].abs().sum(-1).nonzero().flatten()
    assert felt.min() >= 15 - REACH and felt.max() <= 15 + REACH
