"""The blocks that the few-shot networks share keep their promises."""

import pytest
import torch
import torch.nn.functional as F

from talkface.models.norms import AdainSlots, AdaptiveNorm, Conditions, InstanceNorm, SpadeNorm, normalize
from talkface.models.residual import BlockStyle, ConvResBlock, FoldedConv, SelfAttention, freeze

NOTHING = Conditions()


@pytest.mark.parametrize("kernel", [1, 3, 9])
@pytest.mark.parametrize("resample", ["same", "down", "nearest", "bilinear"])
def test_folded_resampling_equals_the_two_steps(kernel: int, resample: str):
    torch.manual_seed(0)
    conv = FoldedConv(3, 5, kernel, resample, spectral=False)
    x = torch.randn(2, 3, 12, 16)
    if resample in ("nearest", "bilinear"):
        doubled = F.interpolate(x, scale_factor=2, mode=resample)
        expected = F.conv2d(doubled, conv.weight, conv.bias, padding=kernel // 2)
    else:
        expected = F.conv2d(x, conv.weight, conv.bias, padding=kernel // 2)
        expected = F.avg_pool2d(expected, 2) if resample == "down" else expected
    assert torch.allclose(conv(x), expected, atol=1e-5)


@pytest.mark.parametrize("resample", ["same", "down", "nearest", "bilinear"])
def test_freezing_changes_no_output(resample: str):
    torch.manual_seed(0)
    block = ConvResBlock(4, 6, norm="instance", resample=resample).eval()
    x = torch.randn(1, 4, 8, 8)
    before = block(x, NOTHING)
    freeze(block)
    assert torch.allclose(block(x, NOTHING), before, atol=1e-5)
    assert not any("original" in name for name in block.state_dict())


@pytest.mark.parametrize("norm", ["none", "instance", "adain", "spade"])
@pytest.mark.parametrize("resample", ["same", "down", "nearest", "bilinear"])
def test_block_shapes_and_gradients(norm: str, resample: str):
    slots = AdainSlots()
    block = ConvResBlock(4, 6, norm=norm, resample=resample, slots=slots)
    assert slots.length == (2 * (4 + 6) if norm == "adain" else 0)
    given = Conditions(torch.randn(2, slots.length, requires_grad=True), torch.randn(2, 3, 8, 8))
    out = block(torch.randn(2, 4, 8, 8), given)
    side = {"same": 8, "down": 4}.get(resample, 16)
    assert out.shape == (2, 6, side, side)
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())
    if norm == "adain":
        assert (given.adain_params.grad != 0).any()


def test_the_block_leaves_its_input_alone():
    x = torch.randn(1, 4, 8, 8)
    kept = x.clone()
    ConvResBlock(4, 4)(x, NOTHING)
    assert torch.equal(x, kept)


def test_the_first_block_sees_the_dark_half():
    torch.manual_seed(0)
    dark = -torch.rand(1, 3, 8, 8)
    first = ConvResBlock(3, 3, style=BlockStyle(spectral=False), activate_input=False)
    later = ConvResBlock(3, 3, style=BlockStyle(spectral=False))
    flat = torch.zeros_like(dark)
    assert not torch.allclose(first.conv1(dark), first.conv1(flat))
    assert torch.allclose(later(dark, NOTHING) - dark, later(flat, NOTHING), atol=1e-6)


def test_spectral_norm_holds_the_largest_singular_value_at_one():
    torch.manual_seed(0)
    conv = FoldedConv(8, 8, 3)
    for _ in range(30):
        weight = conv.weight
    assert torch.linalg.matrix_norm(weight.flatten(1), ord=2).item() == pytest.approx(1, abs=0.02)


def test_adaptive_norm_sets_mean_and_deviation():
    slots = AdainSlots()
    slots.take(5)  # another layer stands before
    norm = AdaptiveNorm(3, slots)
    params = torch.zeros(1, slots.length)
    params[0, 10:13], params[0, 13:16] = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([4.0, 5.0, 6.0])
    out = norm(torch.randn(2, 3, 32, 32) * 7 + 3, Conditions(params))
    assert torch.allclose(out.mean((2, 3)), torch.tensor([4.0, 5.0, 6.0]).expand(2, 3), atol=1e-4)
    assert torch.allclose(out.std((2, 3)), torch.tensor([2.0, 1.0, 3.0]).expand(2, 3), atol=1e-2)


def test_every_adaptive_layer_has_a_place_of_its_own():
    slots = AdainSlots()
    places = [slots.take(channels) for channels in (4, 2, 8)]
    covered = [index for place in places for index in range(place.start, place.stop)]
    assert covered == list(range(slots.length)) == list(range(28))


@pytest.mark.parametrize("norm", [normalize, lambda x: InstanceNorm(2)(x, NOTHING)])
def test_gradient_is_finite_on_a_constant_picture(norm):
    x = torch.full((1, 2, 8, 8), 0.3, requires_grad=True)
    norm(x).square().sum().backward()
    assert x.grad.isfinite().all()


def test_spade_scales_where_the_sketch_says():
    torch.manual_seed(0)
    norm = SpadeNorm(4)
    sketch = torch.zeros(1, 3, 32, 32)
    sketch[..., 16:] = 1
    out = norm(torch.ones(1, 4, 16, 16), Conditions(sketch=sketch))  # normalised to 0: what is left is the shift
    assert not torch.allclose(out[..., 2], out[..., 13])
    assert torch.allclose(out[..., 4, 2], out[..., 9, 2], atol=1e-6)


def test_attention_starts_as_the_identity_and_then_looks_everywhere():
    torch.manual_seed(0)
    attention = SelfAttention(16)
    x = torch.randn(1, 16, 6, 6, requires_grad=True)
    assert torch.equal(attention(x, NOTHING), x)
    torch.nn.init.ones_(attention.gain)
    attention(x, NOTHING)[0, :, 0, 0].sum().backward()
    assert (x.grad[0, :, 5, 5] != 0).any()
