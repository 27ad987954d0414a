"""The script that fits the weights of covered mouths, refitted on a few drawn faces."""

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from talkface.landmarks.suitability import COVER, WEIGHTS, cover_features
from talkface.testing.clips import draw_face, draw_person

SCRIPT = Path(__file__).parents[2] / "scripts/train_mouth_cover.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_mouth_cover", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lower_half(number: int) -> np.ndarray:
    """The part below the eyes of a drawn person."""
    rng = np.random.default_rng(number)
    face = draw_face(draw_person(rng), float(rng.uniform(0, 1)))[72:144, 44:116]
    return np.asarray(cv2.resize(face, (COVER.patch, COVER.patch)), np.uint8)


def samples(script: ModuleType, numbers: range) -> tuple[np.ndarray, np.ndarray]:
    """Features of free and covered mouths of some people, and which are which."""
    rng = np.random.default_rng(numbers.start)
    textures = [np.asarray(rng.integers(0, 255, (COVER.patch, COVER.patch, 3)), np.uint8)]
    rows, truth = [], []
    for number in numbers:
        for _ in range(2):
            free = script.beside_mouth(script.vary(lower_half(number), rng), textures, rng)
            hidden = script.over_mouth(script.vary(lower_half(number), rng), textures, rng)
            rows += [cover_features(free), cover_features(hidden)]
            truth += [0, 1]
    return np.stack(rows), np.array(truth)


def test_a_refit_tells_covered_mouths_of_other_people(script: ModuleType) -> None:
    rows, truth = samples(script, range(40))
    weights = script.fit(rows, truth)
    assert weights.shape == np.load(WEIGHTS).shape and np.isfinite(weights).all()
    others, wanted = samples(script, range(100, 130))
    found = others @ weights[:-1] + weights[-1] > 0
    assert (found == wanted).mean() > 0.9


def test_labels_that_say_nothing_give_weights_that_say_nothing(script: ModuleType) -> None:
    rows, _ = samples(script, range(6))
    weights = script.fit(rows, np.arange(len(rows)) // 2 % 2)
    pairs = rows @ weights[:-1] + weights[-1]
    assert np.abs(pairs).max() < 3
    assert script.fit(rows, np.zeros(len(rows), int))[-1] < 0
