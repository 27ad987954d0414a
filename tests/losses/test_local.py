"""Local losses: blind to where in a window or strip a pattern lies, not to how strong it is."""

import pytest
import torch
import torch.nn.functional as F

from talkface.losses.local import local_contrast, sorted_l1


@pytest.fixture
def stripes() -> torch.Tensor:
    """`[1, 3, 48, 64]` stripes of 4 pixels."""
    row = ((torch.arange(64) // 2) % 2).float() - 0.5
    return row.expand(1, 3, 48, 64).contiguous()


def test_identical_pictures_cost_nothing(stripes: torch.Tensor):
    weights = torch.ones(1, 1, 48, 64)
    assert float(local_contrast(stripes, stripes, weights)) == 0.0


def test_a_moved_pattern_costs_little_and_a_blurred_one_its_contrast(stripes: torch.Tensor):
    weights = torch.ones(1, 1, 48, 64)
    moved, soft = stripes.roll(2, 3), F.avg_pool2d(stripes, 5, 1, 2)
    assert float((moved - stripes).abs().mean()) > 0.9
    assert float(local_contrast(moved, stripes, weights)) < 0.2 * float(local_contrast(soft, stripes, weights))


def test_brightness_is_no_contrast(stripes: torch.Tensor):
    weights = torch.ones(1, 1, 48, 64)
    assert float(local_contrast(stripes + 0.25, stripes, weights)) == pytest.approx(0.0, abs=1e-5)


def test_only_what_is_weighted_counts(stripes: torch.Tensor):
    weights = torch.zeros(1, 1, 48, 64)
    weights[..., :32] = 1
    changed = stripes.clone()
    changed[..., 33:] = 1.0  # a slope reaches one pixel to either side
    assert float(local_contrast(changed, stripes, weights)) == 0.0
    assert float(local_contrast(changed, stripes, torch.ones(1, 1, 48, 64))) > 0.1


def test_sorted_values_do_not_know_how_far_down_teeth_lie():
    weights = torch.ones(1, 1, 48, 64)
    teeth = torch.full((1, 3, 48, 64), -0.8)
    teeth[:, :, 10:20] = 0.8
    grey = torch.full_like(teeth, float(teeth.mean()))
    assert float(sorted_l1(teeth.roll(15, 2), teeth, weights)) == 0.0
    assert float(sorted_l1(grey, teeth, weights)) > 0.4
    assert float(sorted_l1(0.9 * teeth, teeth, weights)) == pytest.approx(0.08, abs=1e-4)


def test_sorted_values_stay_in_their_strip_and_their_channel():
    weights = torch.ones(1, 1, 48, 64)
    left, red = torch.zeros(1, 3, 48, 64), torch.zeros(1, 3, 48, 64)
    left[..., :32], red[:, 0] = 1.0, 1.0
    assert float(sorted_l1(left.flip(3), left, weights)) == pytest.approx(1.0, abs=1e-4)
    assert float(sorted_l1(red.flip(1), red, weights)) == pytest.approx(2 / 3, abs=1e-4)


def test_sorted_values_outside_the_weights_do_not_count():
    weights = torch.zeros(1, 1, 48, 64)
    weights[..., 5:20, 10:40] = 1.0
    real = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    changed = torch.where(weights > 0, real, 1 - real)
    assert float(sorted_l1(changed, real, weights)) == 0.0
    assert float(sorted_l1(1 - changed, real, weights)) > 0.0
