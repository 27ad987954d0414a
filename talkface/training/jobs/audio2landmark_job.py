"""Speech examples + settings -> a network of any family, one training step and its scores."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.audio.augment import augment_voice, mask_features, noise_power
from talkface.checkpoints.format import Checkpoint, load_weights
from talkface.data.noises import load_noises
from talkface.data.samplers.shots import Prefetcher
from talkface.data.samplers.speech import SpeechBatch, SpeechExample, StretchSampler
from talkface.errors import ConfigError
from talkface.landmarks.basis import fit_basis
from talkface.landmarks.layout import point_weights
from talkface.landmarks.lip_shape import LipRange
from talkface.losses.landmark import landmark_terms, lip_opening
from talkface.models import renamed
from talkface.models.audio2landmark import Audio2Landmark, build_audio2landmark, config_dict
from talkface.models.speech_network import SpeechMember, SpeechNetwork
from talkface.training.engine.loop import (
    Ema,
    StateOfParts,
    make_accelerator,
    step_generator,
    training_bar,
)
from talkface.training.engine.processes import from_all, own_rows, share_norms
from talkface.training.engine.step import check_finite, seeded, step_on
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining
from talkface.training.jobs.lip_range import MeasuredLips, measure_lips
from talkface.training.jobs.opening_scores import score_openings
from talkface.types import FloatArray, Image

FrontEnd = dict[str, Tensor]


@dataclass(frozen=True)
class _MemberBatch:
    """One member's batch, as the network takes it; `noisy` where two copies are compared."""

    features: Tensor
    noisy: Tensor | None
    batch: SpeechBatch
    example: Tensor | None


