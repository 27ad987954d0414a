"""The range that predicted lips lack is measured on people who did not train the network, and kept with its weights."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.audio.augment import VoiceAugmentation
from talkface.checkpoints.format import load_checkpoint, save_checkpoint
from talkface.checkpoints.load import load_audio2landmark
from talkface.config import RunConfig
from talkface.data.samplers.speech import BatchConfig
from talkface.errors import ConfigError, DatasetError
from talkface.landmarks.lip_shape import LipRange
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.audio2landmark import Audio2LandmarkConfig
from talkface.training.jobs.audio2landmark import train_audio2landmark
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining, PhoneConfig, SpeechDataConfig
from talkface.training.jobs.lip_range import LipRangeConfig, MeasuredLips, fit_range
from talkface.training.jobs.offsets import OffsetConfig


@dataclass
class Talker:
    key: str
    speaker: str
    landmarks: np.ndarray
    audio: np.ndarray


def talkers(count: int) -> list[Talker]:
    """Faces whose lips open as their sound grows loud."""
    found = []
    for index in range(count):
        rng = np.random.default_rng(index)
        opening = np.convolve(np.repeat(rng.random(15), 4), np.ones(3) / 3, mode="same")
        face = np.repeat(MEAN_FACE[None] * 90 + 150, len(opening), 0).astype(np.float32)
        face[:, 65:68, 1] += 12 * opening[:, None]
        sound = 0.3 * np.repeat(opening, 640) * rng.standard_normal(640 * len(opening))
        found.append(Talker(f"clip{index}", f"speaker{index % 6}", face, sound.astype(np.float32)))
    return found


PLAIN = LipRangeConfig(sharpening=0.0, closed_below=0.0, opening=1.0, width=1.0, height=1.0)


def measured(speaker: str, share: float, frames: int = 100) -> MeasuredLips:
    real = np.abs(np.random.default_rng(0).normal(0.05, 0.03, (frames, 3)))
    return MeasuredLips(speaker, share * real, real, np.ones(frames))


def test_the_median_person_gets_the_real_range() -> None:
    clips = [measured("a", 0.5), measured("b", 0.25), measured("b", 0.15), *[measured("c", 0.8)] * 5]
    np.testing.assert_allclose(fit_range(clips, PLAIN).gains, 2.0, rtol=1e-3)
    aimed = fit_range(clips, replace(PLAIN, opening=0.9, width=0.5))
    np.testing.assert_allclose(aimed.gains, [1.8, 1.0, 2.0], rtol=1e-3)


def test_what_closes_and_sharpens_is_made_up_for() -> None:
    lips = fit_range([measured("a", 0.5)], replace(PLAIN, closed_below=0.015))
    assert lips.gains[0] > 2.1 and lips.closed_below == 0.015


def test_clips_that_are_too_short_say_nothing() -> None:
    with pytest.raises(DatasetError, match="frames to measure"):
        fit_range([measured("a", 0.5, 10)], PLAIN)


def test_a_range_alone_needs_weights_and_time() -> None:
    with pytest.raises(ConfigError, match="set how long"):
        LipRangeConfig(only=True)
    with pytest.raises(ConfigError, match="give start"):
        Audio2LandmarkTraining(range=LipRangeConfig(steps=2, only=True))
    with pytest.raises(ConfigError, match="expected 0 or more"):
        LipRangeConfig(width=-1)


@pytest.fixture
def config(tmp_path: Path) -> Audio2LandmarkTraining:
    return Audio2LandmarkTraining(
        model=Audio2LandmarkConfig(num_mels=24, channels=16, hidden=16, components=3, phones=0),
        data=SpeechDataConfig(held_out_every=0),
        batch=BatchConfig(frames=24),
        augment=VoiceAugmentation(band_mask=3, time_mask=4),
        phones=PhoneConfig(steps=0),
        offsets=OffsetConfig(steps=0),
        run=RunConfig(out=str(tmp_path / "a"), steps=2, batch_size=4, device="cpu", ema=0.9, quiet=True),
    )


def test_weights_keep_all_but_their_range_and_silence_stays_closed(config, tmp_path: Path) -> None:
    train_audio2landmark(config, talkers(8))
    start = tmp_path / "a" / "best.safetensors"
    plain = load_checkpoint(start, "audio2landmark")
    del plain.tensors["lip_range"]  # as in weights made before there was a range
    save_checkpoint(start, plain)
    run = replace(config.run, out=str(tmp_path / "b"))
    ranged = replace(config, start=str(start), range=LipRangeConfig(steps=3, only=True), run=run)
    train_audio2landmark(ranged, talkers(8))
    kept = (tmp_path / "b" / "range.json").read_text()
    made = load_checkpoint(tmp_path / "b" / "best.safetensors", "audio2landmark")
    before, after = load_audio2landmark(plain), load_audio2landmark(made)
    assert LipRange.from_array(before.lip_range.numpy()) == LipRange()
    lips = LipRange.from_array(after.lip_range.numpy())
    assert lips.sharpening == 1.0 and lips.gains != (1.0, 1.0, 1.0)
    for name, tensor in plain.tensors.items():
        np.testing.assert_allclose(made.tensors[name].float(), tensor.float(), atol=1e-3, err_msg=name)
    train_audio2landmark(ranged, talkers(8))
    assert (tmp_path / "b" / "range.json").read_text() == kept


def test_the_range_is_measured_once_the_training_runs_and_changes_no_other_weight(config, tmp_path: Path) -> None:
    train_audio2landmark(config, talkers(8))
    folder = tmp_path / "b"
    ranged = replace(config, range=LipRangeConfig(steps=2), run=replace(config.run, out=str(folder)))
    train_audio2landmark(ranged, talkers(8))
    assert (folder / "config.yaml").stat().st_mtime_ns < (folder / "range.json").stat().st_mtime_ns
    plain, made = (load_checkpoint(tmp_path / name / "best.safetensors", "audio2landmark").tensors for name in "ab")
    assert LipRange.from_array(made.pop("lip_range").numpy()).gains != (1.0, 1.0, 1.0)
    assert LipRange.from_array(plain.pop("lip_range").numpy()) == LipRange() and plain.keys() == made.keys()
    for name, tensor in plain.items():
        assert torch.equal(tensor, made[name]), name
