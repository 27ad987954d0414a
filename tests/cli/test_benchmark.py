"""Clocks and whole-process runs of the benchmark."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from rich.console import Console

from talkface.__main__ import run
from talkface.cli.benchmark import (
    Stages,
    Start,
    WholeRun,
    _print_bars,
    _write_speech,
    measure_start,
    run_measured,
    run_whole,
)
from talkface.errors import TalkfaceError
from talkface.inference.animator import Animator
from talkface.inference.request import AnimateOptions
from talkface.media.speech import open_speech

WARP = AnimateOptions(renderer="warp")


def test_speech_is_looped_to_the_exact_length(tmp_path: Path):
    _write_speech(tmp_path / "speech.wav", 20)
    assert open_speech(tmp_path / "speech.wav").duration_s == pytest.approx(20.0)


def test_a_stage_counts_its_frames_per_second():
    clock = Stages()
    with clock.stage("sleep", 10):
        time.sleep(0.05)
    frames, seconds = clock.seconds["sleep"]
    assert frames == 10
    assert 0.05 <= seconds < 0.5
    assert clock.table().row_count == 1


def test_bars_fail_where_they_are_missed(capsys: pytest.CaptureFixture[str]):
    good = [WholeRun(30.0, 20.0, 500.0), WholeRun(600.0, 400.0, 550.0)]
    assert _print_bars(Console(), Start(0.3, 2.8, 0.3), 45.0, good) == [True] * 6
    slow_and_growing = [WholeRun(30.0, 40.0, 500.0), WholeRun(600.0, 400.0, 900.0)]
    assert _print_bars(Console(), Start(0.5, 3.5, 0.5), 20.0, slow_and_growing) == [False] * 6
    assert capsys.readouterr().out.count("FAIL") == 6


def test_a_failed_process_says_why_in_one_line(tmp_path: Path):
    _write_speech(tmp_path / "speech.wav", 1)
    Pillow.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(tmp_path / "grey.png")
    with pytest.raises(TalkfaceError, match="no face"):
        run_whole(tmp_path / "grey.png", tmp_path / "speech.wav", tmp_path / "out.mp4", WARP)
    assert not (tmp_path / "out.mp4").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grey.png", "speech.wav"]


def test_the_peak_is_not_of_the_process_that_measures():
    ballast = np.ones(40_000_000)  # 320 MB
    seconds, peak_mb = run_measured([sys.executable, "-c", "import time; x = bytearray(50_000_000); time.sleep(0.2)"])
    assert ballast[-1] == 1 and 50 < peak_mb < 150 and 0.2 < seconds < 5


def test_a_renderer_without_a_network_is_refused_before_anything_is_printed(capsys: pytest.CaptureFixture[str]):
    assert run(["benchmark", "animate", "--renderer", "fewshot"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "ships no network: give --renderer-model FILE" in said.err


def test_the_first_frame_comes_before_a_whole_video(tmp_path: Path):
    start = measure_start(tmp_path, WARP, Animator.from_options(WARP))
    assert 0 < start.help_s < start.animate_s
    assert 0 < start.first_frame_s < start.animate_s
