"""Prepared clips -> tracks of head pose and the speech's rhythm -> batches for headmotion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from talkface.audio.rhythm import speech_rhythm
from talkface.data.clip import PreparedClip
from talkface.errors import DatasetError
from talkface.geometry.affine import invert, transform
from talkface.landmarks.head_track import head_track
from talkface.landmarks.smooth import fill_unseen
from talkface.media.speech import open_speech, speech_level
from talkface.types import DEFAULT_FPS, FloatArray, Waveform


@dataclass(frozen=True)
class HeadSettings:
    """Which prepared clips teach head motion, and in what units."""

    shortest: int = 25  # frames; a shorter clip hardly turns its head
    found: float = 0.9  # least share of frames with a face
    largest_log_scale: float = 1.5  # logarithms; clips beyond are cut shots or pictures that hang on a wall
    smallest_log_scale: float = -3.0
    typical_frames: int = 400  # of any one speaker, at most, that tell what is typical


HEAD_CLIPS = HeadSettings()


@dataclass
class HeadExample:
    """One clip, ready to draw from.

    Attributes:
        track: `[T, 6]` head pose against the clip's usual one, see `landmarks.head_track`.
        features: `[T, 3]` onset, activity, loudness.
        log_scale: logarithm of how much this head moves over what is typical.
    """

    key: str
    speaker: str
    track: FloatArray
    features: FloatArray
    log_scale: float = 0.0

    def __len__(self) -> int:
        return len(self.track)


def clip_track(clip: PreparedClip) -> FloatArray | None:
    """`[T, 6]` head pose of a prepared clip in the frame, not in the crop that follows it; None for too few faces.

    Raises:
        DatasetError: the crops belong to other frames.
    """
    points = np.asarray(clip.landmarks, np.float64)
    seen = np.asarray(np.isfinite(points).all((1, 2)))
    if len(points) < HEAD_CLIPS.shortest or seen.mean() < HEAD_CLIPS.found:
        return None
    if len(clip.crops) != len(points):
        raise DatasetError(f"clip {clip.key} has {len(points)} frames but {len(clip.crops)} crops: prepare it again")
    return head_track(transform(invert(np.asarray(clip.crops, np.float64)), fill_unseen(points, seen)))


def clip_features(audio: FloatArray, num_frames: int) -> FloatArray:
    """`[S]` sound -> `[T, 3]` features, as `animate` computes them."""
    stream = open_speech(Waveform(np.asarray(audio, np.float32)))
    return speech_rhythm(stream.blocks(), num_frames, DEFAULT_FPS, speech_level(stream)).features


def make_head_examples(clips: Sequence[PreparedClip]) -> list[HeadExample]:
    """Measure every clip that has sound and a face nearly throughout.

    Raises:
        DatasetError: no clip is usable.
    """
    found = [(clip, clip_track(clip)) for clip in clips]
    examples = [
        HeadExample(clip.key, clip.speaker, track, clip_features(clip.audio, len(track)))
        for clip, track in found
        if track is not None and len(clip.audio)
    ]
    if not examples:
        raise DatasetError(
            f"no clip has sound and a face for {HEAD_CLIPS.shortest} frames: run `talkface prepare` on talking clips"
        )
    deviation = typical_deviation(examples)
    for example in examples:
        example.log_scale = motion_log_scale(example.track, deviation)
    return examples


def typical_deviation(examples: Sequence[HeadExample]) -> FloatArray:
    """`[6]` standard deviation of each number of a pose, median of the speakers."""
    spreads: dict[str, list[FloatArray]] = {}
    for example in examples:
        spreads.setdefault(example.speaker, []).append(example.track.std(0))
    return np.asarray(np.median([np.mean(each, 0) for each in spreads.values()], 0).clip(1e-4), np.float32)


def motion_log_scale(track: FloatArray, deviation: FloatArray) -> float:
    """Logarithm of the root mean square of the standard deviations of `[T, 6]` over the typical ones `[6]`."""
    over = np.sqrt(np.mean((track.std(0) / deviation) ** 2))
    return float(np.clip(np.log(max(over, 1e-6)), HEAD_CLIPS.smallest_log_scale, HEAD_CLIPS.largest_log_scale))


@dataclass(frozen=True)
class HeadBatch:
    """Stretches of clips, in blocks.

    Attributes:
        track: `[B, past + L n, 6]` pose; before a clip's first frame the first one is repeated.
        features: `[B, before + L n + after, 3]`.
        weight: `[B, L]` 1 for blocks inside the clip, 0 beyond its end.
        log_scale: `[B]`.
    """

    track: Tensor
    features: Tensor
    weight: Tensor
    log_scale: Tensor

    def rows(self, part: slice) -> "HeadBatch":
        """Some of the stretches."""
        return HeadBatch(self.track[part], self.features[part], self.weight[part], self.log_scale[part])


@dataclass(frozen=True)
class HeadBatchConfig:
    """Settings by which stretches are drawn."""

    blocks: int = 10  # L, blocks that the network predicts one after the other, each from the real past
    mirror: float = 0.5  # share of stretches seen in a mirror: yaw, roll and x change sign
    unknown: float = 0.2  # share of stretches whose past is hidden behind their last pose, as a photo's is
    quiet: float = 0.05  # share of stretches in which nothing is said and the head comes to rest


class HeadSampler:
    """Draws stretches, speakers by the square root of their minutes."""

    def __init__(
        self,
        examples: Sequence[HeadExample],
        config: HeadBatchConfig,
        *,
        block: int,
        past: int,
        before: int,
        after: int,
    ) -> None:
        """Keep the clips by speaker.

        Args:
            examples: clips to draw from.
            config: how stretches are drawn.
            block: n, frames that the network predicts at once.
            past: K, poses that it sees before them.
            before: frames of sound that it reads before a block.
            after: frames of sound that it reads after one.
        """
        self.config = config
        self.block, self.past, self.before, self.after = block, past, before, after
        self.by_speaker: dict[str, list[HeadExample]] = {}
        for example in examples:
            self.by_speaker.setdefault(example.speaker, []).append(example)
        self.speakers = sorted(self.by_speaker)
        chance = np.sqrt([sum(len(e) for e in self.by_speaker[s]) for s in self.speakers])
        self.chance = chance / chance.sum()

    def draw(self, count: int, rng: np.random.Generator) -> HeadBatch:
        """One batch of `count` stretches."""
        parts = [self._stretch(rng) for _ in range(count)]
        columns = (torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True))
        return HeadBatch(*columns)

    def _stretch(self, rng: np.random.Generator) -> tuple[FloatArray, ...]:
        clips = self.by_speaker[self.speakers[rng.choice(len(self.speakers), p=self.chance)]]
        lengths = np.array([len(clip) for clip in clips], np.float64)
        clip = clips[rng.choice(len(clips), p=lengths / lengths.sum())]
        frames = self.config.blocks * self.block
        start = int(rng.integers(0, max(1, len(clip) - frames + self.block)))
        parts: tuple[FloatArray, ...] = self.cut(clip, start, self.config.blocks)
        if rng.random() < self.config.mirror:
            parts = (mirrored(parts[0]), *parts[1:])
        if rng.random() < self.config.unknown:
            parts[0][: self.past] = parts[0][self.past - 1]
        return parts if rng.random() >= self.config.quiet else self._quiet(parts, rng)

    def cut(self, clip: HeadExample, start: int, blocks: int) -> tuple[FloatArray, ...]:
        """Columns of `HeadBatch` for the stretch whose first block begins at frame `start`."""
        end = start + blocks * self.block
        place = np.arange(start - self.past, end)
        track = clip.track[np.clip(place, 0, len(clip) - 1)]
        heard = np.arange(start - self.before, end + self.after)
        inside = (heard >= 0) & (heard < len(clip))
        features = np.where(inside[:, None], clip.features[np.clip(heard, 0, len(clip) - 1)], np.float32(0))
        ends = start + self.block * np.arange(1, blocks + 1)
        weight = (ends <= len(clip)).astype(np.float32)
        return track.astype(np.float32), features, weight, np.asarray(clip.log_scale, np.float32)

    def _quiet(self, parts: tuple[FloatArray, ...], rng: np.random.Generator) -> tuple[FloatArray, ...]:
        """Nobody speaks any more: what the head did dies away, and no sound is heard."""
        track, features, weight, log_scale = parts
        time = np.maximum(np.arange(len(track)) - self.past - rng.integers(0, self.block), 0)
        fade = (1 + time / 12) * np.exp(-time / 12)  # critically damped: without a jolt
        return track * fade[:, None].astype(np.float32), np.zeros_like(features), np.ones_like(weight), log_scale


def mirrored(track: FloatArray) -> FloatArray:
    """`[T, 6]` as a mirror shows it; a nod stays a nod."""
    return track * np.array([1, -1, -1, -1, 1, 1], np.float32)
