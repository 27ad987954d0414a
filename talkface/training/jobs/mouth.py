"""Prepared photos + config -> trained mouth inpainter and the donors that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.checkpoints.load import pack_donors
from talkface.config import portable_dict, to_dict
from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.samplers.mouths import MouthBatch, MouthSampler, fixed_example, stack
from talkface.data.samplers.open_mouths import Mouth, cut_mouth, load_mouths, may_lend
from talkface.data.samplers.shot_pictures import unsigned
from talkface.errors import DatasetError
from talkface.geometry.donor import DETAIL, Donor, misfit
from talkface.landmarks.mouth_patch import UNIT, lower_lender, with_lower_teeth
from talkface.losses.local import local_contrast, sorted_l1
from talkface.metrics.mouth import inner_sharpness
from talkface.models import renamed
from talkface.models.mouth import MouthInpainter, donor_detail, fill_hole, to_size
from talkface.scale.threads import limit_threads
from talkface.training.engine.loop import (
    Ema,
    StateOfParts,
    fit,
    make_accelerator,
    step_generator,
)
from talkface.training.engine.processes import from_all, own_part
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.hybrid_scores import held_out_speakers
from talkface.training.jobs.mouth_config import MouthTraining
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class MouthJobSettings:
    """Donors and scores of the mouth's training."""

    donor_unit: float = 256.0  # outer-eye distance of the donors in the checkpoint, pixels
    donor_source: float = 140.0  # what a photo must have to be one
    donor_teeth: float = 0.3
    donor_opening: tuple[float, float] = (0.055, 0.25)
    scored: int = 96  # held-out mouths
    shown: int = 28
    scored_open: float = 0.05  # their least gap, outer-eye distances


MOUTH_JOB = MouthJobSettings()


