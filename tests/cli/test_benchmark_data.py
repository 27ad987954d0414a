"""`benchmark train --data-only`: batches of three kinds are drawn from their shards and counted."""

from pathlib import Path

import pytest

from talkface.__main__ import run as talkface
from talkface.testing.shards import write_loud_mouth_shards

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize(
    ("config", "unit"),
    [
        ("audio2landmark/debug.yaml", "s of speech per second of one core's work"),
        ("renderer/fewshot_debug.yaml", "shots and a target per second of one core's work"),
        ("renderer/debug.yaml", "patches per second of one core's work"),
    ],
)
def test_what_a_core_makes_per_second_is_printed(tmp_path: Path, capsys, config: str, unit: str):
    write_loud_mouth_shards(tmp_path, {f"c{i}": f"s{i}" for i in range(4)}, frames=20, split="train")
    arguments = ["benchmark", "train", str(CONFIGS / config), "--data-only", "--seconds", "0.2"]
    assert talkface([*arguments, "--set", f"data.shards={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert unit in said and float(said.split()[0]) > 0


def test_other_kinds_are_refused(capsys):
    assert talkface(["benchmark", "train", str(CONFIGS / "headmotion" / "debug.yaml"), "--data-only"]) == 1
    assert "headmotion" in capsys.readouterr().err
