"""Prepared clips -> mel power and displacement from the closed mouth -> batches for audio2landmark."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from talkface.audio.features import FRAME_RATE, MEL, Bands, MelPower, reference_power
from talkface.audio.mfcc import FilterPower
from talkface.data.clip import PreparedClip
from talkface.data.samplers.chances import Chances
from talkface.errors import DatasetError
from talkface.landmarks.layout import LOWER_INNER_LIP, UPPER_INNER_LIP
from talkface.landmarks.mean_face import to_canonical
from talkface.landmarks.smooth import binomial, fill_unseen
from talkface.types import FloatArray


@dataclass(frozen=True)
class SpeechSettings:
    """Which prepared clips teach speech, and in what units."""

    fps: int = 25  # video frames per second of every prepared clip and of the network
    shortest: int = 15  # frames; a shorter clip says nothing about its speaker's range
    found: float = 0.7  # least share of frames with a face
    closed_share: float = 0.1  # of the frames: the closed mouth that motion is relative to
    range_percentile: float = 90.0  # of the opening: a speaker's range
    smallest_range: float = 0.03  # outer-eye distances; below it the detector's noise would be scaled up
    quiet: float = 1e-8  # mel power of what lies outside a clip


SPEECH_CLIPS = SpeechSettings()
MELS_PER_FRAME = FRAME_RATE // SPEECH_CLIPS.fps
NOBODY = "no clip has sound and a face in most frames: run `talkface prepare` on talking clips"


@dataclass
class SpeechExample:
    """One clip, ready to draw from.

    Attributes:
        power: `[4 T, C]` mel power over the clip's reference power.
        motion: `[T, 68, 2]` canonical displacement from the closed mouth over `scale`.
        opening: `[T]` inner-lip gap in the same units.
        seen: `[T]` whether a face was found.
        shape: `[68, 2]` canonical landmarks of the closed mouth's face.
        scale: the speaker's opening range in outer-eye distances.
        lag: frames by which the picture follows the sound; measured, see `training.jobs.offsets`.
    """

    key: str
    speaker: str
    power: FloatArray
    motion: FloatArray
    opening: FloatArray
    seen: FloatArray
    shape: FloatArray
    scale: float
    lag: float = 0.0

    def __len__(self) -> int:
        return len(self.opening)

    def scale_by(self, scale: float) -> None:
        """Express motion and opening in ranges of the speaker, `scale` outer-eye distances each."""
        self.scale = scale
        self.motion = self.motion / np.float32(scale)
        self.opening = self.opening / np.float32(scale)

    def face(self, index: int) -> FloatArray:
        """`[68, 2]` canonical landmarks of frame `index`."""
        return np.asarray(self.shape + self.motion[index] * self.scale, np.float32)


def lip_gap(motion: FloatArray) -> FloatArray:
    """Vertical inner-lip gap of displacements, `[..., 68, 2]` -> `[...]`; negative when pressed."""
    return np.asarray(motion[..., LOWER_INNER_LIP, 1] - motion[..., UPPER_INNER_LIP, 1])


def make_examples(clips: Sequence[PreparedClip], mel: Bands) -> list[SpeechExample]:
    """Measure every clip that has sound and a face; motion is scaled per speaker, so that loud and small movers agree.

    Raises:
        DatasetError: no clip is usable, or one holds numbers that are none.
    """
    examples = [example for clip in clips if (example := measure_clip(clip, mel)) is not None]
    if not examples:
        raise DatasetError(NOBODY)
    openings: dict[str, list[FloatArray]] = {}
    for example in examples:
        openings.setdefault(example.speaker, []).append(example.opening)
    scales = {speaker: speaker_range(np.concatenate(each)) for speaker, each in openings.items()}
    for example in examples:
        example.scale_by(scales[example.speaker])
    return examples


def speaker_range(openings: FloatArray) -> float:
    """Range of a speaker in outer-eye distances, by which his motion is divided, from the openings of his clips."""
    return max(float(np.percentile(openings, SPEECH_CLIPS.range_percentile)), SPEECH_CLIPS.smallest_range)


def standard_bands() -> dict[str, Bands]:
    """The bands whose reference power a corpus' index holds, by `bands_name`: those of the presets."""
    made: list[Bands] = [MelPower(64), FilterPower()]
    return {bands_name(mel): mel for mel in made}


