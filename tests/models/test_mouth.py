"""The mouth inpainter: shapes, what it sees, and what becomes of a donor inside the hole."""

import cv2
import pytest
import torch

from talkface.errors import ConfigError
from talkface.models.mouth import MouthConfig, MouthInpainter, _halved, donor_detail, fill_hole

SMALL = MouthConfig(widths=(8, 12, 16), depth=1)


@pytest.fixture
def given() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    picture, donor = (torch.rand(2, 3, 32, 48, generator=generator) * 2 - 1 for _ in range(2))
    masks = torch.zeros(2, 3, 32, 48)
    masks[:, :, 8:24, 12:36] = 1
    return picture, donor, torch.ones(2, 1, 32, 48), masks, torch.tensor([0.0, 1.0])


def test_colours_and_share_have_half_the_size_and_their_range(given: tuple[torch.Tensor, ...]):
    torch.manual_seed(0)
    with torch.no_grad():
        colours, share = MouthInpainter(SMALL)(*given)
    assert (colours.shape, share.shape) == ((2, 3, 16, 24), (2, 1, 16, 24))
    assert float(colours.abs().max()) < 1
    assert float((share - 1).abs().mean()) < 0.2


def test_what_lies_in_the_hole_is_not_seen(given: tuple[torch.Tensor, ...]):
    picture, *rest = given
    network = MouthInpainter(SMALL)
    other = picture.clone()
    other[:, :, 8:24, 12:36] = 0.7
    for first, second in zip(network(picture, *rest), network(other, *rest), strict=True):
        torch.testing.assert_close(first, second)


def test_the_stem_sees_two_by_two_pixels_as_channels():
    network, picture = MouthInpainter(MouthConfig(widths=(4, 8, 8), depth=1)), torch.rand(2, 11, 16, 24)
    shuffled = network.stem(torch.nn.functional.pixel_unshuffle(picture, 2))
    torch.testing.assert_close(_halved(picture, network.stem), shuffled, atol=1e-5, rtol=0)


def test_the_hole_is_filled_and_nothing_else(given: tuple[torch.Tensor, ...]):
    picture, donor, _, masks, _ = given
    painted = fill_hole(picture, donor, masks)
    torch.testing.assert_close(painted[:, :, 8:24, 12:36], donor[:, :, 8:24, 12:36])
    torch.testing.assert_close(painted[:, :, :8], picture[:, :, :8])


def test_detail_is_what_opencvs_blur_takes(given: tuple[torch.Tensor, ...]):
    donor = given[1]
    image = donor[0].movedim(0, -1).numpy()
    wanted = image - cv2.GaussianBlur(image, (13, 13), 2.0, borderType=cv2.BORDER_REPLICATE)
    torch.testing.assert_close(donor_detail(donor, 2.0)[0].movedim(0, -1), torch.from_numpy(wanted), atol=1e-4, rtol=0)


def test_impossible_sizes_are_refused():
    with pytest.raises(ConfigError, match="three widths"):
        MouthConfig(widths=(8, 0, 8))
