"""Progress in a log: a line now and then, nothing for what is quick."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from talkface.cli.animate import default_out
from talkface.cli.options import refuse_missing
from talkface.cli.progress import ProgressLines, frame_progress
from talkface.errors import MediaError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the test sets, in a list of one."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_line_comes_when_it_is_due(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines("out.mp4", "frames", every_s=0.0)
    lines(3, 10)
    lines(7, 10, ", 1 refused")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "out.mp4: 3 of 10 frames" and said[1].endswith("per second, 1 refused")
    ProgressLines("out.mp4", "frames")(1, 10)
    assert capsys.readouterr().err == ""


def test_what_is_slow_is_said_with_the_time_that_is_left_and_a_hint_once(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    lines = ProgressLines("out.mp4", "frames", hint=" (slow)")
    lines(0, 100)
    clock[0] = 40.0
    lines(10, 100)
    clock[0] = 80.0
    lines(20, 100)
    assert capsys.readouterr().err.splitlines() == [
        "out.mp4: 10 of 100 frames, 4 s each, 6 minutes left (slow)",
        "out.mp4: 20 of 100 frames, 4 s each, 5 minutes left",
    ]


def test_what_came_before_the_first_call_is_no_part_of_the_pace(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    lines = ProgressLines("out.mp4", "frames", hint=" (slow)")
    clock[0] = 35.0
    lines(1, 2000)
    clock[0] = 65.0
    lines(601, 2000)
    assert capsys.readouterr().err.splitlines() == [
        "out.mp4: 1 of 2000 frames",
        "out.mp4: 601 of 2000 frames, 20.0 per second, 1 minute left",
    ]


def test_a_pipe_gets_lines_and_quiet_gets_none() -> None:
    with frame_progress("out.mp4") as report:
        assert isinstance(report, ProgressLines)
    with frame_progress("out.mp4", quiet=True) as report:
        assert report is None


def test_missing_files_are_refused_and_kept_names_are_not(tmp_path: Path) -> None:
    there = tmp_path / "a.jpg"
    there.write_bytes(b"x")
    refuse_missing([str(there), "ada", None, str(tmp_path)])
    for missing in ("b.jpg", "folder/ada", str(tmp_path / "none")):
        with pytest.raises(MediaError, match="no file"):
            refuse_missing([missing])


def test_missing_photos_and_pipes_are_refused_before_torch_is_imported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "photo.jpg").write_bytes(b"x")
    script = (
        "import sys\nfrom talkface.__main__ import run\n"
        "assert run(['animate', 'none.jpg', 'none.wav']) == 1\n"
        f"assert run(['animate', {str(tmp_path / 'photo.jpg')!r}, {str(tmp_path / 'pipe.wav')!r}]) == 1\n"
        "assert 'torch' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "no file none.jpg" in ran.stderr
    assert "pipe.wav is a pipe or a device, expected a file: write it to a file first" in ran.stderr


def test_the_default_name_fits_whatever_the_inputs_are_called() -> None:
    assert default_out(["a/ada.jpg"], "b/hello.wav") == Path("ada_hello.mp4")
    long = default_out(["月" * 45 + ".jpg"], "声" * 38 + ".wav")
    assert len(long.name.encode()) <= 255 and long.suffix == ".mp4"