def bands_name(mel: Bands) -> str:
    """A name for a kind of bands, such as MelPower64."""
    return f"{type(mel).__name__}{mel.num_mels}"


@dataclass(frozen=True)
class MouthTrack:
    """A clip's face over time, unscaled: `[T, 68, 2]` motion, `[T]` opening and seen, `[68, 2]` shape."""

    motion: FloatArray
    opening: FloatArray
    seen: FloatArray
    shape: FloatArray


def measure_track(landmarks: FloatArray, audio: FloatArray) -> MouthTrack | None:
    """Motion from the closed mouth, `[T, 68, 2]` pixels and `[S]` sound; None for too few frames, faces or sound."""
    points = np.asarray(landmarks, np.float32)
    seen = np.asarray(np.isfinite(points).all((1, 2)))
    if (
        len(points) < SPEECH_CLIPS.shortest
        or seen.mean() < SPEECH_CLIPS.found
        or len(audio) < FRAME_RATE * MEL.hop // 2
    ):
        return None
    canonical = binomial(to_canonical(fill_unseen(points, seen))[0])
    gap = lip_gap(canonical)
    closed = np.argsort(gap, kind="stable")[: max(2, round(SPEECH_CLIPS.closed_share * len(points)))]
    shape = canonical[closed].mean(0)
    motion = (canonical - shape).astype(np.float32)
    return MouthTrack(motion, lip_gap(motion), seen.astype(np.float32), shape)


def _clip_power(audio: FloatArray, num_frames: int, mel: Bands) -> FloatArray:
    """`[4 T, C]` power of `[S]` sound, cut or filled up with silence to the length of T frames."""
    samples = np.zeros(num_frames * MELS_PER_FRAME * MEL.hop, np.float32)
    used = min(len(samples), len(audio))
    samples[:used] = audio[:used]
    return np.asarray(mel(torch.from_numpy(samples)[None])[0].numpy())


def measure_reference(audio: FloatArray, num_frames: int, mel: Bands) -> float:
    """Power of the speech that everything is relative to; below `MEL.silent_power` there is none."""
    return reference_power(_clip_power(audio, num_frames, mel).mean(1))


def measure_clip(clip: PreparedClip, mel: Bands) -> SpeechExample | None:
    """One clip with a scale of 1; None where it cannot teach speech.

    Raises:
        DatasetError: its sound holds values that are not numbers.
    """
    track = measure_track(clip.landmarks, clip.audio)
    if track is None:
        return None
    if not np.isfinite(clip.audio).all():
        raise DatasetError(f"the sound of clip {clip.key} holds values that are not numbers: prepare it again")
    power = _clip_power(clip.audio, len(track.opening), mel)
    reference = reference_power(power.mean(1))
    if reference < MEL.silent_power:
        return None
    relative = np.asarray(power / np.float32(reference))
    return SpeechExample(clip.key, clip.speaker, relative, track.motion, track.opening, track.seen, track.shape, 1.0)


@dataclass(frozen=True)
class SpeechBatch:
    """Stretches of clips.

    Attributes:
        power: `[B, 4 T, C]` relative mel power, not yet varied.
        motion: `[B, T, 68, 2]` displacement over the speaker's range.
        weight: `[B, T]` 1 where a face was seen, 0 elsewhere and beyond the clip's end.
        as_is: `[B]` 1 for stretches whose voice is to stay as it is.
        example: `[B, 68, 2]` canonical landmarks of any frame of the same clip.
    """

    power: Tensor
    motion: Tensor
    weight: Tensor
    as_is: Tensor
    example: Tensor

    def part(self, rows: slice) -> "SpeechBatch":
        """Some of the stretches."""
        return SpeechBatch(self.power[rows], self.motion[rows], self.weight[rows], self.as_is[rows], self.example[rows])