class Audio2LandmarkJob(StateOfParts):
    """Job that `fit` runs."""

    def __init__(
        self,
        config: Audio2LandmarkTraining,
        train: Sequence[SpeechExample],
        held_out: Sequence[SpeechExample],
        front_end: FrontEnd | None = None,
    ) -> None:
        self.config, self.train, self.held_out = config, train, held_out
        self.accelerator = make_accelerator(config.run)
        self.rows = own_rows(self.accelerator, config.run.batch_size, config.optim.accumulate)
        network = new_network(config)
        if config.start:
            self.basis_variance = go_on_from(network, config.start)
        else:
            self.basis_variance = fill_buffers(network, train)
        for member in network.members:
            member.load_state_dict(front_end or {}, strict=False)
        if self.accelerator.num_processes > 1:
            share_norms(network)
        self.network = network.to(self.accelerator.device)
        optim = config.optim
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), optim.rate, (optim.momentum, 0.999), weight_decay=optim.weight_decay
        )
        self.ema = Ema(self.network, config.run.ema)
        self.sampler = StretchSampler(train, config.batch)
        self.batches = Prefetcher(self._member_batches, config.data.workers)
        self.importance = torch.from_numpy(point_weights()).to(self.accelerator.device)
        self.hz = network.mel.centre_hz
        folder = config.augment.noise_folder
        self.noises = load_noises(Path(folder), new_network(config).mel) if folder else []
        self.measure_range: Callable[[], LipRange] | None = None  # called before the first scores

    def train_step(self, step: int) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        self.network.train()
        self.network.train_fast(step < self.config.optim.fast_share * self.config.run.steps)
        batches = self.batches.get(step)
        sums: dict[str, float] = {}
        losses = self._losses(batches, step, sums)
        step_on(losses, self.optimizer, self.network, step, self.config.run.grad_clip, self.accelerator)
        self.ema.update(self.network)
        return {name: total / len(batches) / len(self.rows) for name, total in sums.items()}

    @torch.no_grad()
    def _member_batches(self, step: int) -> list[_MemberBatch]:
        """Every member's batch of a step."""
        rng = step_generator(self.config.run.seed, step)
        return [self._draw(rng) for _ in self.network.members]

    def _draw(self, rng: np.random.Generator) -> _MemberBatch:
        """The whole batch, the same in every process."""
        config, device = self.config, self.accelerator.device
        batch = self.sampler.draw(config.run.batch_size, rng)
        as_is = batch.as_is[:, None, None]
        varied = augment_voice(batch.power, config.augment, rng, self.hz, self.noises)
        power = batch.power * as_is + varied * (1 - as_is)
        features = mask_features(self.network.features(power.to(device)), config.augment, rng)
        noisy = None
        if config.resilience.agreement > 0:
            loud = replace(config.augment, noise=1.0, noise_db=config.resilience.noise_db)
            added = power + noise_power(power.shape, loud, rng, self.noises)
            noisy = self.network.features(added.to(device))
        return _MemberBatch(features, noisy, batch, self.network.encode_faces(batch.example.to(device)))

    def _losses(self, batches: Sequence[_MemberBatch], step: int, sums: dict[str, float]) -> Iterator[Tensor]:
        """The loss of each part of the batch, their mean being the batch's; adds the terms to `sums`.

        Every process knows the whole loss but only differentiates its rows, so it counts once per process.
        """
        for rows, own in self.rows:
            terms: dict[str, Tensor] = {}
            for member, drawn in zip(self.network.members, batches, strict=True):
                for name, term in self._terms(member, drawn, rows, own).items():
                    terms[name] = terms[name] + term if name in terms else term
            for name, value in check_finite(terms, step).items():
                sums[name] = sums.get(name, 0.0) + value
            share = self.accelerator.num_processes / len(self.rows)
            loss = torch.stack(list(terms.values())).sum()
            yield loss if share == 1 else share * loss

    def _terms(self, member: SpeechMember, drawn: _MemberBatch, rows: slice, own: slice) -> dict[str, Tensor]:
        encoded, terms = self._output_terms(member, drawn.features, drawn, rows, own)
        if drawn.noisy is None:
            return terms
        encoded_noisy, noisy_terms = self._output_terms(member, drawn.noisy, drawn, rows, own)
        difference = from_all(self.accelerator, (encoded - encoded_noisy).square().mean((1, 2))).mean()
        agreement = self.config.resilience.agreement * difference
        return {**terms, **{f"noisy_{name}": term for name, term in noisy_terms.items()}, "agreement": agreement}

    def _output_terms(
        self, member: SpeechMember, features: Tensor, drawn: _MemberBatch, rows: slice, own: slice
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Predictions for the process' own rows, and the loss terms of all rows."""
        with self.accelerator.autocast():
            encoded = member.encode_audio(features[own])
            output = member.predict_all(encoded, None if drawn.example is None else drawn.example[own])
        coefficients = from_all(self.accelerator, output.float())
        real, weight = (part[rows].to(self.accelerator.device) for part in (drawn.batch.motion, drawn.batch.weight))
        loss, pair = self.config.loss, None
        if loss.coefficient_mse > 0 or loss.coefficient_l1 > 0:
            spread = self.network.spread
            pair = (coefficients * spread, self.network.encode(real) * spread)
        motion = self.network.motion(coefficients)
        return encoded.float(), landmark_terms(motion, real, weight, self.importance, loss, pair)

    def run_without_folder(self, title: str) -> None:
        """All steps, for networks that are only needed for a moment."""
        run = self.config.run
        with training_bar(self.accelerator.is_main_process and not run.quiet) as bar:
            for step in bar.track(range(run.steps), description=title):
                with seeded(run.seed, step):
                    self.train_step(step)

    def _rate(self, step: int) -> float:
        optim, steps = self.config.optim, self.config.run.steps
        warm = min(1.0, (step + 1) / max(optim.warm_up, 1))
        return optim.rate * warm * (0.5 + 0.5 * float(np.cos(np.pi * step / steps)))

    def set_range(self, lips: LipRange) -> None:
        """Let the network, and its average, move lips as far as `lips` says."""
        for network in (self.network, cast(SpeechNetwork, self.ema.network)):
            network.lip_range.copy_(torch.from_numpy(lips.as_array()))

    def measure_lips(self, example: SpeechExample, scale: float) -> MeasuredLips:
        """Lips that the averaged weights give for a clip, of a typical range `scale`, beside the real ones."""
        decoder = cast(SpeechNetwork, self.ema.network).decoder.cpu().numpy()
        return measure_lips(example, self._predict(example).numpy(), decoder * np.float32(scale))

    def predict_opening(self, example: SpeechExample) -> FloatArray:
        """`[T]` opening that the averaged weights give for a clip, in ranges of a speaker."""
        motion = cast(SpeechNetwork, self.ema.network).motion(self._predict(example).to(self.accelerator.device))
        return np.asarray(lip_opening(motion).cpu().numpy())

    @torch.no_grad()
    def _predict(self, example: SpeechExample) -> Tensor:
        """`[T, P]` coefficients that the averaged weights give for a clip."""
        network, device = cast(SpeechNetwork, self.ema.network), self.accelerator.device
        features = network.features(torch.from_numpy(example.power[None]).to(device))
        face = torch.from_numpy(example.face(int(np.argmax(example.seen)))[None]).to(device)
        with self.accelerator.autocast():
            coefficients: Tensor = network(features, network.encode_faces(face))
        return coefficients[0].float().cpu()

    def evaluate(self) -> dict[str, float]:
        """Scores on held-out clips, on some training ones where none is held out; sets the range before the first."""
        if self.measure_range is not None:
            self.set_range(self.measure_range())
            self.measure_range = None
        scored = self.held_out or self.train[:: max(1, len(self.train) // 60)]
        scores = score_openings([(e.speaker, self.predict_opening(e), e.opening) for e in scored])
        return {"score": 1 - scores["mean_r"], **scores, "basis_variance": self.basis_variance}

    def preview(self) -> Image | None:
        """Opening over time of a few clips, real in grey and predicted in colour."""
        scored = (self.held_out or self.train)[:8]
        return draw_openings([(e.key, self.predict_opening(e), e.opening) for e in scored])

    def parts(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer, "ema": self.ema}

    def snapshot(self) -> Checkpoint:
        config = self.config
        single = "_single" if config.family == "atnet" and not config.atnet.recurrent else ""
        provenance = {
            "command": f"talkface train configs/audio2landmark/{config.family}{single}.yaml",
            "clips": len(self.train),
            "speakers": len(self.sampler.speakers),
            "start": config.start and Path(config.start).name,
            "data": {"split": config.data.split, "only_speakers": list(config.data.speakers)},
        }
        return Checkpoint("audio2landmark", config_dict(config.network), self.ema.network.state_dict(), provenance)


def new_network(config: Audio2LandmarkTraining) -> SpeechNetwork:
    """Network of the config's family with weights that follow from its seed."""
    with seeded(config.run.seed):
        return build_audio2landmark(config_dict(config.network))


def front_end_of(start: str) -> FrontEnd:
    """Convolutions and phone head of trained weights of family `base`; empty for none and for other families."""
    tensors = load_weights(start, "audio2landmark").tensors if start else {}
    current = renamed(tensors, Audio2Landmark.renamed)
    first = {name.removeprefix("lip_encoders.0."): tensor.float() for name, tensor in current.items()}
    front_end = ("convolutions.", "norms.", "phone_head.")  # names of its weights start so
    return {name: tensor for name, tensor in first.items() if name.startswith(front_end)}


def go_on_from(network: SpeechNetwork, start: str) -> float:
    """Put trained weights, with their PCA and range, into a network of the same settings.

    Returns:
        Share of the motion's variance that the PCA held for the clips it was made from.

    Raises:
        CheckpointError: no such weights, or no speech network.
        ConfigError: a network of another family or size.
    """
    checkpoint = load_weights(start, "audio2landmark")
    try:
        network.restore(checkpoint.tensors)
    except RuntimeError as error:
        raise ConfigError(
            f"start={start} is a network of another family or size: use the config that it was trained by"
        ) from error
    return float(checkpoint.metrics.get("basis_variance", 0.0))


def evenly(examples: Sequence[SpeechExample], most: int) -> Sequence[SpeechExample]:
    """At most so many of the examples, evenly over their order."""
    if len(examples) <= most:
        return examples
    return [examples[place] for place in np.linspace(0, len(examples) - 1, most).round().astype(int)]


def fill_buffers(network: SpeechNetwork, examples: Sequence[SpeechExample]) -> float:
    """Fit the PCA, the typical range of motion and what the features need, and put them into the network.

    Returns:
        Share of the motion's variance that the PCA holds.
    """
    used: dict[str, int] = {}
    parts = []
    most_fitted = 2000  # clips that the PCA, the range and the features are fitted to
    examples = evenly(examples, most_fitted)
    basis_frames = 4000  # of any one speaker, at most, in the PCA
    for example in examples:
        room = max(0, basis_frames - used.get(example.speaker, 0))
        parts.append(example.motion[:room])
        used[example.speaker] = used.get(example.speaker, 0) + len(parts[-1])
    motion = np.concatenate(parts)
    basis = fit_basis(motion, np.sqrt(point_weights()), len(network.decoder))
    spread = basis.encode(motion).std(0)
    network.decoder.copy_(torch.from_numpy(basis.decoder * spread[:, None, None].astype(np.float32)))
    scales = {example.speaker: example.scale for example in examples}
    # percentile of the speakers' ranges: half of what a mouth does is a guess, so it is made smaller
    typical_range = 30.0
    network.scale.fill_(float(np.percentile(list(scales.values()), typical_range)))
    network.fit_features([example.power for example in examples])
    shapes = {example.speaker: example.shape for example in examples}
    network.fit_example(np.stack(list(shapes.values())))
    return basis.variance


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
