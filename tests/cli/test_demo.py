"""`talkface demo` needs nothing but the package; `talkface doctor` tells what is missing."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import talkface
from talkface.__main__ import run
from talkface.media.mark.tag import verify_mark
from talkface.media.speech import open_speech, speech_level
from talkface.media.write import VideoWriter

SPEECH = Path(talkface.__file__).parent / "cli" / "demo_speech.flac"


def test_the_speech_in_the_package_is_a_few_sentences() -> None:
    speech = open_speech(SPEECH)
    assert 7 < speech.duration_s < 10
    assert 0.03 < speech_level(speech) < 0.3


def test_the_demo_folder_shows_the_same_speech() -> None:
    link = Path(__file__).resolve().parents[2] / "demo" / "speech.flac"
    assert link.read_bytes() == SPEECH.read_bytes()


@pytest.mark.flow
def test_demo_makes_a_marked_video_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoWriter(tmp_path / "talkface_demo.mp4", (32, 32), Fraction(25)) as earlier:  # a run may replace its like
        earlier.write(np.zeros((32, 32, 3), np.uint8))
    assert run(["demo", "--renderer", "warp"]) == 0
    said = capsys.readouterr().out
    assert said.strip().splitlines()[-1] == f"demo video: {tmp_path / 'talkface_demo.mp4'}"
    assert "network: audio2landmark" in said
    assert verify_mark(tmp_path / "talkface_demo.mp4")
    with av.open(str(tmp_path / "talkface_demo.mp4")) as video:
        assert video.streams.video[0].frames == round(open_speech(SPEECH).duration_s * 25)


def test_demo_does_not_replace_a_strangers_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talkface_demo.mp4").write_bytes(b"precious")
    assert run(["demo", "--renderer", "warp"]) == 1
    assert "exists" in capsys.readouterr().err
    assert (tmp_path / "talkface_demo.mp4").read_bytes() == b"precious"


def test_doctor_is_content_with_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor"])
    said = capsys.readouterr().out
    shipped = {model.name for model in talkface.list_models()}
    assert code == (0 if {"audio2landmark", "hybrid"} <= shipped else 1), said
    for name in ("torch", "build for", "face detector", "libx264", "networks", "memory", "GiB free in", "extras"):
        assert name in said
    assert len(said.splitlines()) <= 40, "more than a screen"


@pytest.mark.parametrize(
    ("code", "broken", "says"),
    [
        (1, "os.environ['IMAGEIO_FFMPEG_EXE'] = '/bin/true'", "fault  has no libx264, aac. Install it again"),
        (1, "sys.modules['safetensors'] = None", "fault  safetensors"),
        (0, "sys.modules['torchaudio'] = None", "without  torchaudio  tests use it"),
    ],
)
def test_doctor_says_what_to_do_and_fails_only_where_animate_would(code: int, broken: str, says: str) -> None:
    program = f"import os, sys; {broken}; from talkface.__main__ import main; main(['doctor'])"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "COLUMNS": "300"}
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    for part in says.split("  "):
        assert part in ran.stdout


def test_a_traceback_is_there_for_those_who_ask() -> None:
    words = [sys.executable, "-m", "talkface", "animate"]
    ran = subprocess.run(words, capture_output=True, text=True, env={"TALKFACE_TRACEBACK": "1", "PATH": ""})
    assert "Traceback" in ran.stderr and ran.stderr.strip().splitlines()[-1].startswith("error: no photo given")
