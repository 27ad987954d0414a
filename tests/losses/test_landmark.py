"""Landmark losses: numpy as oracle, perfect predictions cost nothing."""

import numpy as np
import pytest
import torch

from talkface.landmarks.layout import point_weights
from talkface.losses.landmark import (
    LandmarkLossConfig,
    closing_l1,
    landmark_terms,
    lip_opening,
    mouth_weighted_mse,
    opening_correlation,
    point_l1,
)


@pytest.fixture
def motion() -> torch.Tensor:
    return torch.randn(2, 50, 68, 2, generator=torch.Generator().manual_seed(0))


def test_a_perfect_prediction_costs_nothing(motion: torch.Tensor) -> None:
    weight, importance = torch.ones(2, 50), torch.from_numpy(point_weights())
    terms = landmark_terms(motion, motion, weight, importance, LandmarkLossConfig(closed=1.0))
    assert {name: pytest.approx(0, abs=1e-3) for name in terms} == {k: v.item() for k, v in terms.items()}


def test_correlation_is_numpys_and_ignores_weightless_frames(motion: torch.Tensor) -> None:
    real, predicted = lip_opening(motion[:1]), lip_opening(motion[1:])
    weight = torch.ones(1, 50)
    weight[:, 30:] = 0
    expected = np.corrcoef(real[0, :30].numpy(), predicted[0, :30].numpy())[0, 1]
    assert opening_correlation(predicted, real, weight).item() == pytest.approx(expected, abs=1e-3)
    predicted[:, 30:] = 99.0
    assert opening_correlation(predicted, real, weight).item() == pytest.approx(expected, abs=1e-3)


def test_lips_that_open_by_thinning_cost_outline() -> None:
    wave = torch.sin(torch.linspace(0, 20, 50))
    real = torch.zeros(1, 50, 68, 2)
    real[0, :, [57, 58, 66, 67], 1] = 0.5 + 0.5 * wave[:, None]  # inner and outer lower lip alike
    thinning = real.clone()
    thinning[0, :, [57, 58], 1] = 0.0
    both = [
        landmark_terms(lips, real, torch.ones(1, 50), torch.ones(68), LandmarkLossConfig()) for lips in (real, thinning)
    ]
    assert both[0]["correlation"] == both[1]["correlation"]
    assert both[0]["outline"] < 1  # neither width nor lip height moves: their correlation is 0
    assert both[1]["outline"] > both[0]["outline"] + 0.3


def test_point_l1_by_hand() -> None:
    real = torch.zeros(1, 1, 68, 2)
    predicted = real.clone()
    predicted[0, 0, 62] = torch.tensor([1.0, 3.0])
    importance = torch.zeros(68)
    importance[60:64] = 1
    assert point_l1(predicted, real, torch.ones(1, 1), importance).item() == pytest.approx(2 / 4)


def test_closed_mouths_weigh_up_to_ten_times_and_open_ones_little() -> None:
    real = torch.zeros(1, 2, 68, 2)
    real[0, 1, 66, 1] = 1.0  # the second frame is open by one range
    predicted = real.clone()
    predicted[:, :, 48:68, 0] += 0.5
    # the mean over 20 points and two coordinates is 0.25; weights are 1 / 0.1 and 1 / 4.1
    assert closing_l1(predicted, real, torch.ones(1, 2)).item() == pytest.approx(0.25 * (10 + 1 / 4.1) / 2, rel=1e-5)


def test_coefficient_terms_by_hand_and_only_when_asked_for(motion: torch.Tensor) -> None:
    weight = torch.tensor([[1.0, 1.0, 0.0]])
    pair = (torch.tensor([[[1.0, 2.0], [0.0, 0.0], [9.0, 9.0]]]), torch.zeros(1, 3, 2))
    real, importance = motion[:1, :3], torch.from_numpy(point_weights())
    only = LandmarkLossConfig(points=0, correlation=0, velocity=0, outline=0, coefficient_mse=1.0, coefficient_l1=2.0)
    terms = landmark_terms(real, real, weight, importance, only, pair)
    assert {name: term.item() for name, term in terms.items()} == {"coefficient_mse": 1.25, "coefficient_l1": 1.5}
    assert set(landmark_terms(real, real, weight, importance, LandmarkLossConfig(), pair)) == {
        "outline",
        "points",
        "correlation",
        "velocity",
    }


@pytest.mark.parametrize(("weighting", "mouth_height"), [("published", 100.0), ("coded", 10_000.0)])
def test_mouth_weights_as_published_and_as_coded(weighting: str, mouth_height: float) -> None:
    real = torch.zeros(2, 68, 2)
    for index, axis, weight in ((66, 1, mouth_height), (48, 1, mouth_height), (66, 0, 1.0), (47, 1, 1.0), (8, 1, 1.0)):
        predicted = real.clone()
        predicted[0, index, axis] = 0.5
        assert mouth_weighted_mse(predicted, real, weighting).item() == pytest.approx(weight * 0.25 / (2 * 136))


def test_the_published_mouth_weight_is_the_default() -> None:
    real = torch.rand(3, 68, 2)
    assert torch.equal(mouth_weighted_mse(real, real + 0.1), mouth_weighted_mse(real, real + 0.1, "published"))
