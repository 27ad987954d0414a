"""The learned flow: shifts by whole pixels, and a network that learns one from pictures alone."""

import torch

from talkface.models.flow import FlowNetwork, roughness, warp_by_flow


def smooth_picture(seed: int = 0, size: int = 32) -> torch.Tensor:
    noise = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(noise, size=(size, size), mode="bicubic", align_corners=True)


def test_a_whole_shift_moves_pixels_bit_for_bit():
    picture = smooth_picture()
    flow = torch.zeros(1, 2, 32, 32)
    flow[:, 0], flow[:, 1] = 3, -2  # looked up to the right and above
    moved = warp_by_flow(picture, flow)
    assert torch.allclose(moved[..., 2:, :-3], picture[..., :-2, 3:], atol=1e-5)
    assert torch.allclose(warp_by_flow(picture, torch.zeros(1, 2, 32, 32)), picture, atol=1e-5)


def test_a_shift_is_smooth_and_a_fold_is_not():
    shift = torch.full((1, 2, 8, 8), 3.0)
    assert roughness(shift) == 0
    shift[..., 4:] = -3
    assert roughness(shift) > 0


def test_the_network_learns_a_shift_from_pictures_alone():
    """Sketches and picture moved by (2, 1): after a few steps its warp is far nearer than the unmoved picture."""
    torch.manual_seed(0)
    network = FlowNetwork(8)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    source = torch.cat([smooth_picture(seed) for seed in range(4)])
    target = torch.roll(source, (1, 2), (2, 3))  # row y comes from y - 1, column x from x - 2
    inside = (..., slice(6, -6), slice(6, -6))
    for _ in range(45):
        flow = network(target, source, source)
        loss = (warp_by_flow(source, flow) - target)[inside].abs().mean() + 0.01 * roughness(flow)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    still = (source - target)[inside].abs().mean()
    assert (warp_by_flow(source, flow) - target)[inside].abs().mean() < 0.4 * still
    found = flow[inside].detach().mean((0, 2, 3))
    assert torch.allclose(found, torch.tensor([-2.0, -1.0]), atol=0.5)
