"""Shards + config -> trained hybrid renderer: pixels first, a discriminator late."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.config import RunConfig, to_dict
from talkface.data.datasets import ClipDataset
from talkface.data.renderer_batches import (
    POSE_ERROR,
    FaceClip,
    PairSampler,
    PatchBatch,
    PatchConfig,
    make_example,
    pose_error,
    stack_examples,
)
from talkface.errors import DatasetError
from talkface.landmarks.layout import mouth_opening
from talkface.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from talkface.losses.pixel import dynamic_weights, edge_l1, weighted_l1
from talkface.models.discriminator import PatchDiscriminator
from talkface.models.hybrid import Hybrid, HybridConfig, Painted
from talkface.training.loop import Ema, backward_and_step, fit, make_accelerator, step_generator
from talkface.types import Image


@dataclass(frozen=True)
class RendererDataConfig:
    """Which clips, and how many photos an example has."""

    shards: str = "shards"  # folder that `talkface prepare` wrote
    split: str = "train"
    held_out_every: int = 10  # every so many-th speaker is kept for the scores; 0 keeps none
    shots: int = 3  # photos of an example in the steps that use several
    several_every: int = 5  # every so many-th step uses several photos, the others one
    pool: int = 6  # frames that a pair is picked from by their opening
    jitter: float = 0.006  # noise of the target's landmarks in outer-eye distances
    degrade: float = 0.25  # share of photos behind a coarse JPEG


@dataclass(frozen=True)
class RendererLossConfig:
    """Weights of the terms; 0 leaves a term out."""

    blend: float = 1.0  # L1 of the blend with the warp
    colour: float = 1.0  # L1 of the painted colour itself: what opens the mask
    inner_gain: float = 4.0  # how much more the inner mouth counts
    edges: float = 1.0
    outside: float = 0.02  # mask away from the lips, where the warp is sharper
    adversarial: float = 0.04
    feature_matching: float = 0.2
    adversarial_from: int = 2800  # step at which the discriminator joins


@dataclass(frozen=True)
class RendererOptimConfig:
    rate: float = 8e-4  # of Adam, for the renderer
    discriminator_rate: float = 4e-4
    halve_every: int = 3000  # steps after which the renderer's rate has halved, smoothly


@dataclass(frozen=True)
class RendererConfig:
    """configs/renderer/*.yaml with `kind: renderer`."""

    kind: str = "renderer"
    model: HybridConfig = field(default_factory=HybridConfig)
    data: RendererDataConfig = field(default_factory=RendererDataConfig)
    loss: RendererLossConfig = field(default_factory=RendererLossConfig)
    optim: RendererOptimConfig = field(default_factory=RendererOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)


def train_renderer(config: RendererConfig, clips: Sequence[FaceClip] | None = None) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Raises:
        DatasetError: no clips to train on.
    """
    if clips is None:
        dataset = ClipDataset(Path(config.data.shards), config.data.split)
        clips = [dataset[index] for index in range(len(dataset))]
    return fit(RendererJob(config, clips), config.run, to_dict(config))


class RendererJob:
    """Renderer, discriminator, their optimisers and the clips."""

    def __init__(self, config: RendererConfig, clips: Sequence[FaceClip]) -> None:
        self.config = config
        self.accelerator: Accelerator = make_accelerator(config.run)
        training, held_out = split_speakers(clips, config.data.held_out_every)
        if not training:
            raise DatasetError("no clip to train on: prepare some with `talkface prepare`, or check data.split")
        data = config.data
        self.patch = PatchConfig(config.model.patch, config.model.scale, data.pool, data.jitter, data.degrade)
        self.sampler = PairSampler(training, self.patch)
        self.held_out = held_out_batch(held_out or training, self.patch)
        torch.manual_seed(config.run.seed)
        device = self.accelerator.device
        self.renderer = Hybrid(config.model).to(device)
        self.discriminator = PatchDiscriminator().to(device)
        if device.type == "cpu":
            self.renderer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = Ema(self.renderer, config.run.ema)
        self.optimizer = torch.optim.Adam(self.renderer.parameters(), config.optim.rate, betas=(0.9, 0.99))
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), config.optim.discriminator_rate, betas=(0.0, 0.99)
        )

    def train_step(self, step: int) -> dict[str, float]:
        """One batch: renderer, then (late in the run) discriminator."""
        run, data = self.config.run, self.config.data
        shots = data.shots if data.several_every and step % data.several_every == data.several_every - 1 else 1
        size = max(1, run.batch_size // shots)
        batch = self._to_device(self.sampler.batch(size, shots, step_generator(run.seed, step)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optim.rate * 0.5 ** (step / self.config.optim.halve_every)
        adversarial = self.config.loss.adversarial > 0 and step >= self.config.loss.adversarial_from
        with self.accelerator.autocast():
            painted = self.renderer(batch.warped, batch.patches, batch.sketch)
            terms = self._renderer_terms(painted, batch, adversarial)
        loss = sum(terms.values(), torch.zeros((), device=batch.real.device))
        backward_and_step(self.accelerator, loss, self.optimizer, self.renderer, run.grad_clip)
        self.ema.update(self.renderer)
        logged = {name: float(term.detach()) for name, term in terms.items()}
        if adversarial:
            logged["d/hinge"] = self._discriminator_step(painted.image.detach(), batch)
        return logged

    def _renderer_terms(self, painted: Painted, batch: PatchBatch, adversarial: bool) -> dict[str, Tensor]:
        loss = self.config.loss
        weights = dynamic_weights(batch.inner_mouth, painted.mask, loss.inner_gain)
        lips = (batch.sketch[:, 1:2] + 1) / 2
        away = 1 - torch.nn.functional.max_pool2d(lips, 9, stride=1, padding=4)
        terms = {
            "g/blend": loss.blend * weighted_l1(painted.image, batch.real, weights),
            "g/colour": loss.colour * weighted_l1(painted.colour, batch.real, weights),
            "g/edges": loss.edges * edge_l1(painted.image, batch.real, weights),
            "g/outside": loss.outside * (painted.mask * away).mean(),
        }
        if adversarial:
            self.discriminator.requires_grad_(False)
            fake_score, fake_features = self.discriminator(painted.image, batch.sketch)
            with torch.no_grad():
                _, real_features = self.discriminator(batch.real, batch.sketch)
            terms["g/adversarial"] = loss.adversarial * hinge_generator(fake_score.float())
            terms["g/feature_matching"] = loss.feature_matching * feature_matching(fake_features, real_features)
            self.discriminator.requires_grad_(True)
        return terms

    def _discriminator_step(self, fake: Tensor, batch: PatchBatch) -> float:
        with self.accelerator.autocast():
            scores, _ = self.discriminator(torch.cat([fake, batch.real]), torch.cat([batch.sketch, batch.sketch]))
        hinge = hinge_discriminator(*scores.float().chunk(2))
        optimizer, grad_clip = self.discriminator_optimizer, self.config.run.grad_clip
        backward_and_step(self.accelerator, hinge, optimizer, self.discriminator, grad_clip)
        return float(hinge.detach())

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """L1 inside the inner mouth over the warp's, people held out, closed photo to most open frames."""
        batch = self._to_device(self.held_out)
        painted = [self._paint(part) for part in _parts(batch, 32)]
        image = torch.cat([part.image for part in painted])
        mask = torch.cat([part.mask for part in painted])
        inner = batch.inner_mouth
        warp = 127.5 * weighted_l1(batch.warped[:, 0], batch.real, inner)
        network = 127.5 * weighted_l1(image, batch.real, inner)
        everywhere = (image - batch.real).abs().mean() / (batch.warped[:, 0] - batch.real).abs().mean()
        sharpness = _edges(image, inner) / _edges(batch.real, inner)
        return {
            "score": float(network / warp),
            "inner_l1": float(network),
            "inner_l1_warp": float(warp),
            "patch_l1_over_warp": float(everywhere),
            "inner_sharpness": float(sharpness),
            "mask": float(mask.mean()),
        }

    @torch.no_grad()
    def preview(self) -> Image:
        """Rows of held-out people: photo, sketch, warp, colour, mask, result, real."""
        batch = self._to_device(self.held_out)
        some = torch.linspace(0, len(batch.real) - 1, 14, device=batch.real.device).long().unique()
        part = PatchBatch(*(getattr(batch, name)[some] for name in PatchBatch.__annotations__))
        painted = self._paint(part)
        mask = painted.mask.expand(-1, 3, -1, -1) * 2 - 1
        row = [part.patches[:, 0, :3], part.sketch, part.warped[:, 0], painted.colour, mask, painted.image, part.real]
        grid = torch.cat([torch.cat(list(column), 1) for column in row], 2)
        return np.asarray(((grid.float() + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy())

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def snapshot(self) -> Checkpoint:
        """Averaged weights in half precision: the network ships in a few megabytes."""
        tensors = {name: tensor.half() for name, tensor in self.ema.network.state_dict().items()}
        config = to_dict(self.config)
        for section, name in (("run", "out"), ("data", "shards")):
            config[section].pop(name)  # a place on one machine says nothing on another
        return Checkpoint("hybrid", to_dict(self.config.model), tensors, {"config": config})

    def _parts(self) -> dict[str, Any]:
        return {
            "renderer": self.renderer,
            "discriminator": self.discriminator,
            "ema": self.ema,
            "optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def _paint(self, batch: PatchBatch) -> Painted:
        with self.accelerator.autocast():
            painted: Painted = self.ema.network(batch.warped, batch.patches, batch.sketch)
        return painted

    def _to_device(self, batch: PatchBatch) -> PatchBatch:
        """Pixels to [-1, 1], the inner mouth to [0, 1]."""
        device = self.accelerator.device
        warped, patches, sketch, real = (
            pixels.to(device).float() / 127.5 - 1 for pixels in (batch.warped, batch.patches, batch.sketch, batch.real)
        )
        return PatchBatch(warped, patches, sketch, real, batch.inner_mouth.to(device).float() / 255)


def split_speakers(clips: Sequence[FaceClip], every: int) -> tuple[list[FaceClip], list[FaceClip]]:
    """Clips of the speakers to train on and of those held out."""
    apart = held_out_speakers([clip.speaker for clip in clips], every)
    return [c for c in clips if c.speaker not in apart], [c for c in clips if c.speaker in apart]


def held_out_speakers(clip_speakers: Sequence[str], every: int) -> set[str]:
    """Every so many-th speaker of a list of clips; the one with most clips is never held out, nor any with 0."""
    counts = Counter(clip_speakers)
    speakers = sorted(counts)
    longest = max(speakers, key=lambda speaker: counts[speaker], default="")
    return {s for i, s in enumerate(speakers) if every and i % every == every - 1 and s != longest}


def held_out_batch(
    clips: Sequence[FaceClip], config: PatchConfig, clips_at_most: int = 16, frames: int = 6
) -> PatchBatch:
    """Most closed frame as the photo, most open frames as targets, of clips spread over the list."""
    chosen = [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, clips_at_most).astype(int))]
    examples = []
    for clip in chosen:
        kept = np.flatnonzero(np.isfinite(clip.landmarks).all((1, 2)))
        if len(kept) < 2:
            continue
        order = kept[np.argsort(mouth_opening(clip.landmarks[kept]), kind="stable")]
        photo, points = clip.image(int(order[0])), clip.landmarks[order[:1]]
        order = order[[pose_error(points[0], clip.landmarks[frame]) < POSE_ERROR for frame in order]]
        for target in order[::-1][: min(frames, len(order) - 1)]:
            examples.append(make_example([photo], points, clip.image(int(target)), clip.landmarks[target], config))
    return stack_examples(examples)


def _parts(batch: PatchBatch, size: int) -> list[PatchBatch]:
    names = list(PatchBatch.__annotations__)
    return [
        PatchBatch(*(getattr(batch, name)[start : start + size] for name in names))
        for start in range(0, len(batch.real), size)
    ]


def _edges(image: Tensor, weights: Tensor) -> Tensor:
    """Mean step between neighbours, weighted: how sharp a picture is there."""
    image = image.float()
    across = (image.diff(dim=3).abs() * weights[..., 1:]).mean()
    down = (image.diff(dim=2).abs() * weights[..., 1:, :]).mean()
    return across + down
