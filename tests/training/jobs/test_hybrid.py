"""The renderer's training on drawn clips: it learns, it resumes, its snapshot loads in the renderer."""

import dataclasses

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.errors import DatasetError
from talkface.models.hybrid import Hybrid, HybridConfig
from talkface.training.jobs.hybrid import RendererJob, train_renderer
from talkface.training.jobs.hybrid_scores import split_people
from tests.drawn import drawn_clip
from tests.training.jobs.small import small_hybrid

CLIPS = [drawn_clip("a"), drawn_clip("b"), drawn_clip("c")]


def test_training_beats_the_start_and_writes_weights(tmp_path):
    config = small_hybrid(tmp_path / "run", 40)
    before = RendererJob(config, CLIPS).evaluate()
    after = train_renderer(config, CLIPS)
    assert after["score"] < before["score"]
    checkpoint = load_checkpoint(tmp_path / "run" / "last.safetensors", "hybrid")
    network = Hybrid(HybridConfig(**{**checkpoint.config, "channels": tuple(checkpoint.config["channels"])}))
    network.load_state_dict({name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    assert list((tmp_path / "run").glob("preview_*.png"))


def test_resuming_equals_no_interruption(tmp_path):
    whole, halves = small_hybrid(tmp_path / "whole", 8), small_hybrid(tmp_path / "halves", 8)
    train_renderer(whole, CLIPS)
    stopped = dataclasses.replace(halves, run=dataclasses.replace(halves.run, steps=4))
    train_renderer(stopped, CLIPS)
    train_renderer(halves, CLIPS)
    weights = [load_checkpoint(tmp_path / name / "last.safetensors").tensors for name in ("whole", "halves")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_held_out_speakers_are_never_trained_on():
    training, held_out = split_people([drawn_clip(name) for name in "aaabcdef"], 2)
    assert not {clip.speaker for clip in training} & {clip.speaker for clip in held_out}
    assert "a" in {clip.speaker for clip in training}


def test_no_clips_is_said_plainly(tmp_path):
    with pytest.raises(DatasetError, match="no clip to train on"):
        train_renderer(small_hybrid(tmp_path, 4), [])


def test_preview_is_a_grid_of_seven_columns(tmp_path):
    job = RendererJob(small_hybrid(tmp_path, 4), CLIPS)
    grid = job.preview()
    assert grid.dtype == np.uint8 and grid.shape[1] == 7 * 32
