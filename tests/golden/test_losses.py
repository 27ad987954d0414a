"""Losses of the originals: stored inputs, stored values."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from talkface.losses.landmark import mouth_weighted_mse
from talkface.losses.matching import embedding_match
from talkface.losses.pixel import dynamic_l1, dynamic_weights

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def few_shot() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in np.load(HERE / "losses_few_shot.npz").items()}


@pytest.fixture(scope="module")
def atvgnet() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in np.load(HERE / "losses_atvgnet.npz").items()}


def features(stored: dict[str, torch.Tensor], what: str) -> list[torch.Tensor]:
    return [stored[f"{what}_{layer}"] for layer in range(7)]


def test_feature_matching_at_weight_10_is_47_summed_and_7_averaged(few_shot, parity):
    fake, real = features(few_shot, "fake"), features(few_shot, "real")
    adversarial = hinge_generator(few_shot["score_fake"])
    summed = adversarial + 10 * feature_matching(fake, real, "sum")
    parity("vt adversarial term with feature matching", summed, few_shot["vt_adversarial"], 1e-5)
    averaged = adversarial + 10 * feature_matching(fake, real, "mean")
    assert float(summed) == pytest.approx(47.47, abs=0.01) and float(averaged) == pytest.approx(7.40, abs=0.01)


def test_match_of_every_shot(few_shot, parity):
    each, rows = few_shot["e_vectors"][..., 0], few_shot["W"].T
    parity("vt match term", 10 * embedding_match(each, rows), few_shot["vt_match"], 1e-5)
    assert 10 * float(embedding_match(each.mean(1), rows)) == pytest.approx(5.22, abs=0.01)


def test_hinge(few_shot, parity):
    parity("hinge", hinge_discriminator(few_shot["fake_score"], few_shot["real_score"]), few_shot["hinge"])


def test_landmark_loss_as_coded(atvgnet, parity):
    predicted, real = (atvgnet[name].unflatten(-1, (68, 2)) for name in ("predicted", "real"))
    parity("ATVGnet landmark loss", mouth_weighted_mse(predicted, real, "coded"), atvgnet["landmark_coded"], 1e-4)


def test_dynamic_pixel_loss(atvgnet, parity):
    attention = atvgnet["attention"]
    weights = dynamic_weights(torch.zeros_like(attention), attention, 0.0)
    got = dynamic_l1(atvgnet["fake"], atvgnet["real_frames"], weights)
    parity("ATVGnet dynamic pixel loss", got, atvgnet["dynamic_pixel"])


def test_the_stored_networks_are_within_three_megabytes():
    assert sum(path.stat().st_size for path in HERE.iterdir()) < 3e6
    assert all("parameters" in json.loads(path.read_text()) for path in HERE.glob("*_generator.json"))
