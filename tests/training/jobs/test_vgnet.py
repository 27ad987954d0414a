"""Training VG-net on drawn clips: who learns from which loss, that it learns, that it resumes."""

import dataclasses

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from talkface.checkpoints.format import Checkpoint, load_checkpoint, save_checkpoint
from talkface.errors import CheckpointError, ConfigError, TalkfaceError
from talkface.models.vgnet import SHAPES, VgnetConfig
from talkface.training.jobs.vgnet import VgnetJob, train_vgnet
from talkface.training.jobs.vgnet_config import VgnetOptimConfig, VgnetTraining
from tests.drawn import drawn_clip
from tests.training.jobs.small import VGNET, changed, compare, small_vgnet, weights

CLIPS = [drawn_clip(name) for name in "abcdef"]


@pytest.fixture
def job(tmp_path) -> VgnetJob:
    return VgnetJob(small_vgnet(tmp_path), CLIPS)


def test_the_generator_step_leaves_the_discriminator_untouched(job):
    discriminator, generator = weights(job.discriminator), weights(job.generator)
    job.generator_step(job.batches.get(0).to(job.accelerator.device), True, 0)
    assert not changed(discriminator, job.discriminator)
    assert all(p.grad is None and p.requires_grad for p in job.discriminator.parameters())
    assert {"heads.weight", "memory.from_input.weight", "landmark_code.1.weight"} <= changed(generator, job.generator)


def test_batch_norm_keeps_nothing_of_fakes_in_the_discriminator(tmp_path):
    config = dataclasses.replace(small_vgnet(tmp_path), model=dataclasses.replace(VGNET, norm="batch"))
    job = VgnetJob(config, CLIPS)
    before = weights(job.discriminator)
    job.generator_step(job.batches.get(0).to(job.accelerator.device), True, 0)
    assert not changed(before, job.discriminator)
    assert any("running_mean" in name for name in weights(job.generator))


def test_the_discriminator_step_changes_its_own_weights_only(job):
    batch = job.batches.get(0).to(job.accelerator.device)
    _, fake = job.generator_step(batch, True, 0)
    assert not fake.requires_grad
    discriminator, generator, average = weights(job.discriminator), weights(job.generator), weights(job.ema.network)
    job.discriminator_step(batch, fake, 0)
    moved = changed(discriminator, job.discriminator)
    assert {"score.weight", "landmarks.weight", "frame_landmarks.0.weight", "picture.0.weight"} <= moved
    assert not changed(generator, job.generator) and not changed(average, job.ema.network)


@pytest.mark.parametrize("term", ["g/adversarial", "g/landmark", "g/pixel"])
def test_every_term_reaches_the_generator(job, term):
    batch = job.batches.get(0).to(job.accelerator.device)
    generated = job.generator(batch.photo, batch.photo_landmarks, batch.landmarks)
    terms = job._generator_terms(generated, batch, True)
    assert set(terms) == {"g/adversarial", "g/landmark", "g/pixel"}
    terms[term].backward()
    for name in ("heads.weight", "memory.from_memory.weight", "landmark_code.1.weight", "skip.1.weight"):
        assert job.generator.get_parameter(name).grad.abs().sum() > 0, name


def test_fakes_teach_the_discriminator_no_landmarks_unless_asked_for(tmp_path):
    """Real landmarks are wanted of fakes in the authors' code, whatever the fakes show."""
    for regress_fakes in (False, True):
        job = VgnetJob(small_vgnet(tmp_path, adversarial=0.0, regress_fakes=regress_fakes), CLIPS)
        batch = job.batches.get(0).to(job.accelerator.device)
        terms = [job.discriminator_step(batch, fake, 0) for fake in (batch.real * 0, batch.real * 0 + 1)]
        job.discriminator.load_state_dict(VgnetJob(job.config, CLIPS).discriminator.state_dict())
        again = job.discriminator_step(batch, batch.real * 0 + 1, 0)
        assert (terms[0]["d/landmark"] == again["d/landmark"]) is not regress_fakes


def test_the_mouth_weighting_is_chosen_by_name(tmp_path):
    terms = {}
    for weighting in ("published", "coded"):
        job = VgnetJob(small_vgnet(tmp_path, mouth_weighting=weighting), CLIPS)
        terms[weighting] = job.train_step(0)["g/landmark"]
    assert 60 < terms["coded"] / terms["published"] < 100
    with pytest.raises(ConfigError, match=r"invalid loss\.mouth_weighting 'squared': expected one of published, coded"):
        small_vgnet(tmp_path, mouth_weighting="squared")


