"""Training audio2landmark: offsets are found, resume is exact, a mouth that follows the sound is learnt."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.checkpoints.load import load_audio2landmark
from talkface.config import load_config
from talkface.data.samplers.speech import SpeechExample
from talkface.errors import DatasetError
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.testing.shards import write_loud_mouth_shards
from talkface.training.jobs import audio2landmark
from talkface.training.jobs.audio2landmark import hold_out, load_clips, train_audio2landmark
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining, SpeechDataConfig
from talkface.training.jobs.audio2landmark_job import Audio2LandmarkJob
from talkface.training.jobs.offsets import OffsetConfig, estimate_lags, lag_evidence, most_likely_lag
from talkface.types import Waveform
from tests.training.jobs.small import small_speech

CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "audio2landmark"


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
        opening = np.repeat(rng.random(20) * (rng.random(20) < 0.7), 4)
        opening = np.convolve(opening, np.ones(3) / 3, mode="same")
        face = np.repeat(MEAN_FACE[None] * 90 + 150, len(opening), 0).astype(np.float32)
        face[:, 65:68, 1] += 12 * opening[:, None]
        loud = np.repeat(opening, 640)
        sound = (0.3 * loud * rng.standard_normal(len(loud))).astype(np.float32)
        found.append(Talker(f"clip{index}", f"speaker{index % 6}", face, sound))
    return found


@pytest.fixture
def config(tmp_path: Path) -> Audio2LandmarkTraining:
    return small_speech(tmp_path / "a")


def test_ten_steps_equal_five_a_kill_and_five(config: Audio2LandmarkTraining, tmp_path: Path, monkeypatch) -> None:
    train_audio2landmark(config, talkers(8))
    other = replace(config, run=replace(config.run, out=str(tmp_path / "b")))
    step_of = Audio2LandmarkJob.train_step

    def dies_at_seven(job: Audio2LandmarkJob, step: int) -> dict[str, float]:
        if step == 7 and job.held_out:
            raise KeyboardInterrupt
        return step_of(job, step)

    monkeypatch.setattr(Audio2LandmarkJob, "train_step", dies_at_seven)
    with pytest.raises(KeyboardInterrupt):
        train_audio2landmark(other, talkers(8))
    monkeypatch.undo()
    train_audio2landmark(other, talkers(8))
    whole, resumed = (load_checkpoint(tmp_path / run / "last.safetensors") for run in "ab")
    assert whole.metrics == resumed.metrics
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name


def test_a_mouth_that_follows_the_sound_is_learnt(config: Audio2LandmarkTraining) -> None:
    config = replace(config, offsets=OffsetConfig(steps=0), run=replace(config.run, steps=150, eval_every=150))
    scores = train_audio2landmark(config, talkers(12))
    assert scores["mean_r"] > 0.8 and scores["lag"] == 0
    network = load_audio2landmark(load_checkpoint(Path(config.run.out) / "best.safetensors", "audio2landmark"))
    unseen = talkers(13)[-1]
    motion = network.predict([Waveform(unseen.audio)], len(unseen.landmarks))
    opening = motion[:, 66, 1] - motion[:, 62, 1]
    real = unseen.landmarks[:, 66, 1] - unseen.landmarks[:, 62, 1]
    assert np.corrcoef(opening, real)[0, 1] > 0.8


@pytest.mark.parametrize("lag", [-5, 0, 2])
def test_lags_of_clear_clips_are_found(lag: int) -> None:
    rng = np.random.default_rng(0)
    clips = []
    for index in range(4):
        sound = np.convolve(rng.standard_normal(220), np.ones(4) / 4, mode="same")
        picture = np.roll(sound, lag) + 0.1 * rng.standard_normal(220)
        clips.append((f"clip{index}", f"speaker{index}", sound[20:200], picture[20:200]))
    assert list(estimate_lags(clips, OffsetConfig()).values()) == pytest.approx([lag] * 4, abs=0.3)


def test_noise_is_no_evidence_of_a_lag() -> None:
    rng = np.random.default_rng(1)
    evidence = lag_evidence(rng.standard_normal(60), rng.standard_normal(60), 8)
    assert abs(most_likely_lag(evidence, 1.0)) < 1


@pytest.mark.parametrize("name", ["base", "debug"])
def test_configs_load(name: str) -> None:
    settings = load_config(Audio2LandmarkTraining, CONFIGS / f"{name}.yaml", ["data.shards=elsewhere"])
    assert settings.kind == "audio2landmark" and settings.data.shards == "elsewhere"


def test_one_clip_is_too_few_to_hold_any_out():
    motion = np.zeros((15, 68, 2), np.float32)
    only = SpeechExample("a", "she", np.ones((60, 4)), motion, motion[:, 0, 0], np.ones(15), motion[0], 1.0)
    with pytest.raises(DatasetError, match="held_out_every=0"):
        hold_out([only], 10, 0)


def test_a_corpus_with_a_split_of_its_own_is_judged_by_it(
    config: Audio2LandmarkTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_loud_mouth_shards(tmp_path / "shards", {"a0": "anna"}, split="train")
    data = SpeechDataConfig(shards=str(tmp_path / "shards"), held_out_every=2)
    alone = replace(config, data=data, run=replace(config.run, steps=2, eval_every=2, save_every=2))
    assert not len(load_clips(data)[1])
    with pytest.raises(DatasetError, match="one clip is too few to hold any out"):
        train_audio2landmark(alone)
    write_loud_mouth_shards(tmp_path / "more", {"b0": "ben", "b1": "ben", "c0": "carl"}, split="val")
    for file in (tmp_path / "more").iterdir():
        file.rename(tmp_path / "shards" / file.name.replace("00000", "00001"))
    assert [clip.key for clip in load_clips(data)[1]] == ["b0", "b1", "c0"]
    assert [clip.key for clip in load_clips(replace(data, speakers=("carl",)))[1]] == ["c0"]
    assert not len(load_clips(replace(data, split="val"))[1])
    monkeypatch.setattr(audio2landmark, "SPEECH_JOB", replace(audio2landmark.SPEECH_JOB, most_judged=2))
    assert [clip.key for clip in load_clips(data)[1]] == ["b0", "c0"]
    assert np.isfinite(list(train_audio2landmark(alone).values())).all()
