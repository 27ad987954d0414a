"""Prepared clips + config -> trained headmotion: the likelihood of what real heads did next, speakers balanced."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.config import to_dict
from talkface.data.clip import PreparedClip
from talkface.data.samplers.headmotion import (
    HEAD_CLIPS,
    HeadBatch,
    HeadExample,
    HeadSampler,
    make_head_examples,
    typical_deviation,
)
from talkface.errors import ConfigError
from talkface.models.headmotion import POSE, Headmotion, HeadmotionConfig, build_headmotion, config_dict
from talkface.scale.threads import limit_threads
from talkface.training.engine.loop import (
    Ema,
    StateOfParts,
    fit,
    make_accelerator,
    step_generator,
)
from talkface.training.engine.processes import own_part
from talkface.training.engine.run_folder import check_resumable
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.audio2landmark import hold_out, load_clips
from talkface.training.jobs.headmotion_config import HeadmotionTraining
from talkface.types import FloatArray, Image


def train_headmotion(config: HeadmotionTraining, clips: Sequence[PreparedClip] | None = None) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Returns:
        Scores of the last evaluation.

    Raises:
        ConfigError: the run folder belongs to another run, or a setting does not fit.
        DatasetError: no clip is usable.
    """
    _check(config.model)
    check_resumable(Path(config.run.out), to_dict(config))
    with limit_threads(config.run.threads, opencv=False):
        make_accelerator(config.run)
        if clips is None:
            clips = cast(Sequence[PreparedClip], load_clips(config.data)[0])
        examples = make_head_examples(clips)
        train, held_out = hold_out(examples, config.data.held_out_every, config.data.held_out_first)
        return fit(HeadmotionJob(config, train, held_out), config.run, to_dict(config))


def _check(model: HeadmotionConfig) -> None:
    if model.past < 2 or model.block < 1 or model.components > model.block * POSE:
        raise ConfigError(
            f"model has past {model.past}, block {model.block}, components {model.components}: expected a past of 2"
            f" or more and at most {POSE} components per frame of the block"
        )


