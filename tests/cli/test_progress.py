"""Progress in a log: a line now and then, nothing for what is quick."""

import subprocess
import sys
from pathlib import Path

import pytest

from talkface.cli.animate import default_out
from talkface.cli.options import refuse_missing
from talkface.cli.progress import ProgressLines, frame_progress
from talkface.errors import MediaError


def test_a_line_comes_when_it_is_due(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines("out.mp4", "frames", every_s=0.0)
    lines(3, 10)
    lines(7, 10, ", 1 refused")
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("out.mp4: 3 of 10 frames, ") and said[1].endswith("per second, 1 refused")
    ProgressLines("out.mp4", "frames")(1, 10)
    assert capsys.readouterr().err == ""


def test_what_is_slow_is_said_with_the_time_that_is_left_and_a_hint_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    lines = ProgressLines("out.mp4", "frames", hint=" (slow)")
    clock[0] = 40.0
    lines(10, 100)
    clock[0] = 80.0
    lines(20, 100)
    assert capsys.readouterr().err.splitlines() == [
        "out.mp4: 10 of 100 frames, 4 s each, 6 minutes left (slow)",
        "out.mp4: 20 of 100 frames, 4 s each, 5 minutes left",
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


def test_a_missing_photo_is_refused_before_torch_is_imported() -> None:
    script = (
        "import sys\nfrom talkface.__main__ import run\n"
        "assert run(['animate', 'none.jpg', 'none.wav']) == 1\nassert 'torch' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "no file none.jpg" in ran.stderr


def test_the_default_name_fits_whatever_the_inputs_are_called() -> None:
    assert default_out(["a/ada.jpg"], "b/hello.wav") == Path("ada_hello.mp4")
    long = default_out(["月" * 45 + ".jpg"], "声" * 38 + ".wav")
    assert len(long.name.encode()) <= 255 and long.suffix == ".mp4"