def test_training_lowers_the_error_on_people_held_out(tmp_path):
    config = small_vgnet(tmp_path / "run", 70, colour=5.0, mouth_gain=20.0, adversarial=0.01, adversarial_from=67)
    config = dataclasses.replace(
        config, optim=VgnetOptimConfig(rate=4e-3), run=dataclasses.replace(config.run, ema=0.8)
    )  # short
    scores = train_vgnet(config, CLIPS)
    assert scores["score"] < 0.9 and scores["mouth_l1"] < scores["mouth_l1_of_photo"]
    assert scores["mouth_attention"] > 1.5 * scores["attention"]  # it opened where the photo is wrong
    assert list((tmp_path / "run").glob("preview_*.png"))
    kept = load_checkpoint(tmp_path / "run" / "last.safetensors", "vgnet")
    assert VgnetConfig(**kept.config) == VGNET
    assert "out" not in kept.provenance["config"]["run"]


def test_resuming_equals_no_interruption_in_every_tensor(tmp_path):
    whole, halves = small_vgnet(tmp_path / "whole", 4), small_vgnet(tmp_path / "halves", 4)
    train_vgnet(whole, CLIPS)
    train_vgnet(dataclasses.replace(halves, run=dataclasses.replace(halves.run, steps=2)), CLIPS)
    train_vgnet(halves, CLIPS)
    compare(*(torch.load(tmp_path / name / "state.pt", weights_only=True)["job"] for name in ("whole", "halves")))


def test_a_term_that_is_not_finite_is_named_before_any_weight_moves(job):
    with torch.no_grad():
        job.generator.heads.bias[0] = float("nan")
    before = weights(job.ema.network)
    with pytest.raises(TalkfaceError, match="g/pixel is nan at step 8"):
        job.train_step(7)
    assert not changed(before, job.ema.network)


def test_preview_shows_photo_sketch_attention_colour_fake_and_real(job):
    grid = job.preview()
    rows = len(job.held_out.real)
    assert grid.dtype == np.uint8 and grid.shape == (rows * 32, 6 * 32, 3)
    attention = grid[:, 64:96]
    assert (attention == attention[..., :1]).all()
    real = job.held_out.real[0].numpy()
    assert any(np.array_equal(grid[:32, 160:192], frame.transpose(1, 2, 0)) for frame in real)


def test_batches_made_ahead_change_nothing(tmp_path):
    config = small_vgnet(tmp_path)
    ahead = dataclasses.replace(config, data=dataclasses.replace(config.data, workers=2))
    ours, theirs = (VgnetJob(each, CLIPS).batches.get(1) for each in (config, ahead))
    assert torch.equal(ours.real, theirs.real)


def test_half_precision_trains_too(tmp_path):
    AcceleratorState._reset_state(True)  # Accelerate keeps the first precision for the whole process
    config = small_vgnet(tmp_path)
    job = VgnetJob(dataclasses.replace(config, run=dataclasses.replace(config.run, bf16=True)), CLIPS)
    assert all(np.isfinite(value) for value in job.train_step(0).values())
    assert all(p.dtype == torch.float32 for p in job.generator.parameters())
    AcceleratorState._reset_state(True)


def test_a_run_learns_displacement():
    with pytest.raises(ConfigError, match=r"model\.landmarks is for converted weights"):
        VgnetTraining(model=VgnetConfig(landmarks="atvgnet"))


def test_training_goes_on_from_given_weights_of_both_networks(tmp_path, job):
    """A converted generator also holds the arrays of its faces' normalisation, which a run has no use for."""
    arrays = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    generator, discriminator = tmp_path / "g.safetensors", tmp_path / "d.safetensors"
    save_checkpoint(generator, Checkpoint("vgnet", {}, {**job.generator.state_dict(), **arrays}))
    save_checkpoint(discriminator, Checkpoint("vgnet_discriminator", {}, job.discriminator.state_dict()))
    config = small_vgnet(tmp_path / "on")
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, seed=9))
    on = dataclasses.replace(config, start=str(generator), start_discriminator=str(discriminator))
    assert changed(weights(job.generator), VgnetJob(config, CLIPS).generator)
    later = VgnetJob(on, CLIPS)
    assert not changed(weights(job.generator), later.generator)
    assert not changed(weights(job.discriminator), later.discriminator)
    later.train_step(0)
    assert changed(weights(job.generator), later.generator)
    other = dataclasses.replace(on, model=dataclasses.replace(VGNET, blocks=2))
    with pytest.raises(CheckpointError, match=r"start=.*g.safetensors has other layers than model describes"):
        VgnetJob(other, CLIPS)
    with pytest.raises(CheckpointError, match=r"holds a network of kind vgnet, expected vgnet_discriminator"):
        VgnetJob(dataclasses.replace(on, start_discriminator=str(generator)), CLIPS)
