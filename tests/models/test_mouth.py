"""The mouth inpainter: shapes, what it sees, and that its maps only recolour a donor inside the hole."""

import pytest
import torch

from talkface.errors import ConfigError
from talkface.models.mouth import MouthConfig, MouthInpainter, inpaint_mouth

SMALL = MouthConfig(widths=(8, 12, 16), depth=1)


@pytest.fixture
def given() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    picture, donor = (torch.rand(2, 3, 32, 48, generator=generator) * 2 - 1 for _ in range(2))
    masks = torch.zeros(2, 3, 32, 48)
    masks[:, :, 8:24, 12:36] = 1
    return picture, donor, torch.ones(2, 1, 32, 48), masks


def test_maps_have_half_the_size_and_start_at_no_change(given: tuple[torch.Tensor, ...]):
    torch.manual_seed(0)
    with torch.no_grad():
        gain, shift = MouthInpainter(SMALL)(*given)
    assert (gain.shape, shift.shape) == ((2, 1, 16, 24), (2, 3, 16, 24))
    assert float((gain - 1).abs().mean()) < 0.2
    assert float(shift.abs().mean()) < 0.2


def test_what_lies_in_the_hole_is_not_seen(given: tuple[torch.Tensor, ...]):
    picture, donor, cover, masks = given
    network = MouthInpainter(SMALL)
    other = picture.clone()
    other[:, :, 8:24, 12:36] = 0.7
    for first, second in zip(network(picture, donor, cover, masks), network(other, donor, cover, masks), strict=True):
        torch.testing.assert_close(first, second)


def test_no_change_lays_the_donor_into_the_hole_and_nowhere_else(given: tuple[torch.Tensor, ...]):
    picture, donor, _, masks = given
    maps = torch.ones(2, 1, 16, 24), torch.zeros(2, 3, 16, 24)
    painted = inpaint_mouth(picture, donor, masks, maps)
    torch.testing.assert_close(painted[:, :, 8:24, 12:36], donor[:, :, 8:24, 12:36])
    torch.testing.assert_close(painted[:, :, :8], picture[:, :, :8])


def test_a_gain_scales_light_from_black(given: tuple[torch.Tensor, ...]):
    picture, donor, _, masks = given
    maps = torch.full((2, 1, 16, 24), 0.5), torch.zeros(2, 3, 16, 24)
    painted = inpaint_mouth(picture, donor, masks, maps)
    torch.testing.assert_close(painted[:, :, 8:24, 12:36] + 1, 0.5 * (donor[:, :, 8:24, 12:36] + 1))


def test_impossible_sizes_are_refused():
    with pytest.raises(ConfigError, match="three widths"):
        MouthConfig(widths=(8, 0, 8))
