"""Local light and contrast: blind to where a pattern lies, not to how strong it is."""

import pytest
import torch
import torch.nn.functional as F

from talkface.losses.local import local_contrast, local_light


@pytest.fixture
def stripes() -> torch.Tensor:
    """`[1, 3, 48, 64]` stripes of 4 pixels."""
    row = ((torch.arange(64) // 2) % 2).float() - 0.5
    return row.expand(1, 3, 48, 64).contiguous()


def test_identical_pictures_cost_nothing(stripes: torch.Tensor):
    weights = torch.ones(1, 1, 48, 64)
    assert float(local_light(stripes, stripes, weights)) == 0.0
    assert float(local_contrast(stripes, stripes, weights)) == 0.0


def test_a_moved_pattern_costs_little_and_a_blurred_one_its_contrast(stripes: torch.Tensor):
    weights = torch.ones(1, 1, 48, 64)
    moved, soft = stripes.roll(2, 3), F.avg_pool2d(stripes, 5, 1, 2)
    assert float((moved - stripes).abs().mean()) > 0.9
    assert float(local_contrast(moved, stripes, weights)) < 0.2 * float(local_contrast(soft, stripes, weights))
    assert float(local_light(moved, stripes, weights)) < 0.1


def test_light_is_the_difference_of_means(stripes: torch.Tensor):
    weights = torch.ones(1, 1, 48, 64)
    assert float(local_light(stripes + 0.25, stripes, weights)) == pytest.approx(0.25, rel=0.01)
    assert float(local_contrast(stripes + 0.25, stripes, weights)) == pytest.approx(0.0, abs=1e-5)


def test_only_what_is_weighted_counts(stripes: torch.Tensor):
    weights = torch.zeros(1, 1, 48, 64)
    weights[..., :32] = 1
    changed = stripes.clone()
    changed[..., 32:] = 1.0
    assert float(local_light(changed, stripes, weights)) == 0.0
