"""`talkface live`: a speech file is recorded as if it were spoken now; what cannot be is said."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.__main__ import run
from talkface.inference.animator import Animator
from talkface.inference.request import AnimateOptions
from talkface.inference.speak_live import speak_live
from talkface.media.mark.tag import verify_mark
from talkface.testing.clips import draw_person, mouth_motion, speech_of


@pytest.fixture
def files(tmp_path: Path, face: np.ndarray) -> tuple[str, str]:
    Pillow.fromarray(face).save(tmp_path / "ada.png")
    rng = np.random.default_rng(0)
    samples = speech_of(mouth_motion(rng, 30), draw_person(rng), rng)
    with av.open(str(tmp_path / "speech.wav"), "w") as file:
        track = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray((samples * 32_767).astype(np.int16)[None], format="s16", layout="mono")
        block.sample_rate = 16_000
        file.mux(track.encode(block))
    return str(tmp_path / "ada.png"), str(tmp_path / "speech.wav")


def test_a_file_is_spoken_and_recorded(
    tmp_path: Path, files: tuple[str, str], untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "live.mp4"
    networks = ["--renderer", "warp", "--speech-model", str(untrained), "--head-model", "rhythm"]
    assert run(["live", files[0], "--speech", files[1], "-o", str(out), "--no-window", *networks]) == 0
    said = capsys.readouterr().out
    assert "marked as synthetic" in said and " 0 pictures left out, speech late 0 times" in said
    assert verify_mark(out)
    with av.open(str(out)) as file:
        frames = sum(1 for _ in file.decode(video=0))
    with av.open(str(out)) as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert 30 + 15 <= frames <= 30 + 15 + 7  # what was said, the idle face, and the delay
    assert abs(len(sound) / 48_000 - frames / 25) < 0.03
    heard = np.flatnonzero(np.abs(sound) > 0.02)
    assert 0.1 < heard[0] / 48_000 < 0.8 and heard[-1] / 48_000 < 1.6


def test_what_comes_through_a_pipe_is_spoken(
    tmp_path: Path, files: tuple[str, str], untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pause of a whole second keeps its length, and an odd byte at the end is left out."""
    rng = np.random.default_rng(0)
    loud = (0.3 * rng.standard_normal(4_000).clip(-1, 1) * 32_767).astype("<i2")
    said = np.concatenate([loud, np.zeros(16_000, "<i2"), loud]).tobytes() + b"x"
    out = tmp_path / "piped.mp4"
    animator = Animator.from_options(
        AnimateOptions(renderer="warp", speech_model=str(untrained), head_model="rhythm", still=True)
    )
    report = speak_live(animator, files[0], io.BytesIO(said), options=AnimateOptions(still=True), out=out, window=False)
    assert report.dropped_s == 0 and 37 + 15 <= report.frames <= 37 + 15 + 12
    with av.open(str(out)) as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    heard = np.flatnonzero(np.abs(sound) > 0.05) / 16_000
    assert np.diff(heard).max() == pytest.approx(1.0, abs=0.05)
    assert heard[-1] - heard[0] == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "either --microphone or --speech"),
        (["--microphone", "--speech", "{speech}"], "either --microphone or --speech"),
        (["--speech", "none.wav"], "no file none.wav"),
        (["--speech", "{speech}", "--no-window"], "neither window nor recording"),
        (["--speech", "{speech}", "--no-window", "-o", "x.mp4", "--report", "r.json"], "report is for whole videos"),
        (["--microphone", "--source", "none:0", "--no-window", "-o", "x.mp4"], "the microphone cannot be opened"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    files: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [word.replace("{speech}", files[1]) for word in words]
    assert run(["live", files[0], "--renderer", "warp", *given]) == 1
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1
    assert not (tmp_path / "x.mp4").exists()
