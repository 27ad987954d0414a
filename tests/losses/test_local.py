"""Local contrast: blind to where a pattern lies, not to how strong it is."""

import pytest
import torch
import torch.nn.functional as F

from talkface.losses.local import local_contrast


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
