"""Prepared clips + config -> trained audio2landmark: offsets measured first, speakers balanced, voices varied."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.audio.augment import VoiceAugmentation, augment_voice, mask_features
from talkface.audio.features import active_sum
from talkface.checkpoints.format import Checkpoint
from talkface.config import RunConfig, to_dict
from talkface.data.speech_batches import (
    BatchConfig,
    SpeechClip,
    SpeechExample,
    StretchSampler,
    make_examples,
)
from talkface.errors import DatasetError
from talkface.landmarks.basis import fit_basis, point_weights
from talkface.losses.landmark import LandmarkLossConfig, landmark_terms, lip_opening
from talkface.models.audio2landmark import Audio2Landmark, Audio2LandmarkConfig, config_dict
from talkface.training.loop import Ema, backward_and_step, fit, make_accelerator, seeded, step_generator
from talkface.training.offsets import OffsetConfig, estimate_lags, load_lags, save_lags
from talkface.training.opening_scores import score_openings
from talkface.training.phones import PhoneConfig, teach_phones
from talkface.types import FloatArray, Image

FrontEnd = dict[str, Tensor]
BASIS_FRAMES = 4000  # of any one speaker, at most, in the PCA
TYPICAL_RANGE = 30.0  # percentile of the speakers' ranges: half of what a mouth does is a guess, so it is made smaller


@dataclass(frozen=True)
class SpeechDataConfig:
    """Which clips."""

    shards: str = "shards"  # folder that `talkface prepare` wrote
    split: str = "train"
    held_out_every: int = 10  # every so many-th speaker is kept for the scores; 0 trains on all
    held_out_first: int = 0  # which of them comes first


@dataclass(frozen=True)
class SpeechOptimConfig:
    rate: float = 2e-3  # of AdamW, after the warm-up; falls to zero along a cosine
    warm_up: int = 50  # steps
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Audio2LandmarkTraining:
    """configs/audio2landmark/*.yaml with `kind: audio2landmark`."""

    kind: str = "audio2landmark"
    model: Audio2LandmarkConfig = field(default_factory=Audio2LandmarkConfig)
    data: SpeechDataConfig = field(default_factory=SpeechDataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    augment: VoiceAugmentation = field(default_factory=VoiceAugmentation)
    phones: PhoneConfig = field(default_factory=PhoneConfig)
    offsets: OffsetConfig = field(default_factory=OffsetConfig)
    loss: LandmarkLossConfig = field(default_factory=LandmarkLossConfig)
    optim: SpeechOptimConfig = field(default_factory=SpeechOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)


def train_audio2landmark(config: Audio2LandmarkTraining, clips: Sequence[SpeechClip] | None = None) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Raises:
        DatasetError: no clip is usable, or one speaker alone.
    """
    if clips is None:
        from talkface.data.datasets import ClipDataset

        dataset = ClipDataset(Path(config.data.shards), config.data.split, speech=True)
        clips = [dataset[i] for i in range(len(dataset))]
    examples = make_examples(clips, config.model.num_mels)
    front_end = _teach_phones(clips, examples, config)
    _correct_offsets(examples, config, front_end)
    train, held_out = split_speakers(examples, config.data.held_out_every, config.data.held_out_first)
    return fit(Audio2LandmarkJob(config, train, held_out, front_end), config.run, to_dict(config))


def _teach_phones(
    clips: Sequence[SpeechClip], examples: Sequence[SpeechExample], config: Audio2LandmarkTraining
) -> FrontEnd:
    """Weights of a front end that knows phones; empty where the config leaves it out."""
    if config.phones.steps == 0 or config.model.phones == 0:
        return {}
    single = replace(config, model=replace(config.model, members=1))
    network = _new_network(single, examples)
    kept = Path(config.run.out) / "phones.pt"
    return teach_phones(network, clips, config.phones, config.augment, config.run.seed, kept)


def _new_network(config: Audio2LandmarkTraining, examples: Sequence[SpeechExample]) -> Audio2Landmark:
    with torch.random.fork_rng():
        torch.manual_seed(config.run.seed)
        network = Audio2Landmark(config.model)
    _fill_buffers(network, examples)
    return network


def split_speakers(
    examples: Sequence[SpeechExample], every: int, first: int
) -> tuple[list[SpeechExample], list[SpeechExample]]:
    """Keep every so many-th speaker for scores; the one with most clips always trains.

    Raises:
        DatasetError: nobody is left to train on.
    """
    speakers = sorted({example.speaker for example in examples})
    counts = {speaker: sum(example.speaker == speaker for example in examples) for speaker in speakers}
    main = max(speakers, key=lambda speaker: counts[speaker])
    others = [speaker for speaker in speakers if speaker != main]
    kept = set(others[first::every]) if every > 0 else set()
    train = [example for example in examples if example.speaker not in kept]
    if not train:
        raise DatasetError("no speaker is left to train on: raise data.held_out_every")
    return train, [example for example in examples if example.speaker in kept]


def _correct_offsets(examples: list[SpeechExample], config: Audio2LandmarkTraining, front_end: FrontEnd) -> None:
    """Set every clip's lag, measured by networks that did not train on its speaker; kept in the run folder.

    The speaker with most clips stays as recorded: two halves of the others measure each other.
    """
    if config.offsets.steps == 0:
        return
    path = Path(config.run.out) / "offsets.json"
    lags = load_lags(path)
    if lags is None:
        lags = {}
        for half in range(2):
            train, others = split_speakers(examples, 2, half)
            if not others:
                continue
            run = replace(config.run, steps=config.offsets.steps)
            model = replace(config.model, members=1)
            job = Audio2LandmarkJob(replace(config, run=run, model=model), train, [], front_end)
            job.run_quietly()
            predictions = [(e.key, e.speaker, job.predict_opening(e), e.opening) for e in others]
            lags |= estimate_lags(predictions, config.offsets)
        save_lags(path, lags)
    for example in examples:
        example.lag = lags.get(example.key, 0.0)


class Audio2LandmarkJob:
    """What `fit` drives."""

    def __init__(
        self,
        config: Audio2LandmarkTraining,
        train: Sequence[SpeechExample],
        held_out: Sequence[SpeechExample],
        front_end: FrontEnd | None = None,
    ) -> None:
        self.config, self.train, self.held_out = config, train, held_out
        self.accelerator = make_accelerator(config.run)
        network = _new_network(config, train)
        for listener in network.members:
            listener.load_state_dict(front_end or {}, strict=False)
        self.network = network.to(self.accelerator.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.optim.rate, weight_decay=config.optim.weight_decay
        )
        self.ema = Ema(self.network, config.run.ema)
        self.sampler = StretchSampler(train, config.batch)
        self.importance = torch.from_numpy(point_weights()).to(self.accelerator.device)

    def train_step(self, step: int) -> dict[str, float]:
        config, device = self.config, self.accelerator.device
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        self.network.train()
        rng = step_generator(config.run.seed, step)
        sums: dict[str, Tensor] = {}
        for listener in self.network.members:
            batch = self.sampler.draw(config.run.batch_size, rng)
            as_is = batch.as_is[:, None, None]
            power = batch.power * as_is + augment_voice(batch.power, config.augment, rng) * (1 - as_is)
            with self.accelerator.autocast():
                coefficients = listener(mask_features(self.network.features(power.to(device)), config.augment, rng))
            motion = self.network.motion(coefficients.float())
            real, weight = batch.motion.to(device), batch.weight.to(device)
            for name, term in landmark_terms(motion, real, weight, self.importance, config.loss).items():
                sums[name] = sums[name] + term if name in sums else term
        loss = torch.stack(list(sums.values())).sum()
        backward_and_step(self.accelerator, loss, self.optimizer, self.network, config.run.grad_clip)
        self.ema.update(self.network)
        return {name: term.item() / len(self.network.members) for name, term in sums.items()}

    def run_quietly(self) -> None:
        """All steps, without a folder."""
        for step in range(self.config.run.steps):
            with seeded(self.config.run.seed, step):
                self.train_step(step)

    def _rate(self, step: int) -> float:
        optim, steps = self.config.optim, self.config.run.steps
        warm = min(1.0, (step + 1) / max(optim.warm_up, 1))
        return optim.rate * warm * (0.5 + 0.5 * float(np.cos(np.pi * step / steps)))

    @torch.no_grad()
    def predict_opening(self, example: SpeechExample) -> FloatArray:
        """`[T]` opening that the averaged weights give for a clip, in ranges of a speaker."""
        network = cast(Audio2Landmark, self.ema.network)
        power = torch.from_numpy(example.power[None]).to(self.accelerator.device)
        motion = network.motion(network(network.features(power)))[0]
        return np.asarray(lip_opening(motion).cpu().numpy())

    def evaluate(self) -> dict[str, float]:
        """Scores on held-out speakers, on the training ones where none is held out."""
        scored = self.held_out or self.train[:: max(1, len(self.train) // 60)]
        scores = score_openings([(e.speaker, self.predict_opening(e), e.opening) for e in scored])
        return {"score": 1 - scores["mean_r"], **scores}

    def preview(self) -> Image | None:
        """Opening over time of a few clips, real in grey and predicted in colour."""
        scored = (self.held_out or self.train)[:8]
        return draw_openings([(e.key, self.predict_opening(e), e.opening) for e in scored])

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])

    def snapshot(self) -> Checkpoint:
        command = "talkface train configs/audio2landmark/base.yaml"
        provenance = {"command": command, "clips": len(self.train), "speakers": len(self.sampler.speakers)}
        return Checkpoint("audio2landmark", config_dict(self.config.model), self.ema.network.state_dict(), provenance)


def _fill_buffers(network: Audio2Landmark, examples: Sequence[SpeechExample]) -> None:
    """Fit the PCA, the average voice and the typical range of motion, and put them into the network."""
    used: dict[str, int] = {}
    parts = []
    for example in examples:
        room = max(0, BASIS_FRAMES - used.get(example.speaker, 0))
        parts.append(example.motion[:room])
        used[example.speaker] = used.get(example.speaker, 0) + len(parts[-1])
    motion = np.concatenate(parts)
    basis = fit_basis(motion, np.sqrt(point_weights()), network.config.components)
    spread = basis.encode(motion).std(0)
    network.decoder.copy_(torch.from_numpy(basis.decoder * spread[:, None, None].astype(np.float32)))
    means = []
    for example in examples:
        total, count = active_sum(torch.from_numpy(example.power[None]))
        means.append((total / count.clamp(min=1))[0, 0].numpy())
    network.voice_mean.copy_(torch.from_numpy(np.median(np.stack(means), 0)))
    scales = {example.speaker: example.scale for example in examples}
    network.scale.fill_(float(np.percentile(list(scales.values()), TYPICAL_RANGE)))


def draw_openings(curves: Sequence[tuple[str, FloatArray, FloatArray]]) -> Image:
    """One strip per clip: (name, predicted, real) -> RGB picture."""
    strips = []
    for name, predicted, real in curves:
        strip = np.full((90, 800, 3), 255, np.uint8)
        for series, colour in ((real, (170, 170, 170)), (predicted, (200, 40, 40))):
            x = np.linspace(0, 799, len(series))
            y = 80 - 50 * np.clip(series, -0.4, 1.6)
            cv2.polylines(strip, [np.stack([x, y], 1).astype(np.int32)], False, colour, 1, cv2.LINE_AA)
        cv2.putText(strip, name[:60], (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
        strips.append(strip)
    return np.concatenate(strips)
