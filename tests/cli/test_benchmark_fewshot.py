"""`talkface benchmark train` prints every table for a small network."""

from pathlib import Path

from talkface.__main__ import run

DEBUG = Path(__file__).resolve().parents[2] / "configs" / "renderer" / "fewshot_debug.yaml"


def test_prints_frames_training_and_table(capsys):
    assert run(["benchmark", "train", str(DEBUG), "--frames", "1", "--videos", "500"]) == 0
    printed = capsys.readouterr().out
    for words in ("fp32, as trained", "bf16, folded", "targets/s", "discriminator x 2", "500 videos"):
        assert words in printed
