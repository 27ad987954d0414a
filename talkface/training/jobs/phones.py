"""Labelled speech -> convolutions that know phones, before they learn lips.

Lips are filmed for minutes, voices are many: a front end that first tells sounds apart in hundreds of synthetic voices
and in the training clips' own speech carries over to people it never heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional

from talkface.audio.augment import augment_voice, mask_features
from talkface.audio.features import MEL, MelPower, reference_power
from talkface.data.clip import PreparedClip
from talkface.data.phones import CLASSES, PhoneRecogniser
from talkface.data.samplers.speech import MELS_PER_FRAME, SPEECH_CLIPS
from talkface.data.voices import synthesise
from talkface.errors import CheckpointError
from talkface.files.read import refusing
from talkface.files.write import atomic_file
from talkface.models import renamed
from talkface.models.audio2landmark import Audio2Landmark, LipEncoder
from talkface.training.engine.kept import fingerprint
from talkface.training.engine.loop import step_generator, training_bar
from talkface.training.engine.step import seeded, step_on
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining, PhoneConfig
from talkface.types import SAMPLE_RATE, FloatArray

SAVE_EVERY = 50  # steps between states to resume from


@dataclass(frozen=True)
class LabelledSpeech:
    """`power` `[T', C]` relative mel power, `labels` `[T', 16]` 0 or 1, `source` index into `PhoneConfig.shares`."""

    power: FloatArray
    labels: FloatArray
    source: int


def label_speech(
    clips: Sequence[PreparedClip], num_mels: int, config: PhoneConfig, seed: int, bar: Progress
) -> list[LabelledSpeech]:
    """Labels of the clips' own speech (PocketSphinx) and of synthetic sentences.

    Raises:
        MissingExtraError: a tool is not installed; the message names it.
    """
    mel = MelPower(num_mels)
    if len(clips) > config.most_clips:
        places = np.linspace(0, len(clips) - 1, config.most_clips).round().astype(int)
        clips = [clips[int(place)] for place in places]
    counts: dict[str, int] = {}
    for clip in clips:
        counts[clip.speaker] = counts.get(clip.speaker, 0) + len(clip.audio)
    main = max(counts, key=lambda speaker: counts[speaker]) if counts else ""
    found = []
    if config.shares[1] + config.shares[2] > 0:
        recogniser = PhoneRecogniser()
        used: dict[str, float] = {}
        for clip in bar.track(clips, description="labels of speech"):
            samples = np.asarray(clip.audio, np.float32)
            if len(samples) >= SAMPLE_RATE // 2 and used.get(clip.speaker, 0.0) < config.per_speaker_s:
                used[clip.speaker] = used.get(clip.speaker, 0.0) + len(samples) / SAMPLE_RATE
                found.append(_labelled(mel, samples, recogniser.label(samples), 2 if clip.speaker == main else 1))
    if config.shares[0] > 0 and config.synthetic > 0:
        voices = synthesise(config.synthetic, np.random.default_rng((seed, 2)))
        for spoken in bar.track(voices, total=config.synthetic, description="synthetic voices"):
            found.append(_labelled(mel, spoken.samples, spoken.labels, 0))
    return [speech for speech in found if speech is not None]


def _labelled(mel: MelPower, samples: FloatArray, labels: FloatArray, source: int) -> LabelledSpeech | None:
    power = mel(torch.from_numpy(np.ascontiguousarray(samples))[None])[0].numpy()[: len(labels)]
    reference = reference_power(power.mean(1))
    if len(power) < 2 * MELS_PER_FRAME or reference < MEL.silent_power:
        return None
    return LabelledSpeech(power / np.float32(reference), labels[: len(power)], source)


class PhoneSampler:
    """Draws stretches of labelled speech, joining short ones."""

    def __init__(self, speech: Sequence[LabelledSpeech], config: PhoneConfig) -> None:
        groups = [[item for item in speech if item.source == source] for source in range(3)]
        share = np.array([part if group else 0.0 for part, group in zip(config.shares, groups, strict=True)])
        self.groups, self.share, self.config = groups, share / share.sum(), config

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """`[B, 4 T, C]` relative mel power and `[B, T, 16]` share of each frame in which a class is heard."""
        length = self.config.frames * MELS_PER_FRAME
        powers, labels = [], []
        for _ in range(self.config.batch_size):
            group = self.groups[rng.choice(3, p=self.share)]
            power = np.full((length, group[0].power.shape[1]), SPEECH_CLIPS.quiet, np.float32)
            label = np.zeros((length, len(CLASSES)), np.float32)
            filled = 0
            while filled < length - 20:
                speech = group[rng.integers(len(group))]
                start = int(rng.integers(0, max(1, len(speech.power) - length)))
                part = slice(start, start + length - filled)
                count = len(speech.power[part])
                power[filled : filled + count] = speech.power[part]
                label[filled : filled + count] = speech.labels[part]
                filled += count
            powers.append(power)
            labels.append(label.reshape(self.config.frames, MELS_PER_FRAME, -1).mean(1))
        return torch.from_numpy(np.stack(powers)), torch.from_numpy(np.stack(labels))


def phone_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy against the classes' shares where any is known, and the share of frames named right."""
    known = (labels.sum(-1) > 0).to(logits.dtype)
    target = labels / labels.sum(-1, keepdim=True).clamp(min=1e-3)
    entropy = -(target * functional.log_softmax(logits, -1)).sum(-1)
    right = (logits.argmax(-1) == labels.argmax(-1)).to(logits.dtype)
    count = known.sum().clamp(min=1)
    return (entropy * known).sum() / count, (right * known).sum() / count


