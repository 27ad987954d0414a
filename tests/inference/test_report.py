"""Reports and printed lines name the networks that really made a video."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from talkface.checkpoints.format import find_weights
from talkface.cli.demo import DEMO_PHOTO
from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.report import _one_by_one
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import network_names, renderer_network
from talkface.media.speech import open_speech
from talkface.renderers.base import DEFAULT_INPAINTER
from talkface.types import Waveform


def test_the_default_renderer_is_named_by_the_network_that_it_loads():
    assert renderer_network(AnimateOptions()) == (DEFAULT_INPAINTER,)
    assert renderer_network(AnimateOptions(renderer="warp")) == ()
    assert renderer_network(AnimateOptions(renderer_model="mine.safetensors")) == ("mine.safetensors",)
    assert network_names(AnimateOptions(head_model="rhythm")) == ("audio2landmark", DEFAULT_INPAINTER)


def test_an_animator_knows_its_files():
    files = Animator.from_pretrained("warp", "cpu").network_files()
    assert files == {name: find_weights(name) for name in ("audio2landmark", "headmotion")}


@pytest.mark.flow
def test_a_clip_measures_itself(tmp_path: Path):
    animator = Animator.from_pretrained("warp", "cpu")
    speech = Waveform(0.1 * np.sin(np.arange(16_000) / 20).astype(np.float32))
    options = AnimateOptions(fps=Fraction(10), report=tmp_path / "report.json")
    clip = animator.animate(DEMO_PHOTO, speech, options)
    clip.save(tmp_path / "video.mp4")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["video"]["path"] == str(tmp_path / "video.mp4")
    assert written["inputs"]["photo"]["path"] == str(DEMO_PHOTO)
    found = clip.report()
    assert found["measured"] == written["measured"] and found["made"]["frames"] == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "video.mp4"]


def test_options_of_another_type_are_refused():
    speech = Waveform(np.zeros(16_000, np.float32))
    with pytest.raises(ConfigError, match=r"options are of type dict: pass talkface.AnimateOptions"):
        Animator.from_pretrained("warp", "cpu").animate(DEMO_PHOTO, speech, {"fps": 30})


@pytest.mark.flow
def test_a_clip_that_cannot_be_measured_says_so_and_writes_nothing(tmp_path: Path):
    animator = Animator.from_pretrained("warp", "cpu")
    subject = animator.prepare(DEMO_PHOTO)
    options = AnimateOptions(fps=Fraction(10), report=tmp_path / "report.json")
    speech = open_speech(Waveform(np.zeros(16_000, np.float32)))
    clip = animator.clip(subject, animator.track_speech(speech, options.fps, subject), speech, options)
    with pytest.raises(ConfigError, match="no report can be made of this clip"):
        clip.save(tmp_path / "video.mp4")
    assert not list(tmp_path.iterdir())


def test_of_several_photos_each_is_an_input_by_its_place():
    inputs = {"photo": [DEMO_PHOTO, "b.png"], "speech": "s.wav", "landmarks": None}
    assert list(_one_by_one(inputs)) == [
        ("photo", DEMO_PHOTO),
        ("photo 2", "b.png"),
        ("speech", "s.wav"),
        ("landmarks", None),
    ]
