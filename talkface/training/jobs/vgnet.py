"""Shards + config -> trained VG-net (ATVGnet, Chen et al. 2019, section 3.3), on the landmarks of real frames."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from talkface.checkpoints.format import Checkpoint, load_checkpoint
from talkface.config import portable_dict, to_dict
from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.interop.aligned import picture_points
from talkface.data.samplers.sequences import SequenceBatch, SequenceConfig, SequenceSampler
from talkface.data.samplers.shot_pictures import unsigned
from talkface.data.samplers.shots import Prefetcher
from talkface.errors import CheckpointError
from talkface.files.read import refusing
from talkface.landmarks.layout import mouth_opening
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.rasterize import face_sketch
from talkface.losses.adversarial import bce_discriminator, bce_generator
from talkface.losses.landmark import mouth_weighted_mse
from talkface.losses.pixel import dynamic_l1, dynamic_weights
from talkface.media.colour import to_signed
from talkface.models.vgnet import SHAPES, VgFrames, VgNet
from talkface.models.vgnet_discriminator import RegressionDiscriminator
from talkface.scale.threads import limit_threads
from talkface.training.engine.loop import (
    Ema,
    StateOfParts,
    fit,
    make_accelerator,
    step_generator,
)
from talkface.training.engine.memory import oom_hint
from talkface.training.engine.processes import chunks, own_part, share_norms
from talkface.training.engine.run_folder import check_resumable
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.hybrid_scores import split_people
from talkface.training.jobs.vgnet_config import VgnetTraining
from talkface.types import Image


def train_vgnet(config: VgnetTraining, clips: Sequence[PreparedClip] | None = None) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Raises:
        DatasetError: no clips to train on.
    """
    check_resumable(Path(config.run.out), to_dict(config))
    given = clips if clips is not None else ClipDataset(config.data.shards, config.data.split)
    with limit_threads(config.run.threads, opencv=False):
        return fit(VgnetJob(config, given), config.run, to_dict(config))


