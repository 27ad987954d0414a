"""The whole-frame SPADE renderer: equal to the authors' own code, its published size, and every variant."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from talkface.checkpoints.convert.rhythmic import rhythmic_config, rhythmic_names
from talkface.errors import ConfigError
from talkface.models.spade import Source, SpadeFrame, SpadeNet, Warped, blend
from talkface.models.spade_blocks import CompositionBlock, Kernel, SpadeBlock
from talkface.models.spade_config import SpadeConfig
from talkface.models.spade_embed import HybridEmbedding
from tests.golden.fill import Array, arrays, golden

WITHIN = 1e-5  # of the originals' outputs, in single precision
TINY = SpadeConfig(
    size=32, shots=2, width=4, depth=3, adaptive_layers=2, warp_ani=True, flow_width=4, flow_depth=1, flow_blocks=1
)


def tensors(filled: dict[str, Array], inside: str = "") -> dict[str, Tensor]:
    """Weights under our names; `inside` is where the authors' generator keeps a part that was stored by itself."""
    return rhythmic_names({inside + name: torch.from_numpy(value) for name, value in filled.items()})


def picture(values: Array) -> Tensor:
    return torch.from_numpy(values).float() / 127.5 - 1


def sources(inputs: dict[str, Array]) -> dict[str, Source]:
    """Reference 0 and the drawn face."""
    ref = Source(picture(inputs["refs"][:1]), picture(inputs["ref_sketches"][:1]))
    return {"ref": ref, "ani": Source(picture(inputs["ani"])[None], picture(inputs["ani_sketch"])[None])}


@torch.no_grad()
def painted(name: str) -> tuple[SpadeFrame, dict[str, Array]]:
    """Output of the network with a golden file's weights, and that file's arrays."""
    filled, outputs = golden(name)
    state = tensors(filled)
    network = SpadeNet(rhythmic_config(state)).eval()
    network.load_state_dict(state)
    inputs = arrays("rhythmic_spade_combine")  # both files were made with the same pictures
    frame = network(
        picture(inputs["target_sketch"])[None],
        picture(inputs["refs"])[None],
        picture(inputs["ref_sketches"])[None],
        sources(inputs),
    )
    return frame, outputs


def apart(made: Tensor | None, stored: Array) -> float:
    assert made is not None
    return float((made - torch.from_numpy(stored)).abs().max())


def test_nonlinear_composition_equals_the_authors_code():
    frame, outputs = painted("rhythmic_spade_combine")
    assert apart(frame.image, outputs["image"]) < WITHIN
    assert apart(frame.raw, outputs["raw"]) < WITHIN
    assert apart(frame.warped["ref"].flow, outputs["flow_ref"]) < WITHIN
    assert apart(frame.warped["ani"].mask, outputs["weight_ani"]) < WITHIN


def test_linear_composition_equals_the_authors_code():
    frame, outputs = painted("rhythmic_linear_combine")
    assert apart(frame.image, outputs["image"]) < WITHIN
    assert apart(frame.raw, outputs["raw"]) < WITHIN


@torch.no_grad()
def test_hybrid_embedding_equals_the_authors_code():
    filled, stored = golden("rhythmic_hybrid_embedding")
    state = tensors(filled, "netG.encoder.")
    embedding = HybridEmbedding(SpadeConfig(shots=2, width=8, depth=4, adaptive_layers=3)).eval()
    embedding.load_state_dict({name.removeprefix("embedding."): value for name, value in state.items()})
    inputs = arrays("rhythmic_spade_combine")
    attention = torch.from_numpy(stored["attention"]).unflatten(2, (16, 16))
    image, sketch = embedding(picture(inputs["refs"])[None], picture(inputs["ref_sketches"])[None], attention)
    assert apart(image, stored["image_code"]) < WITHIN
    assert apart(sketch, stored["sketch_code"]) < WITHIN


