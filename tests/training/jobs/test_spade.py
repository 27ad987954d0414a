"""Training the whole-frame SPADE renderer on drawn clips: who learns from which loss, that it learns and resumes."""

import dataclasses

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.errors import ConfigError
from talkface.models.spade_config import SpadeConfig
from talkface.training.jobs.spade import SpadeJob, train_spade
from talkface.training.jobs.spade_config import SpadeOptimConfig
from tests.drawn import drawn_clip
from tests.training.jobs.small import SPADE, changed, compare, small_spade, weights

CLIPS = [drawn_clip(name) for name in "abcd"]


@pytest.fixture
def job(tmp_path) -> SpadeJob:
    return SpadeJob(small_spade(tmp_path), CLIPS)


def test_each_step_moves_its_own_network_only(job):
    discriminator, generator = weights(job.discriminator), weights(job.generator)
    batch = job.batches.get(0).to(job.accelerator.device)
    logged, fakes = job.generator_step(batch, True, 0)
    assert not changed(discriminator, job.discriminator)
    assert {"to_image.weight", "flows.ref.flow.weight"} <= changed(generator, job.generator)
    assert {"g/content", "g/raw_content", "g/adversarial", "g/raw_adversarial", "g/warp_ref"} <= set(logged)
    generator, average = weights(job.generator), weights(job.ema.network)
    assert len(fakes) == 2 and not fakes[0].requires_grad
    job.discriminator_step(batch, fakes, 0)
    assert "score.weight" in changed(discriminator, job.discriminator)
    assert not changed(generator, job.generator) and not changed(average, job.ema.network)


def test_the_raw_picture_is_a_switch_of_the_model(tmp_path):
    for raw in (True, False):
        job = SpadeJob(small_spade(tmp_path, model=dataclasses.replace(SPADE, raw=raw)), CLIPS)
        assert any("raw" in name for name in job.train_step(0)) == raw


def test_raw_loss_alone_teaches_the_label_and_no_source(job):
    batch = job.batches.get(0).to(job.accelerator.device)
    terms = job.generator_terms(job._generate(job.generator.train(), batch), batch, False)
    terms["g/raw_content"].backward()
    taught = {name for name, parameter in job.generator.named_parameters() if parameter.grad is not None}
    assert any(name.startswith("label.") for name in taught)
    assert not any(name.startswith(("flows.", "source_embeddings.")) for name in taught)


def test_the_mask_term_shuts_out_a_source_that_does_not_fit(tmp_path):
    job = SpadeJob(small_spade(tmp_path, mask=1.0), CLIPS)
    batch = job.batches.get(0).to(job.accelerator.device)
    with torch.no_grad():
        frame = job._generate(job.generator, batch)
    source = frame.warped["ref"]

    def term(image: torch.Tensor, mask: float) -> float:
        warped = {"ref": dataclasses.replace(source, image=image, mask=torch.full_like(source.mask, mask))}
        return float(job._warp_terms(dataclasses.replace(frame, warped=warped), batch)["g/mask_ref"])

    assert term(batch.real, 0.0) == 0 and term(batch.real, 1.0) == 1  # it fits: keep nothing of the picture so far
    assert term(-batch.real.sign(), 1.0) < 0.1 < term(-batch.real.sign(), 0.0)


def test_training_lowers_the_error_on_people_held_out(tmp_path):
    config = small_spade(tmp_path / "run", 24, adversarial=0.1, feature_matching=1.0, adversarial_from=22)
    config = dataclasses.replace(config, optim=SpadeOptimConfig(rate=5e-3, beta1=0.5))
    scores = train_spade(config, CLIPS)
    assert scores["l1_over_start"] < 0.6
    assert list((tmp_path / "run").glob("preview_*.png"))
    kept = load_checkpoint(tmp_path / "run" / "last.safetensors", "spade")
    assert SpadeConfig(**kept.config) == SPADE
    assert "out" not in kept.provenance["config"]["run"]


def test_resuming_equals_no_interruption_in_every_tensor(tmp_path):
    model = dataclasses.replace(SPADE, warp_ani=True, crop_ref=True)
    whole, halves = small_spade(tmp_path / "whole", model=model), small_spade(tmp_path / "halves", model=model)
    train_spade(whole, CLIPS)
    train_spade(dataclasses.replace(halves, run=dataclasses.replace(halves.run, steps=2)), CLIPS)
    train_spade(halves, CLIPS)
    compare(*(torch.load(tmp_path / name / "state.pt", weights_only=True)["job"] for name in ("whole", "halves")))


def test_preview_shows_shot_sketch_sources_frame_and_real(job):
    grid = job.preview()
    rows = len(job.held_out.real)
    assert grid.dtype == np.uint8 and grid.shape == (rows * 16, 6 * 16, 3)
    np.testing.assert_allclose(grid[:16, -16:], job.held_out.real[0].numpy().transpose(1, 2, 0), atol=1)


def test_what_cannot_be_trained_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="warp_prev is not trained"):
        small_spade(tmp_path, model=dataclasses.replace(SPADE, warp_prev=True))
    with pytest.raises(ConfigError, match="batch_size 1 leaves batch norm"):
        config = small_spade(tmp_path, model=dataclasses.replace(SPADE, size=4))
        dataclasses.replace(config, run=dataclasses.replace(config.run, batch_size=1))
