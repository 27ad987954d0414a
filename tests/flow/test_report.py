"""`animate --report`: a JSON of what was made, in the words of the command and of Python."""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import talkface
from talkface.__main__ import run
from talkface.errors import ConfigError, MediaError
from talkface.inference.animator import Animator
from talkface.landmarks.retarget import RETARGET
from talkface.renderers.base import Tuning
from talkface.types import Waveform

pytestmark = pytest.mark.flow


@pytest.fixture
def sound() -> Waveform:
    times = np.arange(16_000) / 16_000
    return Waveform((0.2 * np.sin(2 * np.pi * 180 * times) * np.sin(2 * np.pi * 2 * times) ** 2).astype(np.float32))


def test_python_writes_what_it_made(
    animator: Animator, untrained: Path, astronaut: np.ndarray, sound: Waveform, tmp_path: Path
):
    video, report = tmp_path / "out.mp4", tmp_path / "out.json"
    result = talkface.animate(astronaut[:300, 60:360], sound, video, animator=animator, report=report, seed=3)
    content = json.loads(report.read_text())
    assert content["made"]["frames"] == result.num_frames == content["frames_measured"] == 25
    assert content["made"]["duration_s"] == pytest.approx(1.0)
    assert content["video"]["sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()[:12]
    assert content["settings"]["seed"] == 3
    assert content["stages"]["retarget"] == json.loads(json.dumps(asdict(RETARGET)))
    assert content["tuning"] == json.loads(json.dumps(asdict(Tuning())))  # numbers that --set changes
    assert set(content["networks"]) == {str(untrained), "headmotion"}
    assert content["inputs"] == {"photo": None, "speech": None}
    assert set(content["timings_s"]) == {*result.timings, "report"}
    measured = content["measured"]
    assert 0 < measured["identity_distance"]["value"] < 0.5  # a network that was not trained makes faces
    assert measured["sharpness"]["usual"] == [0.6, 1.4]
    assert measured["faceless"]["value"] == 0.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.mp4"]


def test_the_command_names_files_and_networks(untrained: Path, astronaut: np.ndarray, tmp_path: Path, capsys):
    from PIL import Image

    photo, report = tmp_path / "photo.png", tmp_path / "report.json"
    Image.fromarray(np.ascontiguousarray(astronaut[:300, 60:360])).save(photo)
    speech = Path(talkface.__file__).with_name("cli") / "demo_speech.flac"
    arguments = ["--renderer", "warp", "--speech-model", str(untrained), "--still", "--fps", "5"]
    arguments += ["--set", "canvas.grey=5", "--set", "canvas.cut_out=[0.03,0.05]"]
    command = ["animate", str(photo), str(speech), "-o", str(tmp_path / "out.mp4"), *arguments, "--report", str(report)]
    assert run(command) == 0
    captured = capsys.readouterr()
    assert "report.json, measured in" in captured.out
    content = json.loads(report.read_text())
    assert [line.removeprefix("warning: ") for line in captured.err.splitlines()] == content["warnings"]
    assert content["inputs"]["photo"]["sha256"] == hashlib.sha256(photo.read_bytes()).hexdigest()[:12]
    assert content["inputs"]["speech"]["path"] == str(speech)
    assert content["networks"][str(untrained)]["sha256"] == hashlib.sha256(untrained.read_bytes()).hexdigest()[:12]
    assert content["settings"]["fps"] == "5"
    assert content["settings"]["renderer"] == "warp"
    assert (content["tuning"]["canvas"]["grey"], content["tuning"]["canvas"]["cut_out"]) == (5.0, [0.03, 0.05])


def test_a_report_that_cannot_be_written_is_refused_first(
    animator: Animator, astronaut: np.ndarray, sound: Waveform, tmp_path: Path
):
    video = tmp_path / "out.mp4"
    taken = tmp_path / "taken.json"
    taken.write_text("{}")
    for report, error in (
        (tmp_path / "a.txt", MediaError),
        (tmp_path / "no" / "a.json", MediaError),
        (taken, MediaError),
    ):
        with pytest.raises(error, match=re.escape(str(report if report.parent.exists() else report.parent))):
            talkface.animate(astronaut, sound, video, animator=animator, report=report)
    with pytest.raises(ConfigError, match="panel"):
        talkface.animate(astronaut, sound, video, animator=animator, report=tmp_path / "a.json", panel=True)
    assert not video.exists()
