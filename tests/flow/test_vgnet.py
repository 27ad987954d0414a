"""VG-net from its configuration to a video, as a user types it, and what a user can get wrong on the way."""

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

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "renderer" / "vgnet_debug.yaml"


@pytest.fixture
def desk(tmp_path, monkeypatch, face, hum: Waveform) -> Path:
    """A folder to work in, with a photo, a sound and shards."""
    monkeypatch.chdir(tmp_path)
    Pillow.fromarray(face).save("ada.png")
    soundfile.write("hum.wav", hum.samples, hum.rate)
    write_loud_mouth_shards(tmp_path / "shards", {f"c{i}": f"p{i % 3}" for i in range(4)}, split="train", frames=20)
    return tmp_path


def say(line: str, capsys: pytest.CaptureFixture, code: int = 0) -> str:
    assert run(line.split()) == code
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return " ".join((said.out + said.err).split())


def test_trained_rendered_reenacted_and_looked_into(desk, untrained, capsys):
    say(f"train {CONFIG} --set data.shards=shards --quiet", capsys)
    weights = "runs/vgnet_debug/best.safetensors"
    assert load_checkpoint(Path(weights), "vgnet").provenance["steps"] == 4
    common = f"--renderer vgnet --renderer-model {weights} --quiet"
    say(f"animate ada.png hum.wav -o o.mp4 --speech-model {untrained} --save-maps maps {common}", capsys)
    assert sorted(path.name for path in Path("maps").iterdir()) == ["attention", "landmarks", "motion", "panel.mp4"]
    numbers = [path.name for path in sorted(Path("maps/motion").iterdir())]
    assert numbers == [f"{i:05d}.png" for i in range(1, 16)]
    assert Pillow.open("maps/attention/00001.png").size == (32, 32)
    said = say(f"animate ada.png hum.wav -o o.mp4 -f --save-maps shards {common}", capsys, 1)
    assert "shards holds other things" in said
    animator = talkface.Animator.from_pretrained(weights, "cpu", speech_model=untrained)
    assert talkface.reenact("ada.png", "o.mp4", "r.mp4", animator=animator).num_frames == 15
    first, again = (np.stack(list(animator.animate("ada.png", "hum.wav"))) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_mistakes_are_said_in_one_line(desk, untrained, capsys):
    said = say("animate ada.png hum.wav -o o.mp4 --renderer vgnet", capsys, 1)
    assert "renderer vgnet ships no network: train one with" in said and "vgnet_small.yaml" in said
    with_speech = f"--renderer vgnet --renderer-model {untrained}"
    assert "expected vgnet" in say(f"animate ada.png hum.wav -o o.mp4 {with_speech}", capsys, 1)
    for override, line in (
        ("model.norm=layer", "invalid model.norm 'layer': expected one of batch, group"),
        ("model.size=50", "invalid model.size 50: expected a multiple of 16"),
        ("loss.mouth_weighting=squared", "expected one of published, coded"),
        ("data.frames=40", "none of 3 clips has 40 frames with a face in a row"),
        ("data.farmes=4", "did you mean data.frames?"),
        ("data.shards=nowhere", "no shards in nowhere"),
    ):
        assert line in say(f"train {CONFIG} --set data.shards=shards --set {override}", capsys, 1)
    assert not Path("runs").exists() and not Path("o.mp4").exists()
