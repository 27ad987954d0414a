"""Meta-training on drawn clips: who learns from which loss, that it learns, that it resumes."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from talkface.checkpoints.convert.video_table import save_table
from talkface.checkpoints.fewshot import fewshot_checkpoint, load_fewshot
from talkface.checkpoints.format import load_checkpoint, save_checkpoint
from talkface.data.samplers.shots import FewshotBatch
from talkface.errors import CheckpointError, ConfigError, TalkfaceError
from talkface.training.jobs.content import ContentConfig, ContentLoss
from talkface.training.jobs.fewshot import FewshotJob, train_fewshot
from tests.drawn import drawn_clip
from tests.training.jobs.small import FEWSHOT, changed, compare, small_fewshot, weights

BATCH = list(FewshotBatch.__annotations__)
CLIPS = [drawn_clip(name) for name in "abcdef"]


@pytest.fixture
def job(tmp_path) -> FewshotJob:
    return FewshotJob(small_fewshot(tmp_path), CLIPS)


def test_the_generator_step_leaves_discriminator_and_w_untouched(job):
    discriminator, table = weights(job.networks.discriminator), weights(job.video_table)
    generator, embedder = weights(job.networks.generator), weights(job.networks.embedder)
    job.generator_step([job.batches.get(0).to(job.accelerator.device)], True, 1)
    assert not changed(discriminator, job.networks.discriminator)  # its spectral norms' vectors included
    assert not changed(table, job.video_table)
    assert all(p.grad is None for p in job.networks.discriminator.parameters())
    assert all(p.requires_grad for p in job.networks.discriminator.parameters())
    assert "projection.weight" in changed(generator, job.networks.generator)
    assert changed(embedder, job.networks.embedder)


def test_the_discriminator_step_changes_its_own_weights_and_the_batch_s_rows_only(job):
    part = job.batches.get(0).to(job.accelerator.device)
    _, fakes = job.generator_step([part], True, 1)
    discriminator, table = weights(job.networks.discriminator), weights(job.video_table)
    learners = weights(job.learners)
    job.discriminator_step([part], fakes, 1)
    assert {"common", "bias"} <= changed(discriminator, job.networks.discriminator)
    assert not changed(learners, job.learners)
    moved = (table["weight"] != job.video_table.weight).any(1).nonzero().flatten().tolist()
    assert set(moved) == set(part.videos.tolist()) and len(moved) < len(table["weight"])


def test_the_adversarial_gradient_reaches_the_generator_while_the_hinge_is_active(job):
    part = job.batches.get(0).to(job.accelerator.device)
    job.networks.discriminator.eval().requires_grad_(False)
    embedding = job.networks.embedder(part.shots, part.shot_sketches)
    fake = job.networks.generator(part.sketch, job.networks.generator.adain_params(embedding))
    fake.retain_grad()
    score, _ = job.networks.discriminator(fake, part.sketch, job.video_table.rows(part.videos))
    assert (1 + score > 0).all()
    job._generator_terms(embedding, fake, part, True)["g/adversarial"].backward()
    assert fake.grad.abs().sum() > 0
    for network in (job.networks.embedder, job.networks.generator):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_every_term_is_named_and_ff_has_no_match_term(tmp_path):
    always = {"g/content", "g/adversarial", "g/feature_matching", "d/hinge"}
    norms = {"norm/identity_embedding", "norm/video_embedding"}
    for mode, match in (("ft", {"g/embedding_match"}), ("ff", set())):
        terms = FewshotJob(small_fewshot(tmp_path, mode=mode), CLIPS).train_step(1)
        assert {name for name in terms if name[:2] in ("g/", "d/")} == always | match
        assert norms <= set(terms)


def test_two_discriminator_steps_by_default(job, monkeypatch):
    calls = []
    once = job.discriminator_step
    monkeypatch.setattr(job, "discriminator_step", lambda *args: calls.append(1) or once(*args))
    job.train_step(1)
    assert len(calls) == 2
    assert job.video_table.steps.max() == 2


def test_accumulated_batches_give_the_gradient_of_one_large_batch(tmp_path):
    config = small_fewshot(tmp_path)
    config = dataclasses.replace(
        config, model=dataclasses.replace(FEWSHOT, spectral=False)
    )  # whose vectors move per pass
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, grad_clip=0.0))
    gradients = []
    for parts in (1, 2):
        job = FewshotJob(config, CLIPS)
        whole = job.sampler.batch(4, 2, np.random.default_rng(0)).to(job.accelerator.device)
        step = 4 // parts
        cut = [slice(start, start + step) for start in range(0, 4, step)]
        weight = job.networks.generator.projection.weight
        job.optimizer.register_step_pre_hook(lambda *_, weight=weight: gradients.append(weight.grad.clone()))
        job.generator_step([FewshotBatch(*(getattr(whole, n)[s] for n in BATCH)) for s in cut], False, 1)
    assert torch.allclose(*gradients, atol=1e-6) and gradients[0].abs().sum() > 0


def test_training_lowers_the_error_on_people_held_out(tmp_path):
    config = small_fewshot(tmp_path / "run", 24, adversarial_from=20)
    scores = train_fewshot(config, CLIPS)
    assert scores["l1_over_start"] < 0.8
    assert list((tmp_path / "run").glob("preview_*.png"))
    networks = load_fewshot(load_checkpoint(tmp_path / "run" / "last.safetensors"))
    assert networks.config == FEWSHOT
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    names = {row["name"] for row in rows}
    assert {"train/g/content", "train/d/hinge", "train/start/tiny", "train/start/pixel"} <= names


def test_resuming_equals_no_interruption_in_every_tensor(tmp_path):
    whole, halves = small_fewshot(tmp_path / "whole", 4), small_fewshot(tmp_path / "halves", 4)
    train_fewshot(whole, CLIPS)
    stopped = dataclasses.replace(halves, run=dataclasses.replace(halves.run, steps=2))
    train_fewshot(stopped, CLIPS)
    train_fewshot(halves, CLIPS)
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True)["job"] for name in ("whole", "halves")]
    assert states[0]["video_table"]["steps"].sum() > 0
    compare(*states)


def test_a_gradient_that_is_not_finite_is_named(job):
    with torch.no_grad():
        job.networks.generator.projection.bias[3] = float("nan")
    with pytest.raises(TalkfaceError, match="g/content is nan at step 8"):
        job.train_step(7)


def test_which_tensor_s_gradient_is_not_finite_is_said(job):
    job.networks.embedder.layers[1].conv1.bias.register_hook(lambda gradient: gradient + float("inf"))
    with pytest.raises(TalkfaceError, match=r"gradient of embedder.layers.1.conv1.bias is inf at step 2"):
        job.generator_step([job.batches.get(0).to(job.accelerator.device)], False, 1)


def test_missing_perceptual_weights_say_where_they_come_from_and_how_to_do_without():
    with pytest.raises(CheckpointError, match=r"caffe_vgg19.safetensors.*VGG_ILSVRC_19_layers.*perceptual=\[none\]"):
        ContentLoss(ContentConfig())


def test_a_content_loss_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="neither perceptual networks nor pixels"):
        ContentConfig(perceptual=("none",))


def test_preview_shows_shots_sketch_fake_and_real(job):
    grid = job.preview()
    assert grid.dtype == np.uint8 and grid.shape == (8 * 32, 5 * 32, 3)


def test_half_precision_trains_too(tmp_path):
    config = small_fewshot(tmp_path)
    job = FewshotJob(dataclasses.replace(config, run=dataclasses.replace(config.run, bf16=True)), CLIPS)
    assert all(np.isfinite(value) for value in job.train_step(0).values())
    assert all(p.dtype == torch.float32 for p in job.learners.parameters())


def test_training_goes_on_from_given_weights_and_w(tmp_path, job):
    weights_file, table_file = tmp_path / "before.safetensors", tmp_path / "w.npy"
    save_checkpoint(weights_file, fewshot_checkpoint(job.networks, {}))
    save_table(table_file, job.video_table.weight + 1)
    config = dataclasses.replace(small_fewshot(tmp_path / "on"), start=str(weights_file), start_table=str(table_file))
    later = FewshotJob(dataclasses.replace(config, run=dataclasses.replace(config.run, seed=9)), CLIPS)
    assert not changed(weights(job.networks.generator), later.networks.generator)
    assert not changed(weights(job.networks.discriminator), later.networks.discriminator)
    assert torch.equal(later.video_table.weight, job.video_table.weight + 1)
    save_table(table_file, torch.zeros(3, 2))
    with pytest.raises(ConfigError, match=r"invalid start_table of \[3, 2\]"):
        FewshotJob(config, CLIPS)
    other = dataclasses.replace(config.model, generator=config.model.generator.replace("BA8", "JA8,J8"))
    with pytest.raises(CheckpointError, match=r"has another generator than model describes"):
        FewshotJob(dataclasses.replace(config, model=other, start_table=""), CLIPS)
