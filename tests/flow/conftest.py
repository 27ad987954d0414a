"""A cheap animator for flow tests: the `warp` renderer and a speech network that was never trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import talkface
from talkface.checkpoints.format import Checkpoint, save_checkpoint
from talkface.inference.animator import Animator
from talkface.landmarks.layout import JAW
from talkface.media.speech import read_waveform
from talkface.models.audio2landmark import Audio2Landmark, Audio2LandmarkConfig, config_dict
from talkface.types import SAMPLE_RATE, Waveform
from tests.pages import ROOT

LOWER_LIP = [56, 57, 58, 65, 66, 67]


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights file whose network opens the mouth at random, so that refusals and lengths need no shipped network."""
    generator_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    network = Audio2Landmark(Audio2LandmarkConfig(num_mels=40, channels=16, hidden=16))
    torch.random.set_rng_state(generator_state)
    with torch.no_grad():
        network.decoder[0, JAW[4:13], 1] = 0.1
        network.decoder[0, LOWER_LIP, 1] = 0.1
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_checkpoint(path, Checkpoint("audio2landmark", config_dict(network.config), network.state_dict()))
    return path


@pytest.fixture(scope="session")
def animator(untrained: Path) -> Animator:
    torch.set_num_threads(1)
    return talkface.Animator.from_pretrained("warp", "cpu", speech_model=untrained)


@pytest.fixture(scope="session")
def face(astronaut: np.ndarray) -> np.ndarray:
    """A small photo with one face, `[300, 300, 3]`."""
    return astronaut[:300, 80:380].copy()


@pytest.fixture(scope="session")
def hum() -> Waveform:
    """0.6 s that is loud enough to be speech."""
    time_s = np.arange(round(0.6 * SAMPLE_RATE)) / SAMPLE_RATE
    swell = np.abs(np.sin(2 * np.pi * 4 * time_s))
    return Waveform((0.3 * swell * np.sign(np.sin(2 * np.pi * 130 * time_s))).astype(np.float32))


@pytest.fixture
def desk(tmp_path: Path, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: photo.jpg, two photos/, speech.wav, speech/ of one file, and the repository's configs/."""
    soundfile = pytest.importorskip("soundfile")
    face = astronaut[:260, 100:360]
    Pillow.fromarray(face).save(tmp_path / "photo.jpg", quality=95)
    (tmp_path / "photos").mkdir()
    Pillow.fromarray(face).save(tmp_path / "photos" / "front.jpg", quality=95)
    Pillow.fromarray(np.ascontiguousarray(face[:, ::-1])).save(tmp_path / "photos" / "turned.jpg", quality=95)
    speech = read_waveform(ROOT / "talkface" / "cli" / "demo_speech.flac").samples
    (tmp_path / "speech").mkdir()
    for name in ("speech.wav", "speech/hello.wav"):
        soundfile.write(tmp_path / name, speech[: round(0.32 * SAMPLE_RATE)], SAMPLE_RATE)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path
