"""`evaluate audio2landmark`: what it writes, which clips it shows, what it refuses."""

import json
from pathlib import Path

import pytest
import torch

from talkface.__main__ import run
from talkface.checkpoints.format import Checkpoint, save_checkpoint
from talkface.cli.evaluate_speech import column_name, spread
from talkface.models.audio2landmark import Audio2Landmark, Audio2LandmarkConfig, config_dict
from talkface.testing.shards import write_loud_mouth_shards

PEOPLE = {"a0": "anna", "a1": "anna", "b0": "ben"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained, but of the right kind."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Audio2Landmark(
            Audio2LandmarkConfig(num_mels=32, channels=8, hidden=8, components=2, phones=0, members=1)
        )
    with torch.no_grad():
        network.decoder[0, [65, 66, 67], 1] = 0.2
    path = tmp_path_factory.mktemp("run") / "best.safetensors"
    save_checkpoint(path, Checkpoint("audio2landmark", config_dict(network.config), network.state_dict()))
    return path


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_loud_mouth_shards(folder, PEOPLE)
    return folder


def test_scores_plots_and_videos_are_written(checkpoint: Path, shards: Path, tmp_path: Path, capsys):
    out = tmp_path / "deep" / "out"
    arguments = ["evaluate", "audio2landmark", str(checkpoint), str(shards), "--out", str(out), "--videos", "1"]
    assert run(arguments) == 0
    printed = capsys.readouterr().out
    assert "3 clips of 2 speakers" in printed and "static face" in printed and "anna" in printed
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    tables = {"clips.jsonl", "clips.csv", "scores.jsonl", "speakers.csv"}
    assert files == {*tables, "openings.png", "speakers.png", "videos/a0.mp4"}
    rows = [json.loads(line) for line in (out / "clips.jsonl").read_text().splitlines()]
    assert len(rows) == 3 * 4 and {row["speaker"] for row in rows} == {"anna", "ben"}
    before = (out / "clips.jsonl").read_bytes()
    assert run([*arguments, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert (out / "clips.jsonl").read_bytes() == before, "the same command gives the same scores"


def test_one_speaker_without_pictures(checkpoint: Path, shards: Path, tmp_path: Path):
    wish = ["--speaker", "ben", "--plots", "0", "--videos", "0", "--quiet", "--split", "all"]
    assert run(["evaluate", "audio2landmark", str(checkpoint), str(shards), "--out", str(tmp_path), *wish]) == 0
    assert len((tmp_path / "clips.jsonl").read_text().splitlines()) == 4
    assert not (tmp_path / "openings.png").exists() and not (tmp_path / "videos").exists()


@pytest.mark.parametrize(
    ("speakers", "count", "expected"),
    [
        ("aabbcc", 2, [0, 4]),
        ("aabbcc", 3, [0, 2, 4]),
        ("aaaaa", 3, [0, 1, 4]),
        ("abc", 9, [0, 1, 2]),
        ("abc", 0, []),
    ],
)
def test_clips_to_show_are_of_many_speakers(speakers: str, count: int, expected: list[int]):
    assert sorted(spread(list(speakers), count)) == expected


def test_networks_are_called_by_name_or_run():
    assert column_name("audio2landmark") == "audio2landmark"
    assert column_name("runs/atnet/best.safetensors") == "atnet"
    assert column_name("elsewhere/mine.safetensors") == "mine"


def damage(folder: Path) -> None:
    (folder / "shard-00000.index.json").write_text("{")


def cut_short(folder: Path) -> None:
    whole = (folder / "shard-00000.tar").read_bytes()
    (folder / "shard-00000.tar").write_bytes(whole[: len(whole) // 2])


def cut_short_without_index(folder: Path) -> None:
    cut_short(folder)
    (folder / "shard-00000.index.json").unlink()


def no_shard(folder: Path) -> None:
    (folder / "shard-00000.index.json").unlink()
    (folder / "shard-00000.tar").write_text("not a tar")


@pytest.mark.parametrize("harm", [damage, cut_short, cut_short_without_index, no_shard])
def test_unreadable_shards_are_one_line(harm, checkpoint: Path, tmp_path: Path, capsys):
    write_loud_mouth_shards(tmp_path / "shards", PEOPLE)
    harm(tmp_path / "shards")
    refused(checkpoint, tmp_path / "shards", tmp_path, capsys, "shard-00000")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_silent_shards_are_one_line(checkpoint: Path, tmp_path: Path, capsys):
    write_loud_mouth_shards(tmp_path / "shards", PEOPLE, silent=True)
    refused(checkpoint, tmp_path / "shards", tmp_path, capsys, "none of the 3 chosen clips of split test")


def test_an_empty_split_is_one_line(checkpoint: Path, tmp_path: Path, capsys):
    write_loud_mouth_shards(tmp_path / "shards", PEOPLE, split="train")
    refused(checkpoint, tmp_path / "shards", tmp_path, capsys, "it has train")


def test_wrong_inputs_are_one_line(checkpoint: Path, shards: Path, tmp_path: Path, capsys):
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, Checkpoint("hybrid", {}, {"x": torch.zeros(1)}))
    broken = tmp_path / "broken.safetensors"
    save_checkpoint(broken, Checkpoint("audio2landmark", {"num_mels": 16}, {"x": torch.zeros(1)}))
    (tmp_path / "file").write_text("")
    refused(other, shards, tmp_path, capsys, "holds a network of kind hybrid, expected audio2landmark")
    refused(broken, shards, tmp_path, capsys, "does not fit this version")
    refused(tmp_path / "nowhere.safetensors", shards, tmp_path, capsys, "nowhere")
    refused(checkpoint, tmp_path, tmp_path, capsys, "no shards in")
    refused(checkpoint, shards, tmp_path, capsys, "did you mean 'anna'", "--leave-out", "ana")
    refused(checkpoint, shards, tmp_path / "file", capsys, "cannot be made")


def refused(checkpoint: Path, shards: Path, out: Path, capsys, message: str, *options: str) -> None:
    arguments = ["evaluate", "audio2landmark", str(checkpoint), str(shards), "--out", str(out / "out"), *options]
    assert run(arguments) == 1
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1, printed
