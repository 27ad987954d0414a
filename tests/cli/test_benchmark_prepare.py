"""`talkface benchmark prepare` prints both speeds, and one line for a wrong path."""

from pathlib import Path

from talkface.__main__ import run
from talkface.cli.benchmark_prepare import ClipSpeed, total_speed
from talkface.testing.clips import write_talking_clip


def test_prints_both_speeds(tmp_path: Path, capsys):
    write_talking_clip(tmp_path / "talk.mkv", 1, 0.4)
    assert run(["benchmark", "prepare", str(tmp_path), "--frames", "6", "--starts", "1"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "talk.mkv" in printed and "160x160" in printed and "target: at least 4 times" in printed


def test_wrong_path(tmp_path: Path, capsys):
    assert run(["benchmark", "prepare", str(tmp_path / "absent.mp4")]) == 1
    assert "no file or folder" in capsys.readouterr().err


def test_total_weighs_clips_by_their_time():
    total = total_speed([ClipSpeed("a", (1, 1), 10, 1.0, 2.0), ClipSpeed("b", (1, 1), 10, 1.0, 10.0)])
    assert (total.frames, total.ratio) == (20, 6.0)
