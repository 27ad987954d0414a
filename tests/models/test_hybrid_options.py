"""Every option of the hybrid network: gradients to all weights, and what each must and must not see."""

from typing import Any

import pytest
import torch

from talkface.errors import ConfigError
from talkface.models.hybrid import Hybrid, HybridConfig, Previous, hide_features

SIZE = 32
OPTIONS: list[dict[str, Any]] = [
    {"embed": "mean"},
    {"embed": "slots"},
    {"no_warp": True},
    {"learned_flow": "residual"},
    {"learned_flow": "instead"},
    {"drawn_face": True},
    {"compose": "modulated"},
    {"identity_spade": True},
    {"hide_features": True},
    {"previous_frame": True},
    {"previous_frame": True, "drawn_face": True, "learned_flow": "residual"},
    {"previous_frame": True, "drawn_face": True, "learned_flow": "instead", "compose": "modulated", "embed": "slots"},
]


def config(**options: Any) -> HybridConfig:
    return HybridConfig(patch=SIZE, channels=(8, 8, 8), depth=1, embedding=8, **options)


def network_of(**options: Any) -> Hybrid:
    torch.manual_seed(0)
    return Hybrid(config(**options))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def sketches(*shape: int) -> torch.Tensor:
    """Lips in the middle of an empty sketch."""
    drawn = -torch.ones(*shape, 3, SIZE, SIZE)
    drawn[..., :2, 12:20, 10:22] = 1
    return drawn


def given(batch: int, shots: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    own = torch.cat([noise(batch, shots, 3, SIZE, SIZE, seed=1), sketches(batch, shots)], 2)
    return noise(batch, shots, 3, SIZE, SIZE), own, sketches(batch)


def sources(batch: int) -> dict[str, Any]:
    ani = noise(batch, 4, SIZE, SIZE, seed=2)
    ani[:, 3] = (ani[:, 3] > 0).float()
    return {"ani": ani, "previous": Previous(noise(batch, 3, SIZE, SIZE, seed=3), sketches(batch))}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_weight_of_every_option_learns(options):
    network = network_of(**options)
    warped, patches, _ = given(2, 2)
    sketch = noise(2, 3, SIZE, SIZE, seed=4)
    painted = network(warped, torch.cat([patches[:, :, :3], noise(2, 2, 3, SIZE, SIZE)], 2), sketch, **sources(2))
    (painted.image.square().mean() + painted.colour.square().mean()).backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


@pytest.mark.parametrize("options", [{}, {"embed": "mean"}, {"embed": "slots"}], ids=str)
def test_equal_references_count_as_one(options):
    network = network_of(max_shots=4, **options)
    warped, patches, sketch = given(1, 1)
    single = network(warped, patches, sketch)
    for count in (2, 3, 4):
        many = network(warped.expand(-1, count, -1, -1, -1), patches.expand(-1, count, -1, -1, -1), sketch)
        assert torch.allclose(single.image, many.image, atol=1e-4)


def test_the_mean_is_the_plain_mean_of_the_warps():
    warped, patches, sketch = given(2, 3)
    assert torch.allclose(network_of(embed="mean")(warped, patches, sketch).warped, warped.mean(1), atol=1e-6)


def test_slots_share_by_sketch():
    """References of one sketch share alike whatever their pictures; those of another sketch do not."""
    network = network_of(embed="slots")
    warped, patches, sketch = given(1, 2)
    patches[:, 1, 3:] = -patches[:, 1, 3:]
    shares = network(warped, patches, sketch).attention.detach()
    assert shares.sum(1).mean() == pytest.approx(1, abs=1e-5)
    assert not torch.allclose(shares, torch.full_like(shares, 0.5), atol=1e-3)
    patches[:, 1, 3:] = patches[:, 0, 3:]
    alike = network(warped, patches, sketch).attention
    assert torch.allclose(alike, torch.full_like(alike, 0.5))


STARTS = [{}, {"learned_flow": "residual"}, {"learned_flow": "instead"}, {"no_warp": True}]


@pytest.mark.parametrize("options", STARTS, ids=str)
def test_cropped_references_tell_nothing_of_the_mouth(options):
    network = network_of(hide_features=True, **options)
    warped, patches, sketch = given(1, 2)
    before = network(warped, patches, sketch).image
    warped[..., 12:20, 10:22] = noise(1, 2, 3, 8, 12, seed=9)
    patches[:, :, :3, 12:20, 10:22] = 0.0  # as dangerous a value to divide by as any
    assert torch.equal(network(warped, patches, sketch).image, before)
    warped[..., 2, 2] += 0.5
    patches[:, :, :3, 2, 2] += 0.5
    assert not torch.equal(network(warped, patches, sketch).image, before)


def test_hidden_pixels_are_black_and_the_others_untouched():
    picture = noise(1, 3, SIZE, SIZE)
    hidden = hide_features(picture, sketches(1))
    assert (hidden[..., 12:20, 10:22] == -1).all()
    assert torch.equal(hidden[..., :8, :], picture[..., :8, :])


@pytest.mark.parametrize("options", [{"no_warp": True}, {"learned_flow": "instead"}], ids=str)
def test_unwarped_networks_do_not_look_at_the_landmarks_warp(options):
    network = network_of(**options)
    warped, patches, sketch = given(1, 2)
    assert torch.equal(network(warped, patches, sketch).image, network(-warped, patches, sketch).image)


def test_a_drawn_face_shows_only_where_it_covers():
    network = network_of(drawn_face=True)
    with torch.no_grad():
        network.heads.bias[12:16] = 20  # nothing of the warp
        network.heads.bias[16:20] = -20  # nothing painted over the drawn face
    ani = torch.zeros(1, 4, SIZE, SIZE)
    ani[:, :3], ani[:, 3, :16] = 0.3, 1
    painted = network(*given(1, 1), ani=ani)
    assert torch.allclose(painted.image[..., 6:14, 6:26], torch.full((1, 3, 8, 20), 0.3), atol=1e-4)
    assert torch.allclose(painted.image[..., 18:26, 6:26], painted.colour[..., 18:26, 6:26], atol=1e-4)


def test_the_frame_before_shows_where_its_mask_lets_it():
    network = network_of(previous_frame=True)
    with torch.no_grad():
        network.heads.bias[16:20] = -20
        network.previous_flow.flow.weight.zero_()
    before = Previous(torch.full((1, 3, SIZE, SIZE), 0.3), sketches(1))
    inside = (..., slice(6, 26), slice(6, 26))
    assert torch.allclose(network(*given(1, 1), previous=before).image[inside], torch.tensor(0.3), atol=1e-3)
    first = network(*given(1, 1))
    assert first.previous is None and not torch.allclose(first.image[inside], torch.tensor(0.3), atol=0.1)


def test_identity_spade_takes_its_weights_from_the_person():
    network = network_of(identity_spade=True)
    warped, patches, sketch = given(1, 1)
    people = (torch.ones(1, 8), -torch.ones(1, 8))
    first, second = (network(warped, patches, sketch, embedding) for embedding in people)
    assert not torch.allclose(first.colour, second.colour)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"embed": "sum"}, "invalid model.embed 'sum': expected one of mean, attention, slots"),
        ({"learned_flow": "off"}, "expected one of none, residual, instead"),
        ({"no_warp": True, "learned_flow": "residual"}, "drop one"),
        ({"max_shots": 0}, "expected 1 or more"),
    ],
)
def test_wrong_options_are_named(options, said):
    with pytest.raises(ConfigError, match=said):
        config(**options)
    with pytest.raises(ConfigError, match="multiple of 8"):
        HybridConfig(patch=50)
