"""Scores of head motion on constructed motion, where the answers are known; and the command that prints them."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.__main__ import run
from talkface.checkpoints.format import Checkpoint, save_checkpoint
from talkface.evaluation.tables.headmotion import preference
from talkface.evaluation.tables.headmotion_scores import (
    HeadRow,
    chance_alignment,
    frechet_distance,
    moments,
    pooled_score,
    random_walk,
    score_motion,
    spectra,
    spectrum_distance,
)
from talkface.models.headmotion import Headmotion, HeadmotionConfig, config_dict
from talkface.testing.shards import write_loud_mouth_shards

FPS = Fraction(25)
PEOPLE = ["a", "b", "c", "d"]


def drift(frames: int, seed: int, size: float = 0.05, width: int = 15) -> np.ndarray:
    """Smooth `[T, 5]` noise of standard deviation `size`."""
    noise = np.random.default_rng(seed).standard_normal((frames + 4 * width, 5))
    smooth = np.apply_along_axis(np.convolve, 0, noise, np.hanning(width), "same")[2 * width : -2 * width]
    return size * (smooth - smooth.mean(0)) / smooth.std(0)


def rows(system: str, size: float, seed: int, width: int = 15) -> list[HeadRow]:
    onsets = np.arange(20, 280, 25)
    return [
        score_motion(system, f"{person}0", person, [drift(300, seed + index, size, width)], onsets, FPS)
        for index, person in enumerate(PEOPLE)
    ]


def test_frechet_distance_of_known_gaussians():
    """Both diagonal: each dimension adds (mean difference)^2 + (std - std)^2, over the real variance."""

    def moment(mean: list[float], std: list[float]) -> np.ndarray:
        cov, centre = np.diag(np.square(std)), np.array(mean)
        return np.column_stack([cov + np.outer(centre, centre), centre])

    made, real = moment([1.0, 0.0], [2.0, 1.0]), moment([0.0, 0.0], [1.0, 0.5])
    assert frechet_distance(made, real) == pytest.approx(1 + 1 + 1)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(moment([0, 0], [0, 0]), real) == pytest.approx(2)


def test_heads_that_move_alike_are_near_and_stiller_or_faster_ones_are_not():
    real = rows("real", 0.05, 0)
    alike, small, fast = rows("alike", 0.05, 50), rows("small", 0.02, 90), rows("fast", 0.05, 50, width=7)

    def distances(made: list[HeadRow]) -> tuple[float, float]:
        pooled = pooled_score(moments(made, PEOPLE), moments(real, PEOPLE), frechet_distance)
        waves = pooled_score(spectra(made, PEOPLE), spectra(real, PEOPLE), spectrum_distance)
        assert pooled.low <= pooled.value + 1e-9 and pooled.count == waves.count == 4
        return pooled.value, waves.value

    near, still, quick = distances(alike), distances(small), distances(fast)
    assert near[0] < 0.3 < still[0] and near[0] < 0.3 < quick[0]
    assert near[1] < min(still[1], quick[1])


def test_twice_the_speed_is_six_decibels():
    power = np.abs(np.random.default_rng(0).standard_normal((12, 5))) + 1
    assert spectrum_distance(4 * power, power) == pytest.approx(6.02, abs=0.02)
    assert spectrum_distance(0 * power, power) == pytest.approx(30, abs=3)


def test_a_head_that_turns_on_the_onsets_is_in_time():
    onsets = np.cumsum([20, 17, 31, 24, 19, 28, 22, 35, 18, 26])
    turns = np.interp(np.arange(300), [0, *onsets, 299], np.arange(12))
    track = np.zeros((300, 5))
    track[:, 0] = 0.05 * np.cos(np.pi * turns)  # turns round at each onset
    good = score_motion("good", "c", "a", [track], onsets, FPS)
    late = score_motion("late", "c", "a", [np.roll(track, 10, 0)], onsets, FPS)
    assert good["in_time"] > 0.3 and good["in_time"] > late["in_time"] + 0.2
    assert chance_alignment(np.zeros(0, int), onsets, 300, FPS) == 0


def test_extent_speed_and_variety_are_in_degrees():
    time = np.arange(250) / 25
    track = np.zeros((250, 5))
    track[:, 1] = np.radians(3) * np.sin(2 * np.pi * time)
    scored = score_motion("s", "c", "a", [track, track], np.array([10]), FPS)
    assert scored["extent"] == pytest.approx(3 / np.sqrt(2) / 3, rel=0.01)
    assert scored["speed"] == pytest.approx(3 * 2 * np.pi * 2 / np.pi, rel=0.02) and scored["variety"] == 0
    assert np.isnan(score_motion("s", "c", "a", [track], np.array([10]), FPS)["variety"])


def test_a_random_walk_stays_inside_the_picture():
    walk = random_walk(3000, np.full(5, 0.01), 0)
    assert np.degrees(np.abs(walk[:, :3])).max() < 15 and np.abs(walk[:, 3:]).max() <= 0.2


def test_the_better_of_two_is_preferred_and_not_the_other_way():
    made = {"network": rows("network", 0.05, 50), "rhythm": rows("rhythm", 0.01, 90), "real": rows("real", 0.05, 0)}
    assert preference([row for each in made.values() for row in each], "network").preferred
    swapped = [*rows("network", 0.01, 90), *rows("rhythm", 0.05, 50), *made["real"]]
    assert not preference(swapped, "network").preferred


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    write_loud_mouth_shards(folder, {"a0": "anna", "a1": "anna", "b0": "ben"}, nod=1.5, frames=80)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Headmotion(HeadmotionConfig(block=4, past=4, before=2, after=2, hidden=8, components=4, mixtures=2))
        network.shapes.copy_(0.3 * torch.randn(network.shapes.shape))
    network.deviation.fill_(0.03)
    path = tmp_path_factory.mktemp("run") / "mine" / "best.safetensors"
    save_checkpoint(path, Checkpoint("headmotion", config_dict(network.config), network.state_dict()))
    return path


def test_the_command_writes_tables_and_plots(shards: Path, checkpoint: Path, tmp_path: Path, capsys):
    arguments = ["evaluate", "headmotion", str(checkpoint), str(shards), "--out", str(tmp_path / "out")]
    assert run(arguments) == 0
    printed = capsys.readouterr().out
    assert "mine: 3 clips of 2 speakers" in printed and "preferred to the rhythm:" in printed
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"angles.png", "spectra.png", "clips.jsonl", "clips.csv", "scores.jsonl"}
    measures = {
        row["name"]: row["scores"]
        for row in map(json.loads, (tmp_path / "out" / "scores.jsonl").read_text().splitlines())
    }
    assert set(measures["frechet"]) == {"mine", "rhythm", "still", "random walk", "other clip", "real"}
    assert measures["frechet"]["real"]["value"] == 0 and measures["frechet"]["still"]["value"] > 1
    assert measures["extent"]["still"]["value"] == 0 and measures["extent"]["real"]["value"] > 0.3
    before = (tmp_path / "out" / "clips.jsonl").read_bytes()
    assert len(before.splitlines()) == 3 * 6
    assert run([*arguments, "--quiet"]) == 0
    assert capsys.readouterr().out == "" and (tmp_path / "out" / "clips.jsonl").read_bytes() == before


def test_what_cannot_be_scored_is_one_line(shards: Path, checkpoint: Path, tmp_path: Path, capsys):
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, Checkpoint("hybrid", {}, {"x": torch.zeros(1)}))
    for network, words in (("rhythm", "what networks are scored against"), (other, "holds a network of kind hybrid")):
        assert run(["evaluate", "headmotion", str(network), str(shards), "--out", str(tmp_path / "out")]) == 1
        printed = capsys.readouterr().err
        assert words in printed and printed.count("\n") == 1
    assert not (tmp_path / "out").exists()
