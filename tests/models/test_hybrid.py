"""The hybrid network on noise: shapes, the blend's arithmetic, shots, gradients to every weight."""

from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F

from talkface.checkpoints.format import Checkpoint, load_weights
from talkface.models.discriminator import PatchDiscriminator
from talkface.models.hybrid import Hybrid, HybridConfig, border_window
from talkface.renderers.hybrid import build_hybrid

TINY = HybridConfig(patch=32, channels=(8, 8, 8), depth=1, embedding=8)


def inputs(batch: int, shots: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((batch, shots, 3, 32, 32), (batch, shots, 6, 32, 32), (batch, 3, 32, 32))
    warped, patches, sketch = (torch.rand(size, generator=generator) * 2 - 1 for size in sizes)
    return warped, patches, sketch


@pytest.fixture
def network() -> Hybrid:
    torch.manual_seed(0)
    return Hybrid(TINY)


def test_shapes_and_blend(network):
    warped, patches, sketch = inputs(2, 1)
    painted = network(warped, patches, sketch)
    assert painted.image.shape == (2, 3, 32, 32) and painted.mask.shape == (2, 1, 32, 32)
    blend = painted.mask * painted.colour + (1 - painted.mask) * painted.warped
    assert torch.allclose(painted.image, blend, atol=1e-5)
    assert torch.allclose(painted.warped, warped[:, 0], atol=1e-6)


def test_mask_starts_half_open_and_ends_at_the_border(network):
    mask = network(*inputs(2, 1)).mask
    assert 0.35 < mask[..., 8:24, 8:24].mean() < 0.65
    for edge in (mask[..., 0, :], mask[..., -1, :], mask[..., 0], mask[..., -1]):
        assert edge.abs().max() == 0


def test_equal_shots_count_as_one(network):
    warped, patches, sketch = inputs(2, 1)
    single = network(warped, patches, sketch)
    three = network(warped.expand(-1, 3, -1, -1, -1), patches.expand(-1, 3, -1, -1, -1), sketch)
    assert torch.allclose(three.attention.sum(1), torch.ones(2, 32, 32))
    assert torch.allclose(single.image, three.image, atol=1e-4)


def test_enrolling_first_gives_the_same_frames(network):
    warped, patches, sketch = inputs(3, 2)
    patches = patches[:1].expand(3, -1, -1, -1, -1)
    at_once = network(warped, patches, sketch)
    enrolled = network.enroll(patches[0])
    assert torch.allclose(network.generate_frames(enrolled, warped, sketch).image, at_once.image, atol=1e-5)


def test_every_weight_learns(network):
    painted = network(*inputs(2, 2))
    (painted.image.square().mean() + painted.colour.square().mean()).backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert not without


def test_the_shipped_weights_paint_as_they_always_did():
    """Bit for bit what the network without options computes, written out."""
    checkpoint = load_weights("hybrid", "hybrid")
    network = build_hybrid(checkpoint)
    assert {**asdict(HybridConfig()), **checkpoint.config} == {**asdict(network.config), "channels": [32, 64, 128]}
    generator = torch.Generator().manual_seed(1)
    sizes = ((1, 2, 3, 80, 80), (1, 2, 6, 80, 80), (1, 3, 80, 80))
    warped, patches, sketch = (torch.rand(size, generator=generator) * 2 - 1 for size in sizes)
    with torch.no_grad():
        painted = network(warped, patches, sketch)
        image, mask = written_out(network, warped, patches, sketch)
    assert torch.equal(painted.image, image) and torch.equal(painted.mask, mask)


def test_settings_of_older_checkpoints_go_by_todays_names():
    """Until 2026-11 five parts and two values had the names of another system's parts."""
    old = {"warp_ref": "residual", "warp_ani": True, "prev": True, "adaptive_spade": True, "crop_ref": True}
    sizes = {"patch": 32, "channels": (8, 8, 8), "depth": 1, "embedding": 8}
    parts = {"learned_flow": "residual", "drawn_face": True, "previous_frame": True, "identity_spade": True}
    network = Hybrid(HybridConfig(**sizes, **parts, hide_features=True, embed="slots", compose="modulated"))
    settings = {**sizes, **old, "embed": "hybrid", "compose": "nonlinear"}
    loaded = build_hybrid(Checkpoint("hybrid", settings, network.state_dict()))
    assert loaded.config == network.config
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in network.state_dict().items())


def written_out(
    net: Hybrid, warped: torch.Tensor, patches: torch.Tensor, sketch: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image and mask for one target."""
    embedding = net.embedder(patches[0]).mean(0, keepdim=True)
    shots = len(patches[0])
    seen = torch.cat([warped[0], patches[0], sketch.expand(shots, -1, -1, -1)], 1)
    seen = seen.contiguous(memory_format=torch.channels_last)
    fine = net.encode_fine(net.stem(F.pixel_unshuffle(seen, 2)))
    middle = net.encode_middle(net.down_middle(fine))
    coarse = net.down_coarse(middle)
    logits = net.attend(fine)
    fine, middle, coarse = (
        (F.avg_pool2d(logits, shrink).softmax(0) * features).sum(0, keepdim=True)
        for shrink, features in ((1, fine), (2, middle), (4, coarse))
    )
    for block in net.bottom:
        coarse = block(coarse, embedding)
    middle = net.decode_middle(net.up_middle(torch.cat([F.interpolate(coarse, scale_factor=2), middle], 1)), embedding)
    fine = net.decode_fine(net.up_fine(torch.cat([F.interpolate(middle, scale_factor=2), fine], 1)), embedding)
    painted = F.pixel_shuffle(net.heads(F.relu(fine)), 2)
    mask = torch.sigmoid(painted[:, 3:]) * border_window(80, painted)
    shares = F.interpolate(logits.transpose(0, 1), scale_factor=2, mode="bilinear").softmax(1)
    mixed = (shares[:, :, None] * warped).sum(1)
    return mixed + mask * (torch.tanh(painted[:, :3]) - mixed), mask


def test_border_window_is_one_inside():
    window = border_window(96, torch.zeros(1))[0, 0]
    assert window[48, 48] == 1 and window[20, 20] == 1 and window[0].max() == 0


def test_discriminator_returns_scores_and_features():
    scores, features = PatchDiscriminator(widths=(8, 8))(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    assert scores.shape == (2, 1, 8, 8)
    assert [tuple(f.shape[1:]) for f in features] == [(8, 16, 16), (8, 8, 8)]