@torch.no_grad()
def test_composition_block_equals_the_authors_code_and_needs_every_source_in_its_place():
    filled, stored = golden("rhythmic_nonlinear_block")
    state = tensors(filled, "netG.up_0.")
    block = CompositionBlock(16, 8, [8] * 4).eval()
    block.load_state_dict({name.removeprefix("blocks.0."): value for name, value in state.items()})
    x, label, ref, ani = (torch.from_numpy(stored[name]) for name in ("x", "label", "ref", "ani"))
    assert apart(block(x, [label, ref, None, ani]), stored["out"]) < WITHIN
    assert apart(block(x, [label, ani, None, ref]), stored["out"]) > 1


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_default_has_the_published_sizes(monkeypatch):
    power_method = "torch.nn.utils.parametrizations._SpectralNorm._power_method"
    monkeypatch.setattr(power_method, lambda *_: None)  # on `meta` it computes nothing, slowly
    with torch.device("meta"):
        network = SpadeNet(SpadeConfig(warp_ani=True))
    assert count(network) == 107_920_769
    assert count(network) - count(network.flows) - count(network.source_embeddings) == 79_613_883


def given(config: SpadeConfig, batch: int = 2) -> tuple[Tensor, Tensor, Tensor, dict[str, Source]]:
    """Sketch, shots, their sketches and every source."""
    make, side = torch.Generator().manual_seed(0), config.size

    def some(*shape: int) -> Tensor:
        return torch.rand(*shape, side, side, generator=make) * 2 - 1

    channels, shots = config.sketch_channels, config.shots
    every = {name: Source(some(batch, 3), some(batch, channels)) for name in config.sources}
    return some(batch, channels), some(batch, shots, 3), some(batch, shots, channels), every


VARIANTS = {
    "nonlinear": {},
    "linear": {"composition": "linear"},
    "few_shot_vid2vid": {"fusion": "attention"},
    "linear_vid2vid": {"fusion": "attention", "composition": "linear"},
    "mean": {"fusion": "mean"},
    "one_shot": {"shots": 1},
    "no_sources": {"warp_ref": False, "warp_ani": False, "composition": "linear"},
    "not_adaptive": {"adaptive": False},
    "label_not_adaptive": {"adaptive_label": False},
    "not_warped": {"warp": False},
    "prev": {"warp_prev": True},
    "no_raw": {"raw": False},
    "coloured": {"sketch_channels": 3},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_paints_and_learns_with_all_its_parts(name):
    config = replace(TINY, **VARIANTS[name])
    torch.manual_seed(0)
    network = SpadeNet(config)
    frame = network(*given(config))
    assert frame.image.shape == (2, 3, 32, 32)
    assert float(frame.image.detach().abs().max()) <= 1
    assert (frame.raw is None) == (config.composition == "nonlinear" and not config.raw)
    total = frame.image.square().mean() + (0 if frame.raw is None else frame.raw.square().mean())
    total.backward()
    idle = [path for path, parameter in network.named_parameters() if parameter.grad is None]
    assert [path for path in idle if not any(part in path for part in parts_that_may_idle(config))] == []


def parts_that_may_idle(config: SpadeConfig) -> list[str]:
    """Parts that the published layout has and that take no part in what is painted."""
    parts = ["matrices.image.0.", "matrices.sketch.0."]  # of the finest level, whose matrix nothing is made of
    for place, source in enumerate(config.source_order, 1):
        if source not in config.sources:
            parts += [f".{kind}.{place}." for kind in ("norms1", "norms2", "scales", "shifts")]
    parts += [f"source_embeddings.{name}.down.{level}." for name in config.sources
              for level in range(config.combined_layers, config.depth + 1)]  # fmt: skip
    if config.shots == 1:
        parts.append("attention.")
    if not config.adaptive:
        parts += ["matrices.", "embedding.sketch.", "embedding.joint_to_sketch.", "embedding.stacked_sketches."]
    if not config.warp:
        parts += [f"flows.{name}.flow." for name in config.sources]
    return parts


def test_settings_are_read_off_the_weights():
    for name in ("nonlinear", "linear_vid2vid", "one_shot", "not_adaptive", "prev"):
        config = replace(TINY, **VARIANTS[name])
        state = SpadeNet(config).state_dict()
        found = rhythmic_config(state)
        again = SpadeNet(found).state_dict()
        assert {key: value.shape for key, value in again.items()} == {key: v.shape for key, v in state.items()}, name


def test_mask_of_linear_composition_keeps_the_picture_so_far():
    painted, source = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    mask = torch.tensor([[1.0, 0.0], [0.25, 0.5]])[None, None]
    warped = {"ref": Warped(source, torch.zeros(1, 2, 2, 2), mask)}
    assert torch.equal(blend(painted, warped)[0, 0], torch.tensor([[0.0, 1.0], [0.75, 0.5]]))
    both = warped | {"ani": Warped(-source, torch.zeros(1, 2, 2, 2), torch.full_like(mask, 0.5))}
    assert torch.equal(blend(painted, both)[0, 0], torch.tensor([[-0.5, 1.0], [0.625, 0.25]]))  # the reference after it


def test_doubling_kernel_is_a_transposed_convolution_of_stride_2():
    make = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.rand(*shape, generator=make) for shape in ((2, 6, 4, 4), (2, 6, 3), (2, 6)))
    made = Kernel(weight, bias).apply_doubling(x)
    for index in range(2):
        want = nn.functional.conv_transpose2d(
            x[index : index + 1], weight[index, :, :, None, None], bias[index, :3], stride=2, output_padding=1
        )
        assert torch.allclose(made[index : index + 1], want, atol=1e-6)


