"""The renderer's training on drawn clips: it learns, it resumes, its snapshot loads in the renderer."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.config import RunConfig
from talkface.errors import DatasetError
from talkface.models.hybrid import Hybrid, HybridConfig
from talkface.training.jobs.hybrid import RendererJob, train_renderer
from talkface.training.jobs.hybrid_config import RendererConfig, RendererDataConfig, RendererLossConfig
from talkface.training.jobs.hybrid_scores import split_people
from tests.data.samplers.test_pairs import drawn_clip

CLIPS = [drawn_clip("a"), drawn_clip("b"), drawn_clip("c")]


def tiny(folder: Path, steps: int) -> RendererConfig:
    return RendererConfig(
        model=HybridConfig(patch=32, channels=(8, 8, 8), depth=1, embedding=8),
        data=RendererDataConfig(held_out_every=3, shots=2, several_every=2),
        loss=RendererLossConfig(adversarial_from=steps - 2),
        run=RunConfig(
            out=str(folder),
            steps=steps,
            batch_size=4,
            device="cpu",
            eval_every=steps,
            save_every=steps // 2,
            log_every=2,
        ),
    )


def test_training_beats_the_start_and_writes_weights(tmp_path):
    config = tiny(tmp_path / "run", 40)
    before = RendererJob(config, CLIPS).evaluate()
    after = train_renderer(config, CLIPS)
    assert after["score"] < before["score"]
    checkpoint = load_checkpoint(tmp_path / "run" / "last.safetensors", "hybrid")
    network = Hybrid(HybridConfig(**{**checkpoint.config, "channels": tuple(checkpoint.config["channels"])}))
    network.load_state_dict({name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    assert list((tmp_path / "run").glob("preview_*.png"))


def test_resuming_equals_no_interruption(tmp_path):
    whole, halves = tiny(tmp_path / "whole", 8), tiny(tmp_path / "halves", 8)
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
        train_renderer(tiny(tmp_path, 4), [])


def test_preview_is_a_grid_of_seven_columns(tmp_path):
    job = RendererJob(tiny(tmp_path, 4), CLIPS)
    grid = job.preview()
    assert grid.dtype == np.uint8 and grid.shape[1] == 7 * 32
