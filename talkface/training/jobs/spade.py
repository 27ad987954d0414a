"""Shards + config -> trained whole-frame SPADE renderer (Rhythmic Head Motion, Chen et al. 2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.config import portable_dict, to_dict
from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.samplers.shot_pictures import unsigned
from talkface.data.samplers.shots import FewshotBatch, Prefetcher, ShotsConfig, open_shots
from talkface.data.samplers.warp_shots import WarpShotSampler
from talkface.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from talkface.media.colour import to_signed
from talkface.models.discriminator import PatchDiscriminator
from talkface.models.spade import Source, SpadeFrame, SpadeNet, network_sketch
from talkface.models.spade_config import SpadeConfig
from talkface.scale.threads import limit_threads
from talkface.training.engine.loop import (
    Ema,
    StateOfParts,
    fit,
    make_accelerator,
    step_generator,
)
from talkface.training.engine.memory import oom_hint
from talkface.training.engine.processes import chunks, own_rows, share_norms
from talkface.training.engine.run_folder import check_resumable
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.content import ContentLoss
from talkface.training.jobs.hybrid_scores import split_people
from talkface.training.jobs.spade_config import SpadeTraining
from talkface.types import Image


@dataclass(frozen=True)
class SpadeJobSettings:
    """Scores and previews of a run."""

    held_out: int = 48  # examples that are scored at most
    per_video: int = 4  # of them from one video
    shown: int = 8  # rows of the preview
    background: float = 10.0  # level up to which a pixel of a drawn face's picture, in all channels, shows none


SPADE_JOB = SpadeJobSettings()


def train_spade(config: SpadeTraining, clips: Sequence[PreparedClip] | None = None) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Raises:
        DatasetError: no clips to train on.
        ConfigError: shards cut in another way than the model expects.
        CheckpointError: missing weights of a perceptual network.
    """
    check_resumable(Path(config.run.out), to_dict(config))
    with limit_threads(config.run.threads, opencv=False):
        data, model = config.data, config.model
        stored = (clips, 1.0) if clips is not None else open_shots(data.shards, data.split, model.crop, model.crop_side)
        return fit(SpadeJob(config, *stored), config.run, to_dict(config))