def test_few_shot_vid2vid_modulates_by_one_map_after_the_other():
    torch.manual_seed(0)
    block = SpadeBlock(4, 4, [4, 4]).eval()
    x, label, ref = (torch.rand(1, 4, 8, 8) for _ in range(3))
    norm = block.norm1
    first = norm.norm(x) * (1 + norm.scales["0"](label)) + norm.shifts["0"](label)
    want = first * (1 + norm.scales["1"](ref)) + norm.shifts["1"](ref)
    assert torch.allclose(norm(x, [label, ref]), want, atol=1e-6)
    assert torch.equal(norm(x, [label, None]), first)


@pytest.mark.parametrize(
    "wrong", [{"composition": "both"}, {"fusion": "new"}, {"sketch_channels": 2}, {"size": 36}, {"attention_depth": 9}]
)
def test_settings_that_fit_nothing_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(TINY, **wrong)


def test_hidden_places_of_a_source_are_black_after_the_warp():
    config = replace(TINY, warp_ani=False)
    network = SpadeNet(config).eval()
    sketch, shots, shot_sketches, every = given(config)
    hidden = torch.full((2, 1, 32, 32), -1.0)
    hidden[:, :, 8:16, 4:20] = 1.0
    with torch.no_grad():
        seen = network(sketch, shots, shot_sketches, every).warped["ref"].image
        source = replace(every["ref"], hidden=hidden)
        made = network(sketch, shots, shot_sketches, {"ref": source}).warped["ref"].image
    assert (made[:, :, 8:16, 4:20] == -1).all()
    made[:, :, 8:16, 4:20] = seen[:, :, 8:16, 4:20]
    assert torch.equal(made, seen)


def test_flow_moves_pictures_by_pixels():
    config = replace(TINY, composition="linear", warp_ani=False)
    network = SpadeNet(config).eval()
    nn.init.zeros_(network.flows["ref"].flow.weight)
    network.flows["ref"].flow.bias.data = torch.tensor([3.0, -2.0]) / config.flow_reach
    sketch, shots, shot_sketches, every = given(config)
    with torch.no_grad():
        moved = network(sketch, shots, shot_sketches, every).warped["ref"].image
    np.testing.assert_allclose(moved[:, :, 2:, :-3], every["ref"].image[:, :, :-2, 3:], atol=1e-4)
