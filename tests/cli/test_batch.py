"""`talkface batch` as users run it: killed and run again, with bad rows, as a grid."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.__main__ import run
from talkface.cli.batch import _batch_progress, parse_common, row_line
from talkface.inference.batch.results import Outcome
from talkface.inference.batch.run import BatchProgress

soundfile = pytest.importorskip("soundfile")

BAD = {3: "empty.jpg", 6: "none.png"}
ROWS = 9


@pytest.fixture(scope="module")
def desk(tmp_path_factory, astronaut) -> Path:
    """A manifest of nine rows of 0.3 s, two of them bad."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "photos").mkdir()
    (folder / "speech").mkdir()
    Pillow.fromarray(astronaut[:260, 100:360]).save(folder / "photos" / "ada.png")
    (folder / "photos" / "empty.jpg").touch()
    rng = np.random.default_rng(0)
    lines = []
    for number in range(ROWS):
        sound = 0.1 * rng.standard_normal(4800).astype(np.float32)
        soundfile.write(folder / "speech" / f"{number}.wav", sound, 16_000)
        photo = BAD.get(number, "ada.png")
        lines.append(json.dumps({"photo": f"photos/{photo}", "speech": f"speech/{number}.wav", "out": f"{number}.mp4"}))
    (folder / "rows.jsonl").write_text("\n".join(lines))
    return folder


def results(out: Path) -> list[dict]:
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def videos(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.mp4")}


def outcome(**given) -> Outcome:
    made = Outcome(3, "k", "ada.mp4", ["ada.jpg"], "a.wav", num_frames=75, size=(512, 512), seconds=12.3)
    return replace(made, **given)


def test_in_a_log_each_row_has_its_line_and_short_rows_one_per_second(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    short = outcome(row=4, seconds=0.2)
    with _batch_progress(9, quiet=False) as report:
        report(BatchProgress(9, 1, 0, 75, (outcome(), short)))
        clock[0] = 1.5
        report(BatchProgress(9, 3, 0, 90, (replace(short, row=5), replace(short, row=6))))
        clock[0] = 3.0
        report(BatchProgress(9, 4, 1, 90, (outcome(row=7, status="failed", reason="no face\x1b[m", seconds=0.0),)))
    assert [line for line in capsys.readouterr().err.splitlines() if line.strip()] == [
        "row 3: ada.mp4, 75 frames of 512x512 in 12.3 s",
        "row 5: ada.mp4, 75 frames of 512x512 in 0.2 s",
        r"row 7 failed: no face\x1b[m",
    ]
    slow = row_line(outcome(size=(2048, 2048), seconds=60.0))
    assert slow.endswith("in 60.0 s (slow: 2048x2048; a smaller photo, or fewer frames per second, takes less)")


def test_a_killed_run_ends_like_an_unbroken_one(desk, tmp_path):
    unsigned = ["--set", "sign=false"]  # each signature has other bytes
    words = ["batch", str(desk / "rows.jsonl"), "--set", "renderer=warp", *unsigned]
    process = [sys.executable, "-m", "talkface", *words, "--workers", "1", "--quiet", "--out", str(tmp_path / "killed")]
    running = subprocess.Popen(process, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 240
    while len(list((tmp_path / "killed" / ".rows").glob("*.json"))) < 3:
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)  # the parent alone: its worker must notice and end
    running.wait()
    done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*.mp4")}
    assert 1 <= len(done) < ROWS - len(BAD)
    assert subprocess.run(process, stderr=subprocess.DEVNULL).returncode == 1, "two rows failed"
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*.mp4")}
    assert done.items() <= after.items(), "a finished row was made again"

    assert run([*words, "--workers", "1", "--quiet", "--out", str(tmp_path / "whole")]) == 1
    assert videos(tmp_path / "killed") == videos(tmp_path / "whole")
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    failed = {line["row"]: line["reason"] for line in results(tmp_path / "whole") if line["status"] == "failed"}
    assert {row: name in failed[row + 1] for row, name in BAD.items()} == {3: True, 6: True} and len(failed) == 2
    assert not [path for path in (tmp_path / "killed").rglob("*.part*")]


def test_a_grid_prints_what_was_made(desk, tmp_path, capsys):
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "0.wav").write_bytes((desk / "speech" / "0.wav").read_bytes())
    words = ["batch", str(desk / "photos"), str(tmp_path / "speech"), "--out", str(tmp_path / "out")]
    assert run([*words, "--set", "renderer=warp", "--workers", "1"]) == 1
    printed = capsys.readouterr().out
    assert (
        "1 of 2 videos, 8 frames" in printed
        and "empty (0 bytes)" in " ".join(printed.split())
        and "gallery.html" in printed
    )
    assert (tmp_path / "out" / "ada_0.mp4").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.csv"], "no file none.csv"),
        (["."], "is a folder"),
        (["rows.jsonl", "--set", "still"], "OPTION=VALUE"),
        (["rows.jsonl", "--set", "stil=1"], "did you mean still"),
    ],
)
def test_wrong_words_are_one_line(desk, monkeypatch, capsys, words, says):
    monkeypatch.chdir(desk)
    assert run(["batch", *words]) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_numbers_of_the_renderer_are_set_as_in_animate() -> None:
    given = parse_common(["mouth.feather=2", "still=true", "canvas.grey=5"])
    assert given == {"still": "true", "set": "mouth.feather=2 canvas.grey=5"}