@dataclass(frozen=True)
class BatchConfig:
    """Settings by which stretches are drawn."""

    frames: int = 64  # T, 2.56 s
    main_share: float = 0.5  # of the batch from the speaker with most minutes, where one has over half of them
    main_as_is: bool = True  # that speaker's voice is not varied, so that its habits do not rub off on other voices
    speed: float = 0.1  # largest log ratio of playing faster or slower
    still: float = 0.06  # share of stretches replaced by steady noise or silence with a closed mouth


class StretchSampler:
    """Draws stretches, speakers by the square root of their minutes."""

    def __init__(self, examples: Sequence[SpeechExample], config: BatchConfig) -> None:
        self.config = config
        self.by_speaker: dict[str, list[SpeechExample]] = {}
        for example in examples:
            self.by_speaker.setdefault(example.speaker, []).append(example)
        self.speakers = sorted(self.by_speaker)
        frames = np.array([sum(len(e) for e in self.by_speaker[s]) for s in self.speakers], np.float64)
        chance = np.sqrt(frames)
        main = int(np.argmax(frames))
        self.main: str | None = None
        if len(frames) > 1 and frames[main] > frames.sum() / 2:
            others = chance.sum() - chance[main]
            chance[main] = config.main_share / (1 - config.main_share) * others
            self.main = self.speakers[main] if config.main_as_is else None
        self.chance = Chances(chance / chance.sum())

    def draw(self, count: int, rng: np.random.Generator) -> SpeechBatch:
        """One batch of `count` stretches."""
        other = rng.spawn(1)[0]  # so that the stretches do not depend on the examples
        parts = [self._stretch(rng, other) for _ in range(count)]
        columns = (torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True))
        return SpeechBatch(*columns)

    def _stretch(self, rng: np.random.Generator, other: np.random.Generator) -> tuple[FloatArray, ...]:
        """Columns of `SpeechBatch`; `other` draws the example."""
        frames = self.config.frames
        clips = self.by_speaker[self.speakers[self.chance.draw(rng)]]
        clip = clips[rng.integers(len(clips))]
        example = clip.face(int(other.choice(np.flatnonzero(clip.seen))))
        if rng.random() < self.config.still:
            return (*_steady(clip, frames, rng), np.zeros((), np.float32), example)
        speed = float(np.exp(rng.uniform(-self.config.speed, self.config.speed)))
        start = rng.uniform(0, max(0.0, len(clip) - 1 - frames * speed))
        time = start + np.arange(frames) * speed
        low = np.clip(time.astype(int), 0, len(clip) - 2)
        share = np.clip(time - low, 0, 1).astype(np.float32)[:, None, None]
        motion = clip.motion[low] * (1 - share) + clip.motion[low + 1] * share
        weight = (time <= len(clip) - 1).astype(np.float32) * clip.seen[low]
        mel_time = (start - clip.lag) * MELS_PER_FRAME + np.arange(frames * MELS_PER_FRAME) * speed
        nearest = np.round(mel_time).astype(int)
        inside = (nearest >= 0) & (nearest < len(clip.power))
        power = np.where(
            inside[:, None], clip.power[np.clip(nearest, 0, len(clip.power) - 1)], np.float32(SPEECH_CLIPS.quiet)
        )
        return power, motion, weight, np.asarray(clip.speaker == self.main, np.float32), example


def _steady(clip: SpeechExample, frames: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Noise with a tilted spectrum, or the near silence of a pause: the mouth stays closed."""
    bands = clip.power.shape[1]
    level = 10 ** (rng.uniform(-50, 10) / 10)
    tilt = np.exp(rng.normal(0, 2.0) * np.linspace(-1, 1, bands))
    flicker = rng.gamma(2.0, 0.5, (frames * MELS_PER_FRAME, bands))
    power = (level * tilt / tilt.mean() * flicker).astype(np.float32)
    return power, np.zeros((frames, 68, 2), np.float32), np.ones(frames, np.float32)
