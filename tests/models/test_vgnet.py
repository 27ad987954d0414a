"""VG-net and its discriminator: the published sizes, the blend, memory over time, what each part listens to."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from talkface.checkpoints.convert.atvgnet import DISCRIMINATOR, VGNET
from talkface.config import load_config
from talkface.errors import ConfigError
from talkface.models.conv_gru import ConvGru
from talkface.models.vgnet import VgNet, VgnetConfig
from talkface.models.vgnet_discriminator import RegressionDiscriminator
from talkface.training.jobs.vgnet_config import VgnetTraining

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "renderer"
TINY = VgnetConfig(size=32, width=8, blocks=1, norm="group", dropout=0.0)


def size_of(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def given(batch: int = 2, frames: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return (
        torch.rand(batch, 3, 32, 32) * 2 - 1,
        0.1 * torch.randn(batch, 68, 2),
        0.1 * torch.randn(batch, frames, 68, 2),
    )


@pytest.mark.parametrize(("name", "generator", "discriminator"), [("vgnet", 58.4, 21.5), ("vgnet_small", 2.49, 0.586)])
def test_presets_have_their_sizes(name: str, generator: float, discriminator: float) -> None:
    model = load_config(VgnetTraining, CONFIGS / f"{name}.yaml").model
    with torch.device("meta"):
        assert size_of(VgNet(model)) == pytest.approx(generator, rel=0.01)
        assert size_of(RegressionDiscriminator(model)) == pytest.approx(discriminator, rel=0.01)


def test_the_faithful_preset_is_what_published_weights_are_converted_to_but_for_the_memory() -> None:
    model = load_config(VgnetTraining, CONFIGS / "vgnet.yaml").model
    assert model == DISCRIMINATOR
    seen_by_the_generator = replace(model, discriminator_running=False, frame_landmarks=True)
    assert replace(VGNET, memory_reset=False, landmarks="displacement") == seen_by_the_generator


def test_shapes_are_the_published_ones_at_their_scale() -> None:
    photo, own, landmarks = given(1, 2)
    network = VgNet(TINY)
    person = network.enroll(photo, own)
    painted, memory = network.generate(person, landmarks)
    assert person.skip.shape == (1, 16, 8, 8) and person.deep.shape == (1, 64, 2, 2)  # 128x32x32, 512x8x8
    assert memory.shape == (1, 64, 2, 2)
    assert painted.image.shape == painted.colour.shape == (1, 2, 3, 32, 32)
    assert painted.attention.shape == (1, 2, 1, 32, 32) and painted.landmark_attention.shape == (1, 2, 1, 8, 8)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_chunks_with_the_carried_memory_equal_one_go(norm: str) -> None:
    photo, own, landmarks = given(1, 7)
    network = VgNet(VgnetConfig(size=32, width=8, blocks=1, norm=norm)).eval()
    with torch.no_grad():
        network.memory.from_memory.weight *= 20  # untrained, it hardly remembers
        person = network.enroll(photo, own)
        whole, _ = network.generate(person, landmarks)
        memory, parts = None, []
        for part in landmarks.split([3, 1, 3], dim=1):
            painted, memory = network.generate(person, part, memory)
            parts.append(painted.image)
        afresh, _ = network.generate(person, landmarks[:, 3:4])
    torch.testing.assert_close(torch.cat(parts, 1), whole.image, atol=1e-5, rtol=0)
    assert not torch.allclose(afresh.image, whole.image[:, 3:4], atol=1e-4)  # the memory matters


def test_frames_know_the_past_only() -> None:
    photo, own, landmarks = given(1)
    network = VgNet(TINY).eval()
    network.memory.from_memory.weight.data *= 20
    later = landmarks.clone()
    later[:, 3] += 1
    with torch.no_grad():
        before, after = (network(photo, own, points).image for points in (landmarks, later))
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 4], after[:, 4], atol=1e-5)


def test_the_image_is_the_blend_of_colour_and_photo() -> None:
    photo, own, landmarks = given()
    with torch.no_grad():
        painted = VgNet(TINY)(photo, own, landmarks)
    assert painted.attention.min() >= 0 and painted.attention.max() <= 1
    blend = painted.attention * painted.colour + (1 - painted.attention) * photo[:, None]
    torch.testing.assert_close(painted.image, blend)


def test_closed_attention_leaves_the_photo() -> None:
    photo, own, landmarks = given()
    network = VgNet(TINY)
    with torch.no_grad():
        network.heads.weight[3:] = 0
        network.heads.bias[3:] = -200
        painted = network(photo, own, landmarks)
    torch.testing.assert_close(painted.image, photo[:, None].expand_as(painted.image))


def test_with_group_norm_a_darker_photo_stays_darker() -> None:
    """A network that normalises each picture could not tell them apart."""
    photo, own, landmarks = given()
    torch.manual_seed(0)
    network = VgNet(TINY).eval()
    with torch.no_grad():
        light, dark = (network(photo * gain, own, landmarks).colour for gain in (1.0, 0.3))
    assert (light - dark).abs().mean() > 1e-3


def test_a_unit_that_remembers_by_hand() -> None:
    """One channel, one pixel: the equations of the gated recurrent unit."""
    torch.manual_seed(0)
    unit = ConvGru(1, 1, kernel=1)
    x, kept = 0.7, 0.2
    w, u = (layer.weight.detach().flatten() for layer in (unit.from_input, unit.from_memory))
    b, c = (layer.bias.detach() for layer in (unit.from_input, unit.from_memory))
    reset = torch.sigmoid(w[0] * x + b[0] + u[0] * kept + c[0])
    update = torch.sigmoid(w[1] * x + b[1] + u[1] * kept + c[1])
    new = torch.tanh(w[2] * x + b[2] + reset * (u[2] * kept + c[2]))
    expected = (1 - update) * new + update * kept
    states, memory = unit(torch.full((1, 1, 1, 1, 1), x), torch.full((1, 1, 1, 1), kept))
    torch.testing.assert_close(states.flatten()[0], expected)
    torch.testing.assert_close(memory.flatten()[0], expected)


def test_dilated_memory_keeps_the_map_s_size() -> None:
    states, memory = ConvGru(3, 4, dilation=2)(torch.zeros(2, 3, 3, 5, 5))
    assert states.shape == (2, 3, 4, 5, 5) and memory.shape == (2, 4, 5, 5)


def test_the_discriminator_reads_landmarks_near_the_photo_s_and_scores_the_mean() -> None:
    _, own, _ = given()
    network = RegressionDiscriminator(TINY).eval()
    frames = torch.rand(2, 5, 3, 32, 32)
    with torch.no_grad():
        score, landmarks = network(frames, own)
        first, _ = network(frames[:, :1], own)
    assert score.shape == (2,) and landmarks.shape == (2, 5, 68, 2)
    assert (landmarks - own[:, None]).abs().max() <= 1
    assert not torch.allclose(score, first)


@pytest.mark.parametrize("setting", [{"norm": "instance"}, {"size": 40}, {"size": 16}, {"width": 5}, {"planes": 0}])
def test_settings_that_cannot_be_are_refused(setting: dict) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(setting))}"):
        VgnetConfig(**setting)
