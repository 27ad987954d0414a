"""Training of head motion: resumes bit for bit, and learns what a head does with its speech."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.checkpoints.load import load_headmotion
from talkface.config import RunConfig
from talkface.data.samplers.headmotion import (
    HeadBatchConfig,
    HeadExample,
    HeadSampler,
    clip_track,
    make_head_examples,
    mirrored,
)
from talkface.errors import ConfigError, DatasetError
from talkface.training.jobs.audio2landmark_config import SpeechDataConfig
from talkface.training.jobs.headmotion import HeadmotionJob, train_headmotion
from talkface.training.jobs.headmotion_config import HeadmotionOptimConfig, HeadmotionTraining
from tests.training.jobs.small import HEADMOTION, nodders


@pytest.fixture
def config(tmp_path: Path) -> HeadmotionTraining:
    return HeadmotionTraining(
        model=HEADMOTION,
        data=SpeechDataConfig(held_out_every=3),
        batch=HeadBatchConfig(blocks=5, quiet=0.0),
        optim=HeadmotionOptimConfig(rate=5e-3, warm_up=5),
        run=RunConfig(
            out=str(tmp_path / "a"), steps=10, batch_size=6, device="cpu", ema=0.9, eval_every=5, save_every=5
        ),
    )


def test_ten_steps_equal_five_a_kill_and_five(config: HeadmotionTraining, tmp_path: Path, monkeypatch) -> None:
    clips = nodders(6, 40)
    train_headmotion(config, clips)
    other = replace(config, run=replace(config.run, out=str(tmp_path / "b")))
    step_of = HeadmotionJob.train_step

    def dies_at_seven(job: HeadmotionJob, step: int) -> dict[str, float]:
        if step == 7:
            raise KeyboardInterrupt
        return step_of(job, step)

    monkeypatch.setattr(HeadmotionJob, "train_step", dies_at_seven)
    with pytest.raises(KeyboardInterrupt):
        train_headmotion(other, clips)
    monkeypatch.undo()
    train_headmotion(other, clips)
    whole, resumed = (load_checkpoint(tmp_path / run / "last.safetensors") for run in "ab")
    assert whole.metrics == resumed.metrics
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name


def test_a_head_that_nods_with_the_sound_is_learnt(config: HeadmotionTraining) -> None:
    config = replace(config, run=replace(config.run, steps=120, eval_every=120, batch_size=12))
    train_headmotion(config, nodders(12))
    network = load_headmotion(load_checkpoint(Path(config.run.out) / "best.safetensors", "headmotion"))
    (unseen,) = make_head_examples(nodders(13)[-1:])
    made = network.predict(unseen.features, None)[:, 0]
    assert np.corrcoef(made, unseen.track[:, 0])[0, 1] > 0.7


def test_the_pose_is_of_the_frame_and_not_of_the_crop() -> None:
    clip = nodders(1)[0]
    track = clip_track(clip)
    assert track is not None and np.abs(track[:, 3:5]).max() < 0.03, "a wandering crop is not a wandering head"
    assert np.ptp(track[:, 0]) > 0.08
    lost = replace(clip, landmarks=np.where(np.arange(75)[:, None, None] < 30, np.nan, clip.landmarks))
    assert clip_track(lost) is None
    with pytest.raises(DatasetError, match="74 crops"):
        clip_track(replace(clip, crops=clip.crops[1:]))
    with pytest.raises(DatasetError, match="no clip has sound and a face"):
        make_head_examples([lost])


def test_stretches_are_cut_where_they_say() -> None:
    ramp = np.arange(30, dtype=np.float32)
    clip = HeadExample("a", "she", np.repeat(ramp[:, None], 6, 1), np.repeat(ramp[:, None], 3, 1))
    sampler = HeadSampler([clip], HeadBatchConfig(blocks=3), block=4, past=6, before=4, after=4)
    track, features, weight, _ = sampler.cut(clip, 22, 3)
    assert track[:, 0].tolist() == [*range(16, 30), 29, 29, 29, 29]
    assert features[:4, 0].tolist() == [18, 19, 20, 21] and features[-8:, 0].tolist() == [0] * 8
    assert weight.tolist() == [1, 1, 0]
    assert sampler.cut(clip, 0, 1)[0][:, 0].tolist() == [0] * 6 + [0, 1, 2, 3]
    np.testing.assert_array_equal(mirrored(mirrored(track)), track)


def test_impossible_shapes_are_refused(config: HeadmotionTraining) -> None:
    with pytest.raises(ConfigError, match="6 components per frame"):
        train_headmotion(replace(config, model=replace(HEADMOTION, components=25)), nodders(6))