def train_mouth(config: MouthTraining, clips: Sequence[PreparedClip] | None = None) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Raises:
        DatasetError: no shards, or no open mouth in them.
    """
    if clips is None:
        names = [name for name in (config.data.shards, config.data.talk_shards) if name]
        datasets = [ClipDataset(name, config.data.split) for name in names]
        clips = [dataset[index] for dataset in datasets for index in range(len(dataset))]
    with limit_threads(config.run.threads, opencv=False):
        return fit(MouthJob(config, clips), config.run, to_dict(config))


class MouthJob(StateOfParts):
    """Network, its average and optimiser, mouths and donors."""

    def __init__(self, config: MouthTraining, clips: Sequence[PreparedClip]) -> None:
        self.config = config
        self.accelerator: Accelerator = make_accelerator(config.run)
        mouths = load_mouths(clips, config.data.tiers)
        apart = held_out_speakers([mouth.speaker for mouth in mouths], config.data.held_out_every)
        training = [mouth for mouth in mouths if mouth.speaker not in apart]
        self.sampler = MouthSampler(training, config.data.talk_share)
        if not self.sampler.open:
            raise DatasetError(
                "no open mouth to train on: prepare photos with configs/data/mouth.yaml, or check data.tiers"
            )
        chosen = choose_donors(mouths, config.data.donor_tiers, config.data.donors, config.data.donor_keys)
        self.donor_keys = [mouth.key for mouth in chosen]
        self.donors = [_fine(mouth, clips) for mouth in chosen]
        held_out = [mouth for mouth in mouths if mouth.speaker in apart and mouth.donor.opening > MOUTH_JOB.scored_open]
        held_out = held_out or self.sampler.open
        coarse = [mouth.donor for mouth in chosen]
        picked = [held_out[i] for i in np.unique(np.linspace(0, len(held_out) - 1, MOUTH_JOB.scored).astype(int))]
        best = [coarse[int(misfit(coarse, mouth.donor, mouth.donor.opening + 0.03).argmin())] for mouth in picked]
        lower = lower_lender(coarse)
        pairs = zip(picked, best, strict=True)
        self.held_out = stack([fixed_example(mouth, with_lower_teeth(donor, lower)) for mouth, donor in pairs])
        with seeded(config.run.seed):
            self.inpainter = MouthInpainter(config.model).to(self.accelerator.device)
        if self.accelerator.device.type == "cpu":
            self.inpainter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = Ema(self.inpainter, config.run.ema)
        self.optimizer = torch.optim.Adam(self.inpainter.parameters(), config.optim.rate, betas=(0.5, 0.99))

    def train_step(self, step: int) -> dict[str, float]:
        """One batch, its rows shared out."""
        run, loss, processes = self.config.run, self.config.loss, self.accelerator.num_processes
        batch = self._on_device(self.sampler.batch(run.batch_size, step_generator(run.seed, step)))
        own = own_part(self.accelerator, batch)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optim.rate_at(step, run.steps)
        colours, share = (from_all(self.accelerator, each) for each in self._maps(self.inpainter, own, own.masks))
        terms = self._terms(colours, share, batch)
        if loss.steady > 0 and step % loss.steady_every == 0:
            both = batch.masks[:, 2:] * batch.again[:, 2:]
            second = from_all(self.accelerator, self._maps(self.inpainter, own, own.again)[0])
            terms["g/steady"] = loss.steady * ((colours - second).abs() * both).sum() / (3 * both.sum() + 1)
        logged = check_finite(terms, step)
        total = sum(terms.values(), torch.zeros((), device=colours.device)) * processes
        step_on([total], self.optimizer, self.inpainter, step, run.grad_clip, self.accelerator)
        self.ema.update(self.inpainter)
        return logged

    def _terms(self, colours: Tensor, share: Tensor, batch: MouthBatch) -> dict[str, Tensor]:
        """Pixels and amounts of colours; slopes, which the share of the donor's detail is to bring back, of the sum."""
        loss, hole = self.config.loss, batch.masks[:, 2:]
        area = 3 * hole.sum((1, 2, 3)) + 30  # 30: a sliver of a hole does not count in full
        pixel = ((colours - batch.real).abs() * hole).sum((1, 2, 3)) / area
        generated = fill_hole(
            batch.real, colours.detach() + share * donor_detail(batch.donor, DETAIL * UNIT), batch.masks
        )
        error = generated - batch.real
        down = (error.diff(dim=2).abs() * hole[..., 1:, :]).sum((1, 2, 3))
        across = (error.diff(dim=3).abs() * hole[..., 1:]).sum((1, 2, 3))
        return {
            "g/pixel": loss.pixel * pixel.mean(),
            "g/amounts": loss.amounts * sorted_l1(colours, batch.real, hole).mean(),
            "g/edges": loss.edges * ((down + across) / area * batch.own).mean(),
            "g/contrast": loss.contrast * (local_contrast(generated, batch.real, hole) * (1 - batch.own)).mean(),
        }

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """People held out with donors of the checkpoint; `score` is the L1 in [-1, 1] plus contrast.

        `l1` and `l1_colours` are in grey levels, of the picture and of the colours alone.
        """
        batch = self._on_device(self.held_out)
        generated, colours = self._generate(batch), self._maps(self.ema.network, batch, batch.masks)[0]
        inner, hole = batch.masks[:, 1:2], batch.masks[:, 2:]
        contrast = local_contrast(generated, batch.real, hole).mean()
        l1, l1_colours = (
            127.5 * ((made - batch.real).abs() * inner).sum() / (3 * inner.sum() + 1) for made in (generated, colours)
        )
        areas = batch.masks[:, 1].cpu().numpy() > 0.5
        ratios = [
            inner_sharpness(made, area) / max(inner_sharpness(real, area), 1e-3)
            for made, real, area in zip(_pictures(generated), _pictures(batch.real), areas, strict=True)
            if area.sum() > 40
        ]
        sharpness = float(np.median(ratios)) if ratios else 0.0
        values = {"score": l1 / 127.5 + contrast, "l1": l1, "l1_colours": l1_colours, "contrast": contrast}
        return {name: float(value) for name, value in values.items()} | {"sharpness": sharpness}

    @torch.no_grad()
    def preview(self) -> Image:
        """Held-out people, two a row: erased, donor as laid, generated, real."""
        batch = self._on_device(self.held_out)
        some = torch.linspace(0, len(batch.real) - 1, MOUTH_JOB.shown).long().unique()
        generated = self._generate(batch)
        columns = (batch.seen * (1 - batch.masks[:, 2:]), batch.donor, generated, batch.real)
        drawn = [np.concatenate(each, 1) for each in zip(*(_pictures(part[some]) for part in columns), strict=True)]
        pairs = [drawn[i : i + 2] for i in range(0, len(drawn) - 1, 2)] or [drawn]
        return np.concatenate([np.concatenate(pair, 1) for pair in pairs], 0)

    def snapshot(self) -> Checkpoint:
        """Averaged weights in half precision, and the donors."""
        tensors = {name: tensor.half() for name, tensor in self.ema.network.state_dict().items()}
        provenance = {"config": portable_dict(self.config), "donors": self.donor_keys}
        return Checkpoint("mouth", to_dict(self.config.model), tensors | pack_donors(self.donors), provenance)

    def parts(self) -> dict[str, Any]:
        return {"inpainter": self.inpainter, "ema": self.ema, "optimizer": self.optimizer}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(renamed(state, {"painter": "inpainter"}))  # its name until 2026-11

    def _maps(self, network: torch.nn.Module, batch: MouthBatch, masks: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, 3, H, W]` colours and `[B, 1, H, W]` share of the detail."""
        with self.accelerator.autocast():
            maps = network(batch.seen, batch.donor, batch.cover, masks, batch.own)
        height, width = batch.real.shape[2:]
        colours, share = (to_size(each.float(), (height, width)) for each in maps)
        return colours, share

    def _generate(self, batch: MouthBatch) -> Tensor:
        """The averaged network's picture."""
        colours, share = self._maps(self.ema.network, batch, batch.masks)
        inside = (colours + share * donor_detail(batch.donor, DETAIL * UNIT)).clamp(-1, 1)
        return fill_hole(batch.seen, inside, batch.masks)

    def _on_device(self, batch: MouthBatch) -> MouthBatch:
        device = self.accelerator.device
        return MouthBatch(*(getattr(batch, name).to(device) for name in MouthBatch.__annotations__))


def choose_donors(mouths: Sequence[Mouth], tiers: Sequence[str], count: int, keys: Sequence[str]) -> list[Mouth]:
    """Large open mouths with teeth: those of `keys`, or such as differ most in opening, width and colour.

    Raises:
        DatasetError: a key that is no clip's, or whose mouth cannot be one.
    """
    usable = [mouth for mouth in mouths if mouth.tier in tiers and may_lend(mouth)]
    if keys:
        found = {mouth.key: mouth for mouth in sorted(usable, key=lambda mouth: mouth.donor.opening)}
        missing = [key for key in keys if key not in found]
        if missing:
            raise DatasetError(f"data.donor_keys names {missing[0]}, which shows no open mouth of data.donor_tiers")
        return [found[key] for key in keys]
    low, high = MOUTH_JOB.donor_opening
    good = [
        mouth
        for mouth in usable
        if mouth.source_unit > MOUTH_JOB.donor_source
        and mouth.teeth > MOUTH_JOB.donor_teeth
        and low < mouth.donor.opening < high
    ]
    good = good or usable or list(mouths[:1])
    traits = np.stack([_traits(each.donor) for each in good])
    chosen = [int(np.linalg.norm(traits - np.median(traits, 0), axis=1).argmin())]
    while len(chosen) < min(count, len(good)):
        apart = np.linalg.norm(traits[:, None] - traits[None, chosen], axis=-1).min(1)
        chosen.append(int(apart.argmax()))
    return [good[index] for index in chosen]


def _traits(donor: Donor) -> FloatArray:
    """Measures that `misfit` compares, in its units."""
    return np.array([donor.opening / 0.06, donor.width / 0.12, *(np.log(np.maximum(donor.skin, 8)) / 0.35)])


def _fine(mouth: Mouth, clips: Sequence[PreparedClip]) -> Donor:
    """A donor at the checkpoint's size."""
    clip = next(each for each in clips if each.key == mouth.key)
    cut = (cut_mouth(clip, index, MOUTH_JOB.donor_unit) for index in range(len(clip.landmarks)))
    found = [each for each in cut if each is not None]
    nearest = min(found, key=lambda each: abs(each.donor.opening - mouth.donor.opening))
    return replace(nearest.donor, skin=mouth.donor.skin)


def _pictures(batch: Tensor) -> list[Image]:
    return list(unsigned(batch, rounded=False))
