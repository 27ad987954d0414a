"""Labelled speech -> convolutions that know phones, before they learn lips.

Lips are filmed for minutes, voices are many: a front end that first tells sounds apart in hundreds of synthetic voices
and in the training clips' own speech carries over to people it never heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from talkface.audio.augment import VoiceAugmentation, augment_voice, mask_features
from talkface.audio.features import SILENT_POWER, MelPower, reference_power
from talkface.data.phones import CLASSES, PhoneRecogniser
from talkface.data.speech_batches import MELS_PER_FRAME, QUIET, SpeechClip
from talkface.data.voices import synthesise
from talkface.models.audio2landmark import Audio2Landmark
from talkface.training.loop import seeded, step_generator
from talkface.types import SAMPLE_RATE, FloatArray


@dataclass(frozen=True)
class PhoneConfig:
    """How the front end is taught phones."""

    steps: int = 800  # 0 leaves it out
    batch_size: int = 24
    frames: int = 64  # of 40 ms
    rate: float = 2e-3
    synthetic: int = 1200  # sentences by synthetic voices
    per_speaker_s: float = 240.0  # seconds of one speaker that are labelled, at most
    shares: tuple[float, float, float] = (0.5, 0.35, 0.15)  # of a batch: synthetic, other speakers, the main speaker


@dataclass(frozen=True)
class LabelledSpeech:
    """`power` `[T', C]` relative mel power, `labels` `[T', 16]` 0 or 1, `source` index into `PhoneConfig.shares`."""

    power: FloatArray
    labels: FloatArray
    source: int


def label_speech(clips: Sequence[SpeechClip], num_mels: int, config: PhoneConfig, seed: int) -> list[LabelledSpeech]:
    """Labels of the clips' own speech (PocketSphinx) and of synthetic sentences.

    Raises:
        MissingExtraError: a tool is not installed; the message names it.
    """
    mel = MelPower(num_mels)
    counts: dict[str, int] = {}
    for clip in clips:
        counts[clip.speaker] = counts.get(clip.speaker, 0) + len(clip.audio)
    main = max(counts, key=lambda speaker: counts[speaker]) if counts else ""
    found = []
    if config.shares[1] + config.shares[2] > 0:
        recogniser = PhoneRecogniser()
        used: dict[str, float] = {}
        for clip in clips:
            samples = np.asarray(clip.audio, np.float32)
            if len(samples) >= SAMPLE_RATE // 2 and used.get(clip.speaker, 0.0) < config.per_speaker_s:
                used[clip.speaker] = used.get(clip.speaker, 0.0) + len(samples) / SAMPLE_RATE
                found.append(_labelled(mel, samples, recogniser.label(samples), 2 if clip.speaker == main else 1))
    if config.shares[0] > 0 and config.synthetic > 0:
        for spoken in synthesise(config.synthetic, np.random.default_rng((seed, 2))):
            found.append(_labelled(mel, spoken.samples, spoken.labels, 0))
    return [speech for speech in found if speech is not None]


def _labelled(mel: MelPower, samples: FloatArray, labels: FloatArray, source: int) -> LabelledSpeech | None:
    power = mel(torch.from_numpy(np.ascontiguousarray(samples))[None])[0].numpy()[: len(labels)]
    reference = reference_power(power.mean(1))
    if len(power) < 2 * MELS_PER_FRAME or reference < SILENT_POWER:
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
            power = np.full((length, group[0].power.shape[1]), QUIET, np.float32)
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


def teach_phones(
    network: Audio2Landmark,
    clips: Sequence[SpeechClip],
    config: PhoneConfig,
    augment: VoiceAugmentation,
    seed: int,
    kept: Path,
) -> dict[str, Tensor]:
    """Teach the first listener of `network` phones; what it learnt is kept in the file `kept`.

    Returns:
        Weights of its convolutions and phone head by name.
    """
    if not kept.is_file():
        sampler = PhoneSampler(label_speech(clips, network.config.num_mels, config, seed), config)
        listener = network.members[0]
        optimizer = torch.optim.AdamW(listener.parameters(), lr=config.rate, weight_decay=0.01)
        network.train()
        for step in range(config.steps):
            rng = step_generator(seed, step)
            power, labels = sampler.draw(rng)
            warm = min(1.0, (step + 1) / 50) * (0.5 + 0.5 * float(np.cos(np.pi * step / config.steps)))
            for group in optimizer.param_groups:
                group["lr"] = config.rate * warm
            with seeded(seed, step):
                features = mask_features(network.features(augment_voice(power, augment, rng)), augment, rng)
                loss, _ = phone_loss(listener.phones(features), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(listener.parameters(), 1.0)
            optimizer.step()
        kept.parent.mkdir(parents=True, exist_ok=True)
        weights = listener.state_dict()
        learned = {name: weights[name] for name in weights if _is_front_end(name)}
        torch.save(learned, kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
    learned_weights: dict[str, Tensor] = torch.load(kept, map_location="cpu", weights_only=True)
    return learned_weights


def _is_front_end(name: str) -> bool:
    return name.startswith(("convolutions.", "norms.", "phone_head."))
