"""The mouth inpainter's training on drawn photos: it learns, it resumes, its snapshot loads in the renderer."""

import dataclasses
from pathlib import Path

import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.errors import DatasetError
from talkface.renderers.mouth import load_mouth_renderer
from talkface.training.jobs.mouth import MouthJob, train_mouth
from talkface.training.jobs.mouth_config import MouthOptimConfig, MouthTraining
from tests.drawn import PHOTOS, DrawnPhoto
from tests.training.jobs.small import small_mouth


def test_training_beats_the_start_and_its_weights_render(tmp_path: Path):
    config = small_mouth(tmp_path / "run", 24)
    before = MouthJob(config, PHOTOS).evaluate()
    after = train_mouth(config, PHOTOS)
    assert after["score"] < before["score"]
    assert list((tmp_path / "run").glob("preview_*.png"))
    checkpoint = load_checkpoint(tmp_path / "run" / "last.safetensors", "mouth")
    renderer = load_mouth_renderer(checkpoint, torch.device("cpu"))
    assert len(renderer.donors) == 2
    assert not {"shards", "talk_shards"} & set(checkpoint.provenance["config"]["data"])  # places on one machine
    assert {key for key in checkpoint.provenance["donors"]} <= {"p0", "p2"}  # p1 is of tier B


def test_resuming_equals_no_interruption(tmp_path: Path):
    whole, halves = small_mouth(tmp_path / "whole", 4), small_mouth(tmp_path / "halves", 4)
    train_mouth(whole, PHOTOS)
    with pytest.raises(KeyboardInterrupt):
        _stop_after(halves, 2)
    train_mouth(halves, PHOTOS)
    weights = [load_checkpoint(tmp_path / name / "last.safetensors").tensors for name in ("whole", "halves")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def _stop_after(config: MouthTraining, steps: int) -> None:
    from talkface.config import to_dict
    from talkface.training.engine.loop import fit

    class Stopped(MouthJob):
        def train_step(self, step: int) -> dict[str, float]:
            if step == steps:
                raise KeyboardInterrupt
            return super().train_step(step)

    fit(Stopped(config, PHOTOS), config.run, to_dict(config))


def test_donors_may_be_named_and_must_exist(tmp_path: Path):
    job = MouthJob(small_mouth(tmp_path, 2, donor_keys=("p2",)), PHOTOS)
    assert job.donor_keys == ["p2"]
    with pytest.raises(DatasetError, match="donor_keys names p1"):
        MouthJob(small_mouth(tmp_path, 2, donor_keys=("p1",)), PHOTOS)


def test_no_open_mouth_is_an_error(tmp_path: Path):
    with pytest.raises(DatasetError, match="no open mouth"):
        MouthJob(small_mouth(tmp_path, 2), [DrawnPhoto("shut", gap=0.0)])


def test_the_rate_warms_up_and_falls():
    optim = dataclasses.replace(MouthOptimConfig(), rate=1.0, warm_up=10, last=0.1)
    rates = [optim.rate_at(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) > 0.9
    assert rates[-1] == pytest.approx(0.1, abs=0.01)