def train_phones(
    network: Audio2Landmark,
    clips: Sequence[PreparedClip],
    config: Audio2LandmarkTraining,
) -> dict[str, Tensor]:
    """Pretrain the first lip encoder of `network` as a phone classifier; the run folder keeps its weights.

    `phones.pt` there holds the weights, `phones_state.pt` the state of an unfinished run and `phones_speech.pt` the
    labelled speech as long as they last. All are of use to the same clips and settings only.

    Returns:
        Weights of its convolutions and phone head by name.
    """
    folder, phones = Path(config.run.out), config.phones
    key = fingerprint(clips, config)
    kept = _load(folder / "phones.pt", key)
    if kept is None:
        sampler = PhoneSampler(_labelled_speech(clips, network, config, key), phones)
        _pretrain(network.members[0], network, sampler, config, key)
        weights = network.members[0].state_dict()
        kept = {"weights": {name: weights[name] for name in weights if _is_front_end(name)}}
        _save(folder / "phones.pt", key, kept)
        if PartialState().is_main_process:
            for unfinished in ("phones_state.pt", "phones_speech.pt"):
                (folder / unfinished).unlink(missing_ok=True)
    learned: dict[str, Tensor] = kept["weights"]
    return learned


def _pretrain(
    encoder: LipEncoder, network: Audio2Landmark, sampler: PhoneSampler, config: Audio2LandmarkTraining, key: str
) -> None:
    """All steps, going on where an earlier start stopped."""
    phones, seed, augment = config.phones, config.run.seed, config.augment
    state_file = Path(config.run.out) / "phones_state.pt"
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=phones.rate, weight_decay=0.01)
    state = _load(state_file, key)
    first = 0
    if state is not None:
        encoder.load_state_dict(renamed(state, {"listener": "lip_encoder"})["lip_encoder"])  # its name until 2026-11
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    network.train()
    with training_bar(PartialState().is_main_process and not config.run.quiet) as bar:
        task = bar.add_task("phone pretraining", total=phones.steps, completed=first)
        for step in range(first, phones.steps):
            if step > first and step % SAVE_EVERY == 0:
                parts = {"lip_encoder": encoder.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                _save(state_file, key, parts)
            rng = step_generator(seed, step)
            power, labels = sampler.draw(rng)
            warm = min(1.0, (step + 1) / 50) * (0.5 + 0.5 * float(np.cos(np.pi * step / phones.steps)))
            for group in optimizer.param_groups:
                group["lr"] = phones.rate * warm
            with seeded(seed, step):
                features = mask_features(network.features(augment_voice(power, augment, rng)), augment, rng)
                loss, right = phone_loss(encoder.phones(features), labels)
            step_on([loss], optimizer, encoder, step, grad_clip=1.0, advice="lower phones.rate in a new run.out")
            bar.update(task, completed=step + 1, description=f"phone pretraining  accuracy {right.item():.2f}")


def _labelled_speech(
    clips: Sequence[PreparedClip], network: Audio2Landmark, config: Audio2LandmarkTraining, key: str
) -> list[LabelledSpeech]:
    path = Path(config.run.out) / "phones_speech.pt"
    kept = _load(path, key)
    if kept is None:
        visible = PartialState().is_main_process and not config.run.quiet
        with training_bar(visible) as bar:
            speech = label_speech(clips, network.config.num_mels, config.phones, config.run.seed, bar)
        rows = [(torch.from_numpy(each.power), torch.from_numpy(each.labels), each.source) for each in speech]
        _save(path, key, {"speech": rows})
        return speech
    return [LabelledSpeech(power.numpy(), labels.numpy(), source) for power, labels, source in kept["speech"]]


def _save(path: Path, key: str, parts: dict[str, Any]) -> None:
    """Write (first process only) under another name first."""
    if PartialState().is_main_process:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as part:
            torch.save({"measured_on": key, **parts}, part)


def _load(path: Path, key: str) -> dict[str, Any] | None:
    """State that `_save` wrote under the same key; None where there is nothing of use."""
    if not path.is_file():
        return None
    try:
        with refusing(f"{path} is damaged", CheckpointError):
            kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return kept if kept.get("measured_on") == key else None
    except CheckpointError:
        return None


def _is_front_end(name: str) -> bool:
    return name.startswith(("convolutions.", "norms.", "phone_head."))
