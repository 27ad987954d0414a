"""`evaluate renderer`: families side by side, what it writes, what it refuses."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow

from talkface.__main__ import USAGE, run
from talkface.checkpoints.fewshot import build_fewshot, fewshot_checkpoint
from talkface.checkpoints.format import Checkpoint, save_checkpoint
from talkface.cli.evaluate_renderer import column_names, renderer_family
from talkface.config import load_config
from talkface.models.audio2landmark import Audio2Landmark, Audio2LandmarkConfig, config_dict
from talkface.models.hybrid import Hybrid, HybridConfig
from talkface.testing.shards import write_loud_mouth_shards
from talkface.training.jobs.fewshot_config import FewshotTraining
from tests.pages import ROOT

PEOPLE = {"a0": "anna", "b0": "ben", "c0": "cleo"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of three people, and tiny networks that were never trained."""
    folder = tmp_path_factory.mktemp("desk")
    write_loud_mouth_shards(folder / "shards", PEOPLE, frames=24, unit=22.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hybrid = HybridConfig(patch=32, channels=(8, 8, 8), depth=1, embedding=8)
        fewshot = load_config(FewshotTraining, ROOT / "configs" / "renderer" / "fewshot_debug.yaml").model
        speech = Audio2Landmark(
            Audio2LandmarkConfig(num_mels=32, channels=8, hidden=8, components=2, phones=0, members=1)
        )
        renderer = Hybrid(hybrid)
        save_checkpoint(
            folder / "small" / "best.safetensors", Checkpoint("hybrid", asdict(hybrid), renderer.state_dict())
        )
        save_checkpoint(folder / "few.safetensors", fewshot_checkpoint(build_fewshot(fewshot), {}))
        save_checkpoint(
            folder / "hears.safetensors", Checkpoint("audio2landmark", config_dict(speech.config), speech.state_dict())
        )
    return folder


def command(desk: Path, out: Path, *options: str) -> list[str]:
    networks = [str(desk / "small" / "best.safetensors"), str(desk / "few.safetensors")]
    return ["evaluate", "renderer", *networks, "--shards", str(desk / "shards"), "--out", str(out), *options]


def test_two_families_and_two_numbers_of_shots_make_one_table(desk: Path, tmp_path: Path, capsys):
    assert run(command(desk, tmp_path, "--shots", "3,1", "--people", "2", "--targets", "2", "--threads", "1")) == 0
    printed = capsys.readouterr().out
    for words in ("2 held-out people", "photo only", "real, re-encoded", "warp, 1", "small, 3", "few, 1", "LMD"):
        assert words in printed
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    names = ["photo only", "real, re-encoded", "warp, 1", "small, 1", "small, 3", "few, 1", "few, 3"]
    assert [row["renderer"] for row in rows] == names
    assert float(rows[1]["ssim"]) > 0.9 and float(rows[3]["frame_ms"]) > 0 and rows[0]["frame_ms"] == ""
    people = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
    assert len(people) == 7 * 2 and {person["person"] for person in people} == {"anna", "cleo"}
    measures = {
        json.loads(line)["name"]: json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()
    }
    assert set(measures["ssim_gain"]["scores"]) == set(names) - {"small, 1", "real, re-encoded"}
    assert len(list(csv.DictReader((tmp_path / "people.csv").read_text().splitlines()))) == len(people)
    files = {"people.csv", "people.jsonl", "pictures_1.png", "pictures_3.png", "scores.csv", "scores.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == files
    for count in (1, 3):
        assert Pillow.open(tmp_path / f"pictures_{count}.png").width == 5 * 160, "warp, which has no row of 3, is there"


def test_the_speech_network_may_drive(desk: Path, tmp_path: Path, capsys):
    heard = ["--landmarks", "predicted", "--speech-model", str(desk / "hears.safetensors"), "--quiet"]
    options = ["--people", "1", "--targets", "1", "--against", "few", *heard]
    assert run(command(desk, tmp_path, *options)) == 0
    assert capsys.readouterr().out == ""
    people = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
    assert [person["system"] for person in people] == ["photo only", "real, re-encoded", "warp", "small", "few"]
    gains = json.loads((tmp_path / "scores.jsonl").read_text().splitlines()[-1])
    assert set(gains["scores"]) == {"photo only", "warp, 1", "small, 1"}


def test_the_kind_decides_the_family(desk: Path):
    few = str(desk / "few.safetensors")
    assert renderer_family("warp") == ("warp", None)
    assert renderer_family(few) == ("fewshot", few)


def test_names_are_as_short_as_tells_networks_apart():
    paths = ["runs/a/best.safetensors", "runs/b/best.safetensors", "old/b/best.safetensors", "x/warp.safetensors"]
    assert list(column_names(paths)) == ["warp", "a", *paths[1:]]
    assert column_names(["warp", "hybrid", "hybrid"]) == {"warp": "warp", "hybrid": "hybrid"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shots", "1,none"], "expected whole numbers above 0"),
        (["--landmarks", "drawn"], "expected real or predicted"),
        (["--against", "nobody"], "expected one of warp, small, few"),
        (["--leave-out", "ana"], "did you mean 'anna'"),
        (["--shots", "30"], "has 30 + 5 frames with a face"),
        (["--split", "train"], "it has test"),
    ],
)
def test_wrong_options_are_one_line(options: list[str], message: str, desk: Path, tmp_path: Path, capsys):
    assert run(command(desk, tmp_path / "out", *options)) == (USAGE if "--landmarks" in options else 1)
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1, printed
    assert not (tmp_path / "out").exists()


def test_a_network_that_paints_nothing_is_one_line(desk: Path, tmp_path: Path, capsys):
    arguments = ["evaluate", "renderer", str(desk / "hears.safetensors"), "--shards", str(desk / "shards")]
    assert run([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "holds a network of kind audio2landmark, expected a renderer" in capsys.readouterr().err


def test_a_network_gets_the_table_of_its_kind(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--people", "1", "--targets", "1", "--shots", "1", "--out", str(tmp_path)]
    assert run(["evaluate", "model", str(desk / "small" / "best.safetensors"), str(desk / "shards"), *options]) == 0
    assert "small, 1" in capsys.readouterr().out and (tmp_path / "scores.csv").is_file()
    assert run(["evaluate", "model", str(desk / "hears.safetensors"), str(desk / "shards"), "--people", "1"]) == 2
    assert "--people" in capsys.readouterr().err, "the speech table has no such option"
    save_checkpoint(tmp_path / "x.safetensors", Checkpoint("caffe_vgg19", {}, {"a": torch.zeros(1)}))
    assert run(["evaluate", "model", str(tmp_path / "x.safetensors"), "shards"]) == 1
    assert "is of kind caffe_vgg19: expected a network" in capsys.readouterr().err