class VgnetJob(StateOfParts):
    """Generator, discriminator, their optimisers and the clips."""

    def __init__(self, config: VgnetTraining, clips: Sequence[PreparedClip] | ClipDataset) -> None:
        self.config = config
        self.accelerator: Accelerator = make_accelerator(config.run)
        training, held_out = split_people(clips, config.data.held_out_every)
        data, model = config.data, config.model
        plain = SequenceConfig(model.size, model.reach, data.frames, data.near)
        varied = replace(plain, closed=data.closed, mirror=data.mirror, tint=data.tint, kept_frames=data.kept_frames)
        self.sampler = SequenceSampler(training, varied)
        # at most 16 sequences are scored, one per person
        self.held_out = SequenceSampler(held_out or training, plain).spread(16)
        self.batches = Prefetcher(self._draw, data.workers)
        device = self.accelerator.device
        with seeded(config.run.seed):
            self.generator, self.discriminator = VgNet(model), RegressionDiscriminator(model)
        if config.start:
            _go_on_from(self.generator, "start", config.start, "vgnet")
        if config.start_discriminator:
            _go_on_from(self.discriminator, "start_discriminator", config.start_discriminator, "vgnet_discriminator")
        for network in (self.generator, self.discriminator):
            if self.accelerator.num_processes > 1:
                share_norms(network)
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = Ema(self.generator, config.run.ema)
        optim = config.optim
        betas = (optim.beta1, optim.beta2)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), optim.rate, betas=betas)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), optim.discriminator_rate, betas=betas
        )

    def train_step(self, step: int) -> dict[str, float]:
        """One batch: generator, then discriminator on its output."""
        batch = self.batches.get(step).to(self.accelerator.device)
        loss = self.config.loss
        judged = step >= loss.adversarial_from and (loss.adversarial > 0 or loss.landmark > 0)
        with oom_hint("run.batch_size", self.config.run.batch_size, 1):
            logged, fake = self.generator_step(batch, judged, step)
            if judged:
                logged |= self.discriminator_step(batch, fake, step)
        return logged

    def generator_step(self, batch: SequenceBatch, judged: bool, step: int) -> tuple[dict[str, float], Tensor]:
        """One update of the generator; returns the terms and the frames. The discriminator stays as it is."""
        self.discriminator.requires_grad_(False)
        self.generator.train()
        with self.accelerator.autocast():
            generated: VgFrames = self.generator(batch.photo, batch.photo_landmarks, batch.landmarks)
            terms = self._generator_terms(generated, batch, judged)
        logged = check_finite(terms, step)
        logged["attention"] = float(generated.attention.detach().float().mean())
        loss, clip = sum(terms.values(), torch.zeros((), device=batch.real.device)), self.config.run.grad_clip
        norm = step_on([loss], self.optimizer, self.generator, step, clip, self.accelerator)
        logged["norm/generator_gradient"] = norm
        self.ema.update(self.generator)
        self.discriminator.requires_grad_(True)
        return logged, generated.image.detach()

    def _generator_terms(self, generated: VgFrames, batch: SequenceBatch, judged: bool) -> dict[str, Tensor]:
        loss = self.config.loss
        weights = dynamic_weights(batch.mouth, generated.attention, loss.mouth_gain)
        terms = {"g/pixel": loss.pixel * dynamic_l1(generated.image, batch.real, weights)}
        if loss.colour > 0:
            terms["g/colour"] = loss.colour * dynamic_l1(generated.colour, batch.real, weights)
        if judged:
            score, landmarks = self.discriminator(generated.image, batch.photo_landmarks)
            terms["g/adversarial"] = loss.adversarial * bce_generator(score)
            terms["g/landmark"] = loss.landmark * mouth_weighted_mse(landmarks, batch.landmarks, loss.mouth_weighting)
        return terms

    def discriminator_step(self, batch: SequenceBatch, fake: Tensor, step: int) -> dict[str, float]:
        """One update of the discriminator, which learns to read landmarks from real frames."""
        loss = self.config.loss
        self.discriminator.train()
        with self.accelerator.autocast():
            fake_score, fake_landmarks = self.discriminator(fake, batch.photo_landmarks)
            real_score, real_landmarks = self.discriminator(batch.real, batch.photo_landmarks)
            error = mouth_weighted_mse(real_landmarks, batch.landmarks, loss.mouth_weighting)
            if loss.regress_fakes:
                error = error + mouth_weighted_mse(fake_landmarks, batch.landmarks, loss.mouth_weighting)
            terms = {
                "d/bce": loss.adversarial * bce_discriminator(fake_score, real_score),
                "d/landmark": loss.landmark * error,
            }
        logged = check_finite(terms, step)
        total, clip = sum(terms.values(), torch.zeros((), device=fake.device)), self.config.run.grad_clip
        norm = step_on([total], self.discriminator_optimizer, self.discriminator, step, clip, self.accelerator)
        return logged | {"norm/discriminator_gradient": norm}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """People held out, their most open frames from their most closed one, in levels of 255.

        `score` is the mouth's L1 over that of the photo that stays as it is.
        """
        generated = [self._generate(part) for part in chunks(self.held_out, max(1, self.config.run.batch_size))]
        image = torch.cat([part.image.float().cpu() for part in generated])
        attention = torch.cat([part.attention.float().cpu() for part in generated])
        real = to_signed(self.held_out.real)
        photo = to_signed(self.held_out.photo)[:, None].expand_as(real)
        mouth = self.held_out.mouth.float() / 255
        scores = {}
        for name, picture in (("", image), ("_of_photo", photo)):
            error = 127.5 * (picture - real).abs()
            scores[f"l1{name}"] = float(error.mean())
            scores[f"mouth_l1{name}"] = float((error * mouth).sum() / (3 * mouth.sum()))
        return {
            "score": scores["mouth_l1"] / max(scores["mouth_l1_of_photo"], 1e-6),
            **scores,
            "attention": float(attention.mean()),
            "mouth_attention": float((attention * mouth).sum() / mouth.sum()),
        }

    @torch.no_grad()
    def preview(self) -> Image:
        """Rows of people held out, in the frame where the mouth is widest: photo, sketch, attention, colour, fake,
        real."""
        some = next(chunks(self.held_out, 8))  # rows of the preview
        generated, batch = self._generate(some), some.to(self.accelerator.device)
        openings = mouth_opening(some.landmarks.numpy() + MEAN_FACE)
        rows = []
        for index, frame in enumerate(openings.argmax(1)):
            attention = generated.attention[index, frame].expand(3, -1, -1) * 2 - 1
            row = (batch.photo[index], attention, generated.colour[index, frame], generated.image[index, frame])
            photo, *made, real = (unsigned(part) for part in (*row, batch.real[index, frame]))
            rows.append(np.concatenate([photo, self._sketch(some.landmarks[index, frame].numpy()), *made, real], 1))
        return np.concatenate(rows)

    def _sketch(self, displacement: np.ndarray) -> Image:
        model = self.config.model
        return face_sketch(picture_points(displacement, model.size, model.reach), (model.size, model.size))

    def snapshot(self) -> Checkpoint:
        """The averaged generator."""
        return Checkpoint(
            "vgnet", to_dict(self.config.model), self.ema.network.state_dict(), {"config": portable_dict(self.config)}
        )

    def parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "ema": self.ema,
            "optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def _generate(self, part: SequenceBatch) -> VgFrames:
        """Frames by the averaged generator."""
        batch = part.to(self.accelerator.device)
        with self.accelerator.autocast():
            generated: VgFrames = self.ema.network(batch.photo, batch.photo_landmarks, batch.landmarks)
        return generated

    def _draw(self, index: int) -> SequenceBatch:
        """This process' rows of batch number `index`."""
        drawn = self.sampler.batch(self.config.run.batch_size, step_generator(self.config.run.seed, index))
        return own_part(self.accelerator, drawn)


def _go_on_from(network: nn.Module, setting: str, file: str, kind: str) -> None:
    """Put the weights of a checkpoint into a network of the same layers; arrays of a converted file's faces are left.

    Raises:
        CheckpointError: another kind of file, or other layers.
    """
    tensors = load_checkpoint(Path(file), kind).tensors
    weights = {name: tensor for name, tensor in tensors.items() if name not in SHAPES}
    with refusing(f"{setting}={file} has other layers than model describes", CheckpointError):
        network.load_state_dict(weights)
