"""Shards + config -> trained hybrid renderer: pixels first, discriminators late."""

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.config import portable_dict, to_dict
from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.samplers.pairs import PairSampler
from talkface.data.samplers.patches import PatchBatch
from talkface.data.samplers.shots import Prefetcher
from talkface.errors import DatasetError
from talkface.losses.adversarial import hinge_discriminator
from talkface.models.discriminator import PatchDiscriminator
from talkface.models.hybrid import Hybrid, PatchOutput, Previous
from talkface.scale.threads import limit_threads
from talkface.training.engine.loop import (
    Ema,
    StateOfParts,
    fit,
    make_accelerator,
    step_generator,
)
from talkface.training.engine.processes import own_part, whole_answer
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.hybrid_config import RendererConfig
from talkface.training.jobs.hybrid_scores import draw_preview, held_out_batch, score, signed_batch, split_people
from talkface.training.jobs.hybrid_terms import adversarial_terms, cut_mouth, flow_terms, pixel_terms
from talkface.types import Image

KEPT_BYTES = 512 << 20  # of clips that stay in memory; their pictures are read when drawn


def train_renderer(config: RendererConfig, clips: Sequence[PreparedClip] | None = None) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Raises:
        DatasetError: no clips to train on.
    """
    if clips is None:
        clips = ClipDataset(config.data.shards, config.data.split, kept_bytes=KEPT_BYTES)
    with limit_threads(config.run.threads, opencv=False):
        return fit(RendererJob(config, clips), config.run, to_dict(config))


class RendererJob(StateOfParts):
    """Renderer, discriminators, their optimisers and the clips."""

    def __init__(self, config: RendererConfig, clips: Sequence[PreparedClip]) -> None:
        self.config = config
        self.accelerator: Accelerator = make_accelerator(config.run)
        training, held_out = split_people(clips, config.data.held_out_every)
        if not training:
            raise DatasetError("no clip to train on: prepare some with `talkface prepare`, or check data.split")
        patches = config.patches()
        self.sampler = PairSampler(training, patches)
        self.batches = Prefetcher(self._draw, config.data.workers)
        self.held_out = held_out_batch(held_out or training, patches)
        device = self.accelerator.device
        with seeded(config.run.seed):
            self.renderer = Hybrid(config.model).to(device)
            self.discriminators = {"discriminator": PatchDiscriminator().to(device)}
            if config.model.region == "face" and config.loss.mouth_adversarial > 0:
                self.discriminators["mouth_discriminator"] = PatchDiscriminator().to(device)
        if device.type == "cpu":
            self.renderer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = Ema(self.renderer, config.run.ema)
        self.optimizer = torch.optim.Adam(self.renderer.parameters(), config.optim.rate, betas=(0.9, 0.99))
        self.discriminator_optimizers = {
            name: torch.optim.Adam(network.parameters(), config.optim.discriminator_rate, betas=(0.0, 0.99))
            for name, network in self.discriminators.items()
        }

    def train_step(self, step: int) -> dict[str, float]:
        """One batch: renderer, then (late in the run) discriminators."""
        run, processes, frames = self.config.run, self.accelerator.num_processes, self.config.frames_at(step)
        batches = [signed_batch(batch, self.accelerator.device) for batch in self.batches.get(step)]
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optim.rate_at(step)
        adversarial = self.config.loss.adversarial > 0 and step >= self.config.loss.adversarial_from
        with self.accelerator.autocast():
            own = self._generate_run([own_part(self.accelerator, batch) for batch in batches])
            generated = [whole_answer(self.accelerator, each) for each in own]
            terms = self._renderer_terms(generated, batches, adversarial)
        logged = check_finite(terms, step)
        loss = sum(terms.values(), torch.zeros((), device=self.accelerator.device)) * processes
        step_on([loss], self.optimizer, self.renderer, step, run.grad_clip, self.accelerator)
        self.ema.update(self.renderer)
        if self.config.model.previous_frame:
            logged["frames"] = float(frames)
        if adversarial:
            fakes = torch.cat([output.image.detach() for output in generated])
            logged |= self._discriminator_steps(fakes, batches, step)
        return logged

    def _draw(self, step: int) -> list[PatchBatch]:
        """The whole batch of a step, the same in every process."""
        run, data, frames = self.config.run, self.config.data, self.config.frames_at(step)
        shots = data.shots if data.several_every and step % data.several_every == data.several_every - 1 else 1
        processes = self.accelerator.num_processes
        size = max(1, run.batch_size // (shots * frames * processes)) * processes
        return self.sampler.sequences(size, shots, frames, step_generator(run.seed, step))

    def _generate_run(self, batches: list[PatchBatch]) -> list[PatchOutput]:
        """Frames in their order; each sees the one generated before it, and leaves no gradient there."""
        generated: list[PatchOutput] = []
        for index, batch in enumerate(batches):
            before = Previous(generated[-1].image.detach(), batches[index - 1].sketch) if generated else None
            generated.append(self.renderer(batch.warped, batch.patches, batch.sketch, ani=batch.ani, previous=before))
        return generated

    def _renderer_terms(
        self, generated: list[PatchOutput], batches: list[PatchBatch], adversarial: bool
    ) -> dict[str, Tensor]:
        """Every term, meaned over the frames that have it."""
        loss = self.config.loss
        each = [
            pixel_terms(output, batch, loss) | flow_terms(output, batch, loss)
            for output, batch in zip(generated, batches, strict=True)
        ]
        found = {name: [terms[name] for terms in each if name in terms] for name in each[-1]}
        terms = {name: sum(values[1:], values[0]) / len(values) for name, values in found.items()}
        if adversarial:
            fake = torch.cat([output.image for output in generated])
            for name, pictures in self._discriminated(fake, batches).items():
                role = "mouth_adversarial" if name == "mouth_discriminator" else "adversarial"
                terms |= adversarial_terms(self.discriminators[name], *pictures, loss, role)
        return terms

    def _discriminated(self, fake: Tensor, batches: list[PatchBatch]) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Fake, real and sketch that each discriminator sees."""
        real = torch.cat([batch.real for batch in batches])
        sketch = torch.cat([batch.sketch for batch in batches])
        seen = {"discriminator": (fake, real, sketch)}
        if "mouth_discriminator" in self.discriminators:
            place = torch.cat([batch.mouth for batch in batches])
            mouths = [cut_mouth(pictures, place) for pictures in (fake, real, sketch)]
            seen["mouth_discriminator"] = (mouths[0], mouths[1], mouths[2])
        return seen

    def _discriminator_steps(self, generated: Tensor, batches: list[PatchBatch], step: int) -> dict[str, float]:
        logged: dict[str, float] = {}
        for name, (fake, real, sketch) in self._discriminated(generated, batches).items():
            network = self.discriminators[name]
            with self.accelerator.autocast():
                scores, _ = network(torch.cat([fake, real]), torch.cat([sketch, sketch]))
            hinge = hinge_discriminator(*scores.float().chunk(2))
            logged |= check_finite({"d/hinge" if name == "discriminator" else "d/mouth_hinge": hinge}, step)
            optimizer, clip = self.discriminator_optimizers[name], self.config.run.grad_clip
            step_on([hinge], optimizer, network, step, clip, self.accelerator)
        return logged

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Scores of the people held out, by the averaged weights."""
        return score(signed_batch(self.held_out, self.accelerator.device), self._generate)

    @torch.no_grad()
    def preview(self) -> Image:
        """Rows of the people held out."""
        return draw_preview(signed_batch(self.held_out, self.accelerator.device), self._generate)

    def snapshot(self) -> Checkpoint:
        """Averaged weights in half precision: the network ships in a few megabytes."""
        tensors = {name: tensor.half() for name, tensor in self.ema.network.state_dict().items()}
        return Checkpoint("hybrid", to_dict(self.config.model), tensors, {"config": portable_dict(self.config)})

    def parts(self) -> dict[str, Any]:
        optimizers = {f"{name}_optimizer": each for name, each in self.discriminator_optimizers.items()}
        shared = {"renderer": self.renderer, "ema": self.ema, "optimizer": self.optimizer}
        return {**shared, **self.discriminators, **optimizers}

    def _generate(self, batch: PatchBatch) -> PatchOutput:
        with self.accelerator.autocast():
            generated: PatchOutput = self.ema.network(batch.warped, batch.patches, batch.sketch, ani=batch.ani)
        return generated
