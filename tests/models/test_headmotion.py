"""The head-motion network: streams as it predicts, depends on its seed, and never runs away."""

import numpy as np
import pytest
import torch

from talkface.checkpoints.load import load_headmotion
from talkface.models.headmotion import (
    HEADMOTION,
    POSE,
    BlockMixture,
    Headmotion,
    HeadmotionConfig,
    build_headmotion,
    config_dict,
)

CONFIG = HeadmotionConfig(block=4, past=6, before=3, after=5, hidden=12, components=8, mixtures=3)


@pytest.fixture
def network() -> Headmotion:
    """Untrained, but with large shapes, so that nothing but its own limits holds it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Headmotion(CONFIG)
        made.shapes.copy_(torch.randn(made.shapes.shape))
        made.deviation.copy_(torch.tensor([0.05, 0.08, 0.04, 0.06, 0.03, 0.02]))
        made.log_scale_quartiles.copy_(torch.tensor([-0.5, 0.0, 0.4]))
    return made.eval()


def sound(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((frames, 3)).astype(np.float32)


@pytest.mark.parametrize("frames", [0, 1, 3, 4, 61])
def test_parts_of_any_length_give_the_same_as_the_whole(network: Headmotion, frames: int):
    features = sound(frames)
    whole = network.predict(features, seed=5)
    assert whole.shape == (frames, POSE)
    for sizes in ([1] * frames, [7, 2, 30, 1]):
        stream = network.start(5)
        edges = np.cumsum(sizes)[:-1]
        parts = [stream.push(part) for part in np.split(features, edges)]
        np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()]), whole)


def test_poses_come_while_the_speech_still_runs(network: Headmotion):
    stream = network.start(0)
    assert len(stream.push(sound(CONFIG.block + CONFIG.after - 1))) == 0
    assert len(stream.push(sound(1))) == CONFIG.block
    assert len(stream.push(sound(CONFIG.block))) == CONFIG.block


def test_what_is_said_later_than_it_hears_changes_nothing(network: Headmotion):
    first, second = sound(60), sound(60)
    second[40:] = 0
    same = 40 - CONFIG.after - CONFIG.block + 1
    ours, theirs = network.predict(first, seed=1), network.predict(second, seed=1)
    np.testing.assert_array_equal(ours[:same], theirs[:same])
    assert not np.array_equal(ours, theirs)


def test_samples_follow_the_seed(network: Headmotion):
    features = sound(80)
    ours, same, other = (network.predict(features, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(ours, same)
    assert np.abs(ours - other).max() > 0.01
    likeliest = network.predict(features, None)
    np.testing.assert_array_equal(likeliest, network.predict(features, None))


@pytest.mark.parametrize("loud", [0.0, 1.0])
def test_minutes_of_an_untrained_network_stay_inside_the_limits(network: Headmotion, loud: float):
    track = network.predict(loud * sound(25 * 120), seed=0)
    assert np.isfinite(track).all()
    liveliest = network.deviation.numpy() * np.exp(network.log_scale_quartiles.max().item())
    assert (np.abs(track) <= HEADMOTION.limit * liveliest).all()


def test_shapes_are_undone_and_the_base_only_loses_speed(network: Headmotion):
    past = torch.zeros(2, CONFIG.past, POSE)
    past[:, -1, 1] = 0.1
    base = network.base(past)
    assert (base[:, :, 1].diff(dim=1) > 0).all() and base[:, -1, 1].max() < 0.1 + 0.1 * 0.7 / 0.3
    sizes = torch.zeros(2, CONFIG.components)
    sizes[:, 2] = 0.05
    orthogonal = torch.linalg.qr(network.shapes.T)[0].T
    network.shapes.copy_(orthogonal)
    block = base + (sizes @ orthogonal).view(2, CONFIG.block, POSE)
    torch.testing.assert_close(network.encode(block, past), sizes, atol=1e-5, rtol=0)
    torch.testing.assert_close(network.decode(sizes, past), block, atol=1e-3, rtol=0)


def test_the_density_is_one_mixture_of_gaussians():
    """Against the formula, written out for two components of one number."""
    mixture = BlockMixture(
        torch.log(torch.tensor([[0.25, 0.75]])), torch.tensor([[[0.0], [2.0]]]), torch.zeros(1, 2, 1)
    )
    at = 0.5
    bell = [np.exp(-0.5 * (at - middle) ** 2) / np.sqrt(2 * np.pi) for middle in (0.0, 2.0)]
    expected = np.log(0.25 * bell[0] + 0.75 * bell[1])
    assert mixture.log_density(torch.tensor([[at]])).item() == pytest.approx(expected, rel=1e-5)


def test_a_checkpoint_rebuilds_it(network: Headmotion):
    class Kept:
        config = config_dict(CONFIG)
        tensors = network.state_dict()

    features = sound(30)
    np.testing.assert_array_equal(load_headmotion(Kept()).predict(features, 2), network.predict(features, 2))
    assert sum(p.numel() for p in build_headmotion({}).parameters()) < 250_000
