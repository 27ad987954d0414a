"""The renderer's training on drawn clips: it learns, it resumes, its snapshot loads in the renderer."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.config import load_config
from talkface.errors import ConfigError, DatasetError
from talkface.models.hybrid import Hybrid, HybridConfig
from talkface.training.jobs.hybrid import RendererJob, train_renderer
from talkface.training.jobs.hybrid_config import RendererConfig
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


def test_a_run_of_before_settings_were_renamed_goes_on(tmp_path):
    config = small_hybrid(tmp_path, 2)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, learned_flow="residual"))
    train_renderer(config, CLIPS)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    kept = json.loads(state["config"])
    kept["model"] = {{"learned_flow": "warp_ref"}.get(name, name): value for name, value in kept["model"].items()}
    torch.save({**state, "config": json.dumps(kept)}, tmp_path / "state.pt")
    (tmp_path / "config.yaml").write_text(json.dumps(kept))
    (tmp_path / "state.before.pt").unlink(missing_ok=True)
    longer = dataclasses.replace(config, run=dataclasses.replace(config.run, steps=4))
    plain = dataclasses.replace(longer, model=dataclasses.replace(longer.model, learned_flow="none"))
    with pytest.raises(ConfigError, match=r"another model.learned_flow \('residual' there, 'none' here\)"):
        train_renderer(plain, CLIPS)
    train_renderer(longer, CLIPS)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["progress"]["step"] == 4
    with pytest.raises(ConfigError, match=r"unknown setting model.warp_ref.*: it is called model.learned_flow now"):
        load_config(RendererConfig, None, ["model.warp_ref=residual"])


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
