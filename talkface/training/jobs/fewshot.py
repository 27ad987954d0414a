"""Shards + config -> meta-trained few-shot renderer (FSTH, Zakharov et al. 2019, section 3.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from talkface.checkpoints.convert.video_table import load_table
from talkface.checkpoints.fewshot import FewshotNetworks, build_fewshot, fewshot_checkpoint, load_fewshot
from talkface.checkpoints.format import Checkpoint, load_checkpoint
from talkface.config import portable_dict, to_dict
from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.samplers.shot_pictures import unsigned
from talkface.data.samplers.shots import FewshotBatch, Prefetcher, ShotSampler, ShotsConfig, open_shots
from talkface.errors import CheckpointError
from talkface.files.read import refusing
from talkface.losses.adversarial import feature_matching, hinge_discriminator, hinge_generator
from talkface.losses.matching import embedding_match
from talkface.media.colour import to_signed
from talkface.models.video_table import VideoTable
from talkface.scale.threads import limit_threads
from talkface.training.engine.loop import (
    Ema,
    StateOfParts,
    fit,
    make_accelerator,
    step_generator,
)
from talkface.training.engine.memory import oom_hint
from talkface.training.engine.processes import chunks, own_rows
from talkface.training.engine.run_folder import check_resumable
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.content import ContentLoss
from talkface.training.jobs.fewshot_config import FewshotTraining
from talkface.training.jobs.hybrid_scores import split_people
from talkface.types import Image


@dataclass(frozen=True)
class FewshotJobSettings:
    """Scores and previews of a run."""

    held_out: int = 48  # examples that are scored at most
    per_video: int = 4  # of them from one video
    shown: int = 8  # rows of the preview
    shown_shots: int = 3


FEWSHOT_JOB = FewshotJobSettings()


def train_fewshot(config: FewshotTraining, clips: Sequence[PreparedClip] | None = None) -> dict[str, float]:
    """Meta-train by `config`, on `clips` where given, else on the shards it names.

    Raises:
        DatasetError: no clips to train on.
        ConfigError: shards cut in another way than the model expects.
        CheckpointError: missing weights of a perceptual network.
    """
    check_resumable(Path(config.run.out), to_dict(config))
    with limit_threads(config.run.threads, opencv=False):
        data, model = config.data, config.model
        stored = (clips, 1.0) if clips is not None else open_shots(data.shards, data.split, model.crop, model.crop_side)
        return fit(FewshotJob(config, *stored), config.run, to_dict(config))


class FewshotJob(StateOfParts):
    """Embedder, generator, discriminator, W, their optimisers and the clips."""

    def __init__(self, config: FewshotTraining, clips: Sequence[PreparedClip] | ClipDataset, zoom: float = 1.0) -> None:
        self.config = config
        self.accelerator: Accelerator = make_accelerator(config.run)
        ((_, self.rows),) = own_rows(self.accelerator, config.run.batch_size, 1)
        training, held_out = split_people(clips, config.data.held_out_every)
        data, plain = config.data, ShotsConfig(config.model.size, zoom, sketch=config.model.sketch)
        varied = replace(plain, mirror=data.mirror, tint=data.tint, kept_frames=data.kept_frames)
        self.sampler = ShotSampler(training, varied)
        judged = ShotSampler(held_out or training, plain)
        count = min(FEWSHOT_JOB.held_out, FEWSHOT_JOB.per_video * judged.usable)
        self.held_out = judged.spread(count, data.shots, step_generator(config.run.seed, 0))
        self.batches = Prefetcher(self._draw, data.workers)
        self._build(int(self.sampler.videos.max()) + 1)
        self.start_l1 = 0.0  # of the untrained networks on people held out

    def _build(self, videos: int) -> None:
        """Networks, averages and optimisers, the same for the same seed."""
        config, device = self.config, self.accelerator.device
        with seeded(config.run.seed):
            networks = build_fewshot(config.model)
            self.video_table = VideoTable(videos, config.model.embedding, config.optim.beta2)
        if config.start:
            _go_on_from(networks, Path(config.start))
        for network in networks.by_name().values():
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.networks = networks
        self.learners = nn.ModuleDict({"embedder": networks.embedder, "generator": networks.generator})
        if config.start_table:
            self.video_table.take_over(load_table(Path(config.start_table)))
        self.video_table = self.video_table.to(device)
        self.content = ContentLoss(config.loss.content).to(device)
        self.ema = Ema(self.learners, config.run.ema)
        optim = config.optim
        betas = (optim.beta1, optim.beta2)
        self.optimizer = torch.optim.Adam(self.learners.parameters(), optim.rate, betas=betas)
        self.discriminator_optimizer = torch.optim.Adam(
            networks.discriminator.parameters(), optim.discriminator_rate, betas=betas
        )

    def train_step(self, step: int) -> dict[str, float]:
        """Embedder and generator once, then discriminator and W as often as configured."""
        if step == 0:
            self.start_l1 = self.evaluate()["l1"]
        count = self.config.optim.accumulate
        parts = [self.batches.get(step * count + part).to(self.accelerator.device) for part in range(count)]
        adversarial = self.config.loss.adversarial > 0 and step >= self.config.loss.adversarial_from
        with oom_hint("run.batch_size", self.config.run.batch_size, count):
            logged, fakes = self.generator_step(parts, adversarial, step)
            if adversarial:
                for _ in range(self.config.optim.discriminator_steps):
                    logged |= self.discriminator_step(parts, fakes, step)
        return logged

    def generator_step(
        self, parts: Sequence[FewshotBatch], adversarial: bool, step: int
    ) -> tuple[dict[str, float], list[Tensor]]:
        """One update of embedder and generator; returns the terms and the fakes. D and W stay as they are."""
        discriminator = self.networks.discriminator
        discriminator.requires_grad_(False).eval()  # in training mode its spectral norms would move
        self.learners.train()
        logged: dict[str, float] = {}
        fakes: list[Tensor] = []
        losses = self._generator_losses(parts, adversarial, step, logged, fakes)
        clip = self.config.run.grad_clip
        norm = step_on(losses, self.optimizer, self.learners, step, clip, self.accelerator)
        logged["norm/generator_gradient"] = norm
        self.ema.update(self.learners)
        discriminator.requires_grad_(True)
        return logged, fakes

    def _generator_losses(
        self,
        parts: Sequence[FewshotBatch],
        adversarial: bool,
        step: int,
        logged: dict[str, float],
        fakes: list[Tensor],
    ) -> Iterator[Tensor]:
        """The share of every part in the generator's loss; adds the terms to `logged`, the pictures to `fakes`."""
        for part in parts:
            with self.accelerator.autocast():
                each = self.networks.embedder.each(part.shots, part.shot_sketches)
                embedding = each.mean(1)
                fake = self.networks.generator(part.sketch, self.networks.generator.adain_params(embedding))
                matched = each if self.config.loss.embedding_match_of == "each" else embedding
                terms = self._generator_terms(matched, fake, part, adversarial)
            _add(logged, terms, 1 / len(parts), step)
            _add(logged, {"norm/identity_embedding": embedding.norm(dim=1).mean()}, 1 / len(parts), step)
            if step == 0:
                _add(logged, self.content.start_terms(fake, part.real), 1 / len(parts), step)
            fakes.append(fake.detach())
            yield sum(terms.values(), fake.new_zeros(())) / len(parts)

    def _generator_terms(
        self, matched: Tensor, fake: Tensor, part: FewshotBatch, adversarial: bool
    ) -> dict[str, Tensor]:
        """Weighted terms of the generator's loss by name; `matched` is what the match term compares with W."""
        loss, discriminator = self.config.loss, self.networks.discriminator
        terms = {"g/content": self.content(fake, part.real)}
        if not adversarial:
            return terms
        rows = self.video_table.rows(part.videos)
        score, fake_features = discriminator(fake, part.sketch, rows)
        with torch.no_grad():
            _, real_features = discriminator(part.real, part.sketch, rows)
        terms["g/adversarial"] = loss.adversarial * hinge_generator(score)
        matching = feature_matching(fake_features, real_features, loss.feature_matching_over)
        terms["g/feature_matching"] = loss.feature_matching * matching
        if loss.mode == "ft":
            terms["g/embedding_match"] = loss.embedding_match * embedding_match(matched, rows)
        return terms

    def discriminator_step(self, parts: Sequence[FewshotBatch], fakes: Sequence[Tensor], step: int) -> dict[str, float]:
        """One update of V, w0, b and of the batch's rows of W, by the hinge alone."""
        discriminator = self.networks.discriminator.train()
        logged: dict[str, float] = {}
        gradients: list[Tensor] = []
        losses = self._discriminator_losses(parts, fakes, step, logged, gradients)
        clip = self.config.run.grad_clip
        norm = step_on(losses, self.discriminator_optimizer, discriminator, step, clip, self.accelerator)
        logged["norm/discriminator_gradient"] = norm
        videos = self.accelerator.gather(torch.cat([part.videos for part in parts]))
        gradient = self.accelerator.gather(torch.cat(gradients)) / self.accelerator.num_processes
        self.video_table.step(videos, gradient, self.config.optim.video_rate)
        return logged

    def _discriminator_losses(
        self,
        parts: Sequence[FewshotBatch],
        fakes: Sequence[Tensor],
        step: int,
        logged: dict[str, float],
        gradients: list[Tensor],
    ) -> Iterator[Tensor]:
        """The share of every part in the hinge; adds the terms to `logged`, its rows' gradients to `gradients`."""
        for part, fake in zip(parts, fakes, strict=True):
            rows = self.video_table.rows(part.videos).requires_grad_()
            with self.accelerator.autocast():
                pictures, sketches = torch.cat([fake, part.real]), torch.cat([part.sketch, part.sketch])
                scores, _ = self.networks.discriminator(pictures, sketches, torch.cat([rows, rows]))
            hinge = hinge_discriminator(*scores.chunk(2))
            _add(logged, {"d/hinge": hinge}, 1 / len(parts), step)
            _add(logged, {"norm/video_embedding": rows.norm(dim=1).mean()}, 1 / len(parts), step)
            yield hinge / len(parts)
            assert rows.grad is not None
            gradients.append(rows.grad)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """L1 of people held out, fed forward, in levels of 255; and how the discriminator ranks photo and fake.

        `real_above_fake` is the share of targets whose photo scores above its fake, by w0 alone: these people have no
        row in W.
        """
        fakes, fake_scores, real_scores = [], [], []
        discriminator = self.networks.discriminator.eval()
        batch = self.held_out
        for part in chunks(batch, max(1, self.config.run.batch_size)):
            part = part.to(self.accelerator.device)
            with self.accelerator.autocast():
                fake = self._generate(part)
                fake_scores.append(discriminator(fake, part.sketch)[0].float())
                real_scores.append(discriminator(part.real, part.sketch)[0].float())
            fakes.append(fake.float().cpu())
        real = to_signed(batch.real)
        l1 = 127.5 * float((torch.cat(fakes) - real).abs().mean())
        copied = 127.5 * float((to_signed(batch.shots[:, 0]) - real).abs().mean())
        above = (torch.cat(real_scores) > torch.cat(fake_scores)).float().mean()
        scores = {"score": l1, "l1": l1, "l1_of_a_shot": copied, "real_above_fake": float(above)}
        return scores | ({"l1_over_start": l1 / self.start_l1} if self.start_l1 else {})

    @torch.no_grad()
    def preview(self) -> Image:
        """Rows of people held out: shots, sketch, fake, real."""
        some = next(chunks(self.held_out, FEWSHOT_JOB.shown))
        part = some.to(self.accelerator.device)
        with self.accelerator.autocast():
            fake = self._generate(part)
        shots = [part.shots[:, k] for k in range(min(FEWSHOT_JOB.shown_shots, part.shots.shape[1]))]
        grid = torch.cat([torch.cat(list(column.float()), 1) for column in (*shots, part.sketch, fake, part.real)], 2)
        return unsigned(grid, rounded=False)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"start_l1": self.start_l1}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.start_l1 = state["start_l1"]

    def snapshot(self) -> Checkpoint:
        """Averaged embedder and generator, and the discriminator, which fine-tuning needs."""
        averaged = self.ema.network
        networks = FewshotNetworks(
            self.config.model,
            averaged["embedder"],  # type: ignore[index]
            averaged["generator"],  # type: ignore[index]
            self.networks.discriminator,
        )
        return fewshot_checkpoint(networks, {"config": portable_dict(self.config)})

    def parts(self) -> dict[str, Any]:
        return {
            **self.networks.by_name(),
            "video_table": self.video_table,
            "ema": self.ema,
            "optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def _generate(self, part: FewshotBatch) -> Tensor:
        """Pictures by the averaged networks."""
        averaged: Any = self.ema.network
        embedding = averaged["embedder"](part.shots, part.shot_sketches)
        generator = averaged["generator"]
        fake: Tensor = generator(part.sketch, generator.adain_params(embedding))
        return fake

    def _draw(self, index: int) -> FewshotBatch:
        """This process' rows of batch number `index`."""
        rng = step_generator(self.config.run.seed, index)
        return self.sampler.batch(self.config.run.batch_size, self.config.data.shots, rng, self.rows)


def _go_on_from(networks: FewshotNetworks, start: Path) -> None:
    """Put the weights of a checkpoint into networks of the same layout.

    Raises:
        CheckpointError: another kind of file, or another layout.
    """
    before = load_fewshot(load_checkpoint(start))
    for name, network in networks.by_name().items():
        with refusing(f"start={start} has another {name} than model describes", CheckpointError):
            network.load_state_dict(before.by_name()[name].state_dict())


def _add(logged: dict[str, float], terms: dict[str, Tensor], share: float, step: int) -> None:
    """Add `share` of each term to what is logged; one that is not finite is named."""
    for name, value in check_finite(terms, step).items():
        logged[name] = logged.get(name, 0.0) + share * value