class SpadeJob(StateOfParts):
    """Generator, discriminator, their optimisers and the clips."""

    def __init__(self, config: SpadeTraining, clips: Sequence[PreparedClip] | ClipDataset, zoom: float = 1.0) -> None:
        self.config = config
        self.accelerator: Accelerator = make_accelerator(config.run)
        ((_, self.rows),) = own_rows(self.accelerator, config.run.batch_size, 1)
        training, held_out = split_people(clips, config.data.held_out_every)
        data, model = config.data, config.model
        plain = ShotsConfig(model.size, zoom, sketch=model.sketch)
        varied = replace(plain, mirror=data.mirror, tint=data.tint, kept_frames=data.kept_frames)
        self.sampler = WarpShotSampler(training, varied, model.warp_ani, model.crop_ref)
        judged = WarpShotSampler(held_out or training, plain, model.warp_ani, model.crop_ref)
        count = min(SPADE_JOB.held_out, SPADE_JOB.per_video * judged.usable)
        self.held_out = judged.spread(count, model.shots, step_generator(config.run.seed, 0))
        self.batches = Prefetcher(self._draw, data.workers)
        device = self.accelerator.device
        with seeded(config.run.seed):
            self.generator = SpadeNet(model)
            self.discriminator = PatchDiscriminator(3 + model.sketch_channels).to(device)
        if self.accelerator.num_processes > 1:
            share_norms(self.generator)
        self.generator.to(device)
        self.content = ContentLoss(config.loss.content).to(device)
        self.ema = Ema(self.generator, config.run.ema)
        optim = config.optim
        betas = (optim.beta1, optim.beta2)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), optim.rate, betas=betas)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), optim.discriminator_rate, betas=betas
        )
        self.start_l1 = 0.0  # of the untrained generator on people held out

    def train_step(self, step: int) -> dict[str, float]:
        """One batch: generator, then discriminator on its output."""
        if step == 0:
            self.start_l1 = self.evaluate()["l1"]
        batch = self.batches.get(step).to(self.accelerator.device)
        adversarial = self.config.loss.adversarial > 0 and step >= self.config.loss.adversarial_from
        with oom_hint("run.batch_size", self.config.run.batch_size, 1):
            logged, fakes = self.generator_step(batch, adversarial, step)
            if adversarial:
                logged |= self.discriminator_step(batch, fakes, step)
        return logged

    def generator_step(
        self, batch: FewshotBatch, adversarial: bool, step: int
    ) -> tuple[dict[str, float], list[Tensor]]:
        """One update of the generator; returns the terms and the fakes. The discriminator stays as it is."""
        self.discriminator.requires_grad_(False)
        self.generator.train()
        with self.accelerator.autocast():
            frame = self._generate(self.generator, batch)
            terms = self.generator_terms(frame, batch, adversarial)
        logged = check_finite(terms, step)
        loss, clip = sum(terms.values(), torch.zeros((), device=batch.real.device)), self.config.run.grad_clip
        norm = step_on([loss], self.optimizer, self.generator, step, clip, self.accelerator)
        logged["norm/generator_gradient"] = norm
        self.ema.update(self.generator)
        self.discriminator.requires_grad_(True)
        return logged, [fake.detach() for fake in _fakes(frame)]

    def generator_terms(self, frame: SpadeFrame, batch: FewshotBatch, adversarial: bool) -> dict[str, Tensor]:
        """Weighted terms of the generator's loss by name.

        The picture without the sources (add_raw_loss) is held to the same content, score and features as the final one.
        """
        loss, sketch = self.config.loss, network_sketch(batch.sketch, self.config.model)
        terms: dict[str, Tensor] = {}
        for name, fake in zip(("", "raw_"), _fakes(frame), strict=False):
            terms[f"g/{name}content"] = self.content(fake, batch.real)
            if not adversarial:
                continue
            score, features = self.discriminator(fake, sketch)
            with torch.no_grad():
                _, wanted = self.discriminator(batch.real, sketch)
            terms[f"g/{name}adversarial"] = loss.adversarial * hinge_generator(score.float())
            matching = feature_matching(features, wanted, "mean")
            terms[f"g/{name}feature_matching"] = loss.feature_matching * matching
        return terms | self._warp_terms(frame, batch)

    def _warp_terms(self, frame: SpadeFrame, batch: FewshotBatch) -> dict[str, Tensor]:
        """Terms by which the warped pictures resemble the target, and masks, where asked for, cover where they do."""
        loss, terms = self.config.loss, {}
        for name, source in frame.warped.items():
            error = (source.image - batch.real).abs()
            if name == "ani":
                drawn = (batch.shots[:, -1].amax(1, keepdim=True) > to_signed(SPADE_JOB.background)).float()
                terms["g/warp_ani"] = loss.warp * (error * drawn).mean()
                continue  # where no face is drawn, nothing says what its mask should be
            terms[f"g/warp_{name}"] = loss.warp * error.mean()
            if loss.mask > 0:
                fits = (1 - error.detach().sum(1, keepdim=True)).clamp(0, 1)
                wrong = fits * source.mask + (1 - fits) * (1 - source.mask)
                terms[f"g/mask_{name}"] = loss.mask * wrong.mean()
        return terms

    def discriminator_step(self, batch: FewshotBatch, fakes: Sequence[Tensor], step: int) -> dict[str, float]:
        """One update of the discriminator."""
        sketch = network_sketch(batch.sketch, self.config.model)
        with self.accelerator.autocast():
            real_score, _ = self.discriminator(batch.real, sketch)
            scores = [self.discriminator(fake, sketch)[0] for fake in fakes]
        hinges = [hinge_discriminator(score.float(), real_score.float()) for score in scores]
        hinge = torch.stack(hinges).mean()
        logged = check_finite({"d/hinge": hinge}, step)
        clip = self.config.run.grad_clip
        norm = step_on([hinge], self.discriminator_optimizer, self.discriminator, step, clip, self.accelerator)
        return logged | {"norm/discriminator_gradient": norm}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """L1 of people held out in levels of 255: of the frame, the frame without sources, the nearest shot itself."""
        real = to_signed(self.held_out.real)
        frames = [self._shown(part) for part in chunks(self.held_out, max(2, self.config.run.batch_size))]
        made = {
            "l1": torch.cat([frame.image.float().cpu() for frame in frames]),
            "l1_of_nearest_shot": to_signed(self.held_out.shots[:, 0]),
        }
        if frames[0].raw is not None:
            made["l1_raw"] = torch.cat([frame.raw.float().cpu() for frame in frames if frame.raw is not None])
        if "ref" in frames[0].warped:
            made["l1_of_warp"] = torch.cat([frame.warped["ref"].image.float().cpu() for frame in frames])
        scores = {name: 127.5 * float((picture - real).abs().mean()) for name, picture in made.items()}
        start = {"l1_over_start": scores["l1"] / self.start_l1} if self.start_l1 else {}
        return {"score": scores["l1"], **scores, **start}

    @torch.no_grad()
    def preview(self) -> Image:
        """Rows of people held out: nearest shot, sketch, every warped source and its mask, frame, real."""
        part = next(chunks(self.held_out, SPADE_JOB.shown))
        frame, batch = self._shown(part), part.to(self.accelerator.device)
        columns = [batch.shots[:, 0], batch.sketch]
        for source in frame.warped.values():
            columns += [source.image, source.mask.expand(-1, 3, -1, -1) * 2 - 1]
        columns += [frame.image, batch.real]
        grid = torch.cat([torch.cat(list(column.float()), 1) for column in columns], 2)
        return unsigned(grid, rounded=False)

    def snapshot(self) -> Checkpoint:
        """The averaged generator."""
        return Checkpoint(
            "spade", to_dict(self.config.model), self.ema.network.state_dict(), {"config": portable_dict(self.config)}
        )

    def parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema,
            "optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"start_l1": self.start_l1}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.start_l1 = state["start_l1"]

    def _shown(self, part: FewshotBatch) -> SpadeFrame:
        """Frames by the averaged generator."""
        with self.accelerator.autocast():
            return self._generate(self.ema.network, part.to(self.accelerator.device))

    def _generate(self, generator: torch.nn.Module, batch: FewshotBatch) -> SpadeFrame:
        model = self.config.model
        sketch, every = network_sketch(batch.sketch, model), network_sketch(batch.shot_sketches, model)
        sources = batch_sources(batch, every, model)
        count = model.shots
        frame: SpadeFrame = generator(sketch, batch.shots[:, :count], every[:, :count], sources)
        return frame

    def _draw(self, index: int) -> FewshotBatch:
        """This process' rows of batch number `index`."""
        rng = step_generator(self.config.run.seed, index)
        return self.sampler.batch(self.config.run.batch_size, self.config.model.shots, rng, self.rows)


def batch_sources(batch: FewshotBatch, sketches: Tensor, model: SpadeConfig) -> Mapping[str, Source]:
    """Sources of a batch in [-1, 1]: the first shot is warped; behind the last lie hidden places and drawn face."""
    sources = {}
    if model.warp_ref:
        hidden = batch.shots[:, model.shots, :1] if model.crop_ref else None
        sources["ref"] = Source(batch.shots[:, 0], sketches[:, 0], hidden)
    if model.warp_ani:
        sources["ani"] = Source(batch.shots[:, -1], sketches[:, -1])
    return sources


def _fakes(frame: SpadeFrame) -> list[Tensor]:
    """Pictures that are held to the target."""
    return [frame.image] if frame.raw is None else [frame.image, frame.raw]
