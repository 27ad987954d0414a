"""The whole-frame SPADE renderer from its configuration to a video and a row of the renderers' table."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import talkface
from talkface.__main__ import run
from talkface.checkpoints.format import load_checkpoint
from talkface.testing.shards import write_loud_mouth_shards
from talkface.types import Waveform

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.flow

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "renderer" / "spade_debug.yaml"

SETTINGS = ("--set", "data.shards=shards", "--set", "run.steps=2", "--set", "run.eval_every=2")


@pytest.fixture
def desk(tmp_path, monkeypatch, face, hum: Waveform) -> Path:
    """A folder to work in, with a photo, a sound and shards to train on and to be scored on."""
    monkeypatch.chdir(tmp_path)
    Pillow.fromarray(face).save("ada.png")
    soundfile.write("hum.wav", hum.samples, hum.rate)
    write_loud_mouth_shards(tmp_path / "shards", {"a0": "anna", "b0": "ben"}, split="train", frames=12, unit=22.0)
    write_loud_mouth_shards(tmp_path / "test", {"c0": "carl"}, frames=40, unit=22.0)
    return tmp_path


def test_trained_rendered_reenacted_and_compared(desk, untrained):
    assert run(["train", str(CONFIG), *SETTINGS, "--quiet"]) == 0
    weights = "runs/spade_debug/best.safetensors"
    assert load_checkpoint(Path(weights), "spade").provenance["steps"] == 2
    common = ["--renderer", "spade", "--renderer-model", weights, "--quiet"]
    speech = ["--speech-model", str(untrained)]
    assert run(["animate", "ada.png", "hum.wav", "-o", "o.mp4", "--save-maps", "maps", *speech, *common]) == 0
    assert sorted(path.name for path in Path("maps").iterdir()) == ["landmarks", "mask", "panel.mp4"]
    animator = talkface.Animator.from_pretrained(weights, "cpu", speech_model=untrained)
    assert run(["animate", "ada.png", "hum.wav", "-o", "driver.mp4", "--renderer", "warp", "--quiet", *speech]) == 0
    assert talkface.reenact("ada.png", "driver.mp4", "r.mp4", animator=animator).num_frames == 15
    first, again = (np.stack(list(animator.animate("ada.png", "hum.wav"))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    table = ["evaluate", "renderer", weights, "--shards", "test", "--people", "1", "--targets", "2", "--shots", "1,2"]
    assert run([*table, "--quiet"]) == 0
    assert "spade_debug, 1" in Path("runs/evaluate_renderer/scores.csv").read_text()
