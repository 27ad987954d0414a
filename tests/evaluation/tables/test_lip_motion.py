"""Scores of lips and brows against made landmarks whose motion is a known share of the real one's."""

import numpy as np
import pytest

from talkface.evaluation.tables.lip_motion import LIP_MOTION, THEVAL_ROWS, lip_motion
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import Waveform

FRAMES = 100


def speaking(amount: float) -> np.ndarray:
    points = np.repeat(MEAN_FACE[None].astype(np.float64), FRAMES, 0)
    wave = np.sin(np.linspace(0, 16 * np.pi, FRAMES))
    points[:, [65, 66, 67, 56, 57, 58], 1] += 0.05 * (1 + amount * wave)[:, None]
    points[:, [48, 60], 0] += 0.03 * amount * wave[:, None]
    points[:, 17:27, 1] += 0.02 * amount * wave[:, None]
    return points * 200 + 300


@pytest.fixture
def speech() -> Waveform:
    noise = np.random.default_rng(0).standard_normal(FRAMES * 640).astype(np.float32)
    noise[40 * 640 : 60 * 640] = 0
    return Waveform(0.1 * noise)


def test_the_real_motion_scores_full_marks(speech: Waveform) -> None:
    best = dict.fromkeys((quantity.name for quantity in LIP_MOTION), 1.0) | {"m_lmd": 0.0, "f_lmd": 0.0}
    scores = lip_motion(speaking(1), speaking(1), speech)
    assert {name: scores[name] for name in best} == pytest.approx(best)
    assert set(scores) == {*best, *THEVAL_ROWS}, "every score has a row"


def test_lengths_are_pixels_of_a_256_crop_whatever_the_videos_size(speech: Waveform) -> None:
    small, large = (lip_motion(scale * speaking(0.5), scale * speaking(1), speech) for scale in (0.5, 2.0))
    assert small["m_lmd"] == pytest.approx(large["m_lmd"], rel=0.02) and small["f_lmd"] == pytest.approx(
        large["f_lmd"], rel=0.02
    )
    assert 0 < small["f_lmd"] < small["m_lmd"] < 3


def test_half_the_motion_scores_half(speech: Waveform) -> None:
    scores = lip_motion(speaking(0.5), speaking(1), speech)
    assert (
        scores["lip_distance_r"] > 0.999
        and scores["width_r"] > 0.999
        and scores["width_std"] == pytest.approx(0.5, rel=0.02)
    )
    assert scores["rounding_std"] == pytest.approx(0.5, rel=0.1)
    whole = lip_motion(speaking(1), speaking(1), speech)
    for name in ("silent_lips", "lip_dynamics", "brows"):
        assert scores[name] == pytest.approx(0.5 * whole[name], rel=0.1)