class HeadmotionJob(StateOfParts):
    """Job that `fit` runs."""

    samples = 3  # rollouts per held-out clip

    def __init__(
        self, config: HeadmotionTraining, train: Sequence[HeadExample], held_out: Sequence[HeadExample]
    ) -> None:
        self.config, self.train, self.held_out = config, train, held_out
        self.accelerator = make_accelerator(config.run)
        with seeded(config.run.seed):
            network = build_headmotion(config_dict(config.model))
        model = config.model
        self.sampler = HeadSampler(
            train, config.batch, block=model.block, past=model.past, before=model.before, after=model.after
        )
        fit_buffers(network, train, self.sampler)
        self.network = network.to(self.accelerator.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.optim.rate, weight_decay=config.optim.weight_decay
        )
        self.ema = Ema(self.network, config.run.ema)
        per_speaker = {example.speaker: example for example in reversed(train)}
        self.few = list(per_speaker.values())
        """A clip of every speaker, for what is measured on training heads."""

    def train_step(self, step: int) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        self.network.train()
        batch = self.sampler.draw(self.config.run.batch_size, step_generator(self.config.run.seed, step))
        own = own_part(self.accelerator, batch)
        loss = negative_log_likelihood(self.network, own, self.config.optim.past_noise)
        logged = check_finite({"nll": loss}, step)
        share = own.weight.sum().clamp(min=1) / batch.weight.sum().clamp(min=1)  # of all blocks that are measured
        weighted = loss * float(share) * self.accelerator.num_processes
        step_on([weighted], self.optimizer, self.network, step, self.config.run.grad_clip, self.accelerator)
        self.ema.update(self.network)
        return logged

    def _rate(self, step: int) -> float:
        optim, steps = self.config.optim, self.config.run.steps
        warm = min(1.0, (step + 1) / max(optim.warm_up, 1))
        return optim.rate * warm * (0.5 + 0.5 * float(np.cos(np.pi * step / steps)))

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Negative log likelihood of held-out clips (training ones where none is held out), and how samples move.

        `extent` and `speed` are standard deviation and mean speed of the samples over those of the real heads.
        """
        network = cast(Headmotion, self.ema.network)
        self._calibrate(network)
        scored = self.held_out or self.few
        by_speaker: dict[str, list[float]] = {}
        made, real = [], []
        for number, example in enumerate(scored):
            blocks = len(example) // self.config.model.block
            parts = self.sampler.cut(example, 0, blocks)
            batch = HeadBatch(*(torch.from_numpy(part[None]) for part in parts))
            by_speaker.setdefault(example.speaker, []).append(negative_log_likelihood(network, batch, 0.0).item())
            for sample in range(self.samples):
                track = self._rollout(example, self.samples * number + sample)
                made.append(_extent_and_speed(track, network.deviation))
                real.append(_extent_and_speed(example.track, network.deviation))
        extent, speed = np.mean(made, 0) / np.maximum(np.mean(real, 0), 1e-9)
        score = float(np.mean([np.mean(each) for each in by_speaker.values()]))
        return {"score": score, "extent": float(extent), "speed": float(speed)}

    @torch.no_grad()
    def _calibrate(self, network: Headmotion) -> None:
        """Set the gain that makes samples as extensive as the training heads: a mixture smooths rare large turns away.

        The median over clips, so that neither a walk through the picture nor a head that rests counts for much.
        """
        network.gain.fill_(1.0)
        ratios = []
        for number, example in enumerate(self.few):
            made = [self._rollout(example, self.samples * number + sample) for sample in range(self.samples)]
            extents = [_extent_and_speed(track, network.deviation)[0] for track in made]
            ratios.append(_extent_and_speed(example.track, network.deviation)[0] / max(float(np.mean(extents)), 1e-6))
        network.gain.fill_(float(np.clip(np.median(ratios), 0.5, 2.0)))

    def _rollout(self, example: HeadExample, seed: int) -> FloatArray:
        return cast(Headmotion, self.ema.network).predict(example.features, seed, example.log_scale)

    def preview(self) -> Image | None:
        """Pitch, yaw and roll over time of a few clips: real in grey, two samples in colour."""
        scored = (self.held_out or self.train)[:6]  # clips on the preview
        rows = [(e.key, e.track, [self._rollout(e, seed) for seed in range(2)]) for e in scored]
        return draw_tracks(rows)

    def parts(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer, "ema": self.ema}

    def snapshot(self) -> Checkpoint:
        provenance = {
            "command": "talkface train configs/headmotion/base.yaml",
            "clips": len(self.train),
            "speakers": len(self.sampler.speakers),
            "data": {"split": self.config.data.split, "only_speakers": list(self.config.data.speakers)},
        }
        return Checkpoint("headmotion", config_dict(self.config.model), self.ema.network.state_dict(), provenance)


def negative_log_likelihood(network: Headmotion, batch: HeadBatch, past_noise: float) -> Tensor:
    """Mean negative log density of the shapes that the real heads took next, given their real past.

    Args:
        network: in training mode, or not.
        batch: stretches of blocks.
        past_noise: standard deviation of what is added to the past, in a head's own deviations.
    """
    settings, device = network.config, network.deviation.device
    features, weight, log_scale = (part.to(device) for part in (batch.features, batch.weight, batch.log_scale))
    track = batch.track.to(device) / network.units(log_scale)
    state, total = None, torch.zeros((), device=device)
    for number in range(weight.shape[1]):
        now = settings.past + number * settings.block
        past = track[:, now - settings.past : now]
        if past_noise > 0:
            past = past + past_noise * slow_noise(len(past), settings.past).to(device)
        block = track[:, now : now + settings.block]
        start = number * settings.block
        sound = features[:, start : start + settings.before + settings.block + settings.after]
        mixture, state = network.step(sound, past, log_scale, state)
        total = total - (weight[:, number] * mixture.log_density(network.encode(block, past))).sum()
    return total / weight.sum().clamp(min=1)


def slow_noise(count: int, frames: int) -> Tensor:
    """`[count, frames, 6]` of unit variance at the last frame: offset and drift, as answers go wrong; no jitter."""
    ramp = torch.linspace(0, 1, frames)[None, :, None]
    drawn = torch.randn(2, count, 1, POSE)  # offsets and drifts
    return (drawn[0] + drawn[1] * ramp) / 2**0.5


@torch.no_grad()
def fit_buffers(network: Headmotion, examples: Sequence[HeadExample], sampler: HeadSampler) -> None:
    """Typical values, quartiles of scale, and the shapes of a block: a PCA of the motion beyond the base."""
    settings = network.config
    network.deviation.copy_(torch.from_numpy(typical_deviation(examples)))
    log_scales: dict[str, list[float]] = {}
    blocks: dict[str, list[FloatArray]] = {}
    for example in examples:
        log_scales.setdefault(example.speaker, []).append(example.log_scale)
        rest = _rest_of_blocks(network, example, sampler)
        blocks.setdefault(example.speaker, []).append(rest)
    usual = [float(np.mean(each)) for each in log_scales.values()]
    network.log_scale_quartiles.copy_(torch.from_numpy(np.percentile(usual, [25, 50, 75]).astype(np.float32)))
    most = max(1, HEAD_CLIPS.typical_frames // settings.block)
    table = np.concatenate([np.concatenate(each)[:most] for each in blocks.values()]).astype(np.float64)
    _, size, axes = np.linalg.svd(table / np.sqrt(len(table)), full_matrices=False)
    kept = min(settings.components, len(size))
    network.shapes[:kept].copy_(torch.from_numpy((size[:kept, None] * axes[:kept]).astype(np.float32)))


def _rest_of_blocks(network: Headmotion, example: HeadExample, sampler: HeadSampler) -> FloatArray:
    """`[N, 6 n]` blocks of one clip less their base, in the head's own deviations."""
    settings = network.config
    track, *_ = sampler.cut(example, 0, len(example) // settings.block)
    scaled = torch.from_numpy(track) / network.units(torch.tensor([example.log_scale]))[0]
    starts = range(settings.past, len(scaled), settings.block)
    past = torch.stack([scaled[at - settings.past : at] for at in starts])
    block = torch.stack([scaled[at : at + settings.block] for at in starts])
    return (block - network.base(past)).flatten(1).numpy()


def _extent_and_speed(track: FloatArray, deviation: Tensor) -> FloatArray:
    scaled = track / deviation.cpu().numpy()
    return np.array([np.sqrt(scaled.var(0).mean()), np.linalg.norm(np.diff(scaled, axis=0), axis=1).mean()])


def draw_tracks(rows: Sequence[tuple[str, FloatArray, Sequence[FloatArray]]]) -> Image:
    """(name, real track, sampled tracks) -> three curves a clip, one column each, 20 degrees high."""
    strips = []
    for name, real, samples in rows:
        strip = np.full((100, 900, 3), 255, np.uint8)
        for column, angle in enumerate(("pitch", "yaw", "roll")):
            colours = ((170, 170, 170), (200, 40, 40), (40, 90, 200))
            for track, colour in zip((real, *samples), colours, strict=False):
                x = 300 * column + np.linspace(4, 295, len(track))
                y = 50 - 4 * np.degrees(track[:, column])
                cv2.polylines(strip, [np.stack([x, y], 1).astype(np.int32)], False, colour, 1, cv2.LINE_AA)
            words = f"{angle}, {name[:28]}" if column == 0 else angle
            cv2.putText(strip, words, (300 * column + 4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
        strips.append(strip)
    return np.concatenate(strips)
