"""The signed manifest of an animated video names the files that it was made of by their hashes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import talkface
from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.request import AnimateOptions
from talkface.types import Waveform

pytest.importorskip("c2pa")
from talkface.media.mark.manifest import read_manifest


@pytest.mark.flow
def test_inputs_networks_and_consent_are_in_the_manifest(tmp_path: Path, astronaut: np.ndarray) -> None:
    Pillow.fromarray(astronaut[20:260, 100:340]).save(tmp_path / "photo.png")
    speech = Waveform((0.1 * np.random.default_rng(0).standard_normal(3200)).astype(np.float32))
    animator = Animator.from_pretrained("warp", "cpu")
    options = {"still": True, "animator": animator}
    talkface.animate(tmp_path / "photo.png", speech, tmp_path / "o.mp4", consent="she agreed", **options)
    found = read_manifest(tmp_path / "o.mp4")
    assert found is not None and found.state == "trusted" and found.details["consent"] == "she agreed"
    assert found.details["inputs"] == {
        "photo": hashlib.sha256((tmp_path / "photo.png").read_bytes()).hexdigest(),
        "speech": hashlib.sha256(speech.samples.tobytes()).hexdigest(),
    }
    weights = animator.network_files()["audio2landmark"].read_bytes()
    assert found.details["networks"]["audio2landmark"] == hashlib.sha256(weights).hexdigest()
    talkface.animate(astronaut, speech, tmp_path / "unsigned.mp4", sign=False, **options)
    assert read_manifest(tmp_path / "unsigned.mp4") is None


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ConfigError, match="give both"):
        AnimateOptions(certificate="chain.pem")
