"""Sound of prepared clips -> predicted jaw and lip motion -> its distance from the real motion, and its baselines.

The protocol: a network gets the sound of a clip and, where it takes one, the shape of one closed-mouth frame, as a
photo would give it. What it predicts is added to that frame's canonical shape and compared with the real landmarks,
frame by frame, in canonical space, where head position, size and roll are taken out of both. Beside the network stand

- `static face`: the photo's shape in every frame;
- `other sound`: the same network on the sound of another clip, of the same speaker where there are several;
- `real, smoothed`: the real landmarks without the detector's jitter (averaged (1, 2, 1) / 4 over time, as the targets
  of training are): about the best that can be reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from talkface.evaluation.speech_clips import SpokenClip, SpokenClips
from talkface.landmarks.layout import MOUTH
from talkface.landmarks.retarget import uncross_lips
from talkface.media.speech import SpeechStream, open_speech, speech_level
from talkface.metrics.lag import best_lag, pearson
from talkface.metrics.landmark import lmd, lmd_normalised, opening_series, std_ratio
from talkface.metrics.sync import pause_frames
from talkface.models.speech_network import SpeechNetwork
from talkface.types import SAMPLE_RATE, FloatArray, Waveform

STATIC, OTHER, REAL = "static face", "other sound", "real, smoothed"


@dataclass(frozen=True)
class SpeechScoreSettings:
    """Lags and pauses of the speech table."""

    max_lag: int = 2  # frames to either side
    pause_s: float = 0.2  # shortest pause that is measured
    silence_s: float = 2.0  # of digital silence that every network must keep the mouth closed in


SPEECH_SCORES = SpeechScoreSettings()


@dataclass(frozen=True)
class MotionScore:
    """What one system reached on one clip.

    Attributes:
        system: name of the network, or of a baseline.
        clip: key.
        speaker: identity.
        frames: length.
        lmd_sum: `lmd` in ATVGnet's convention: its 128x128 crop, mouth centred per frame, summed over 20 points, px.
        lmd: `lmd_normalised`: the same, mean over points, over the outer-eye distance.
        r: Pearson correlation of the inner-lip opening at lag 0.
        r_best: the same at the best lag within +-2 frames.
        lag: that lag; positive when the prediction is late.
        std: standard deviation of the opening over the real one's.
        velocity: error of the mouth points' velocity, outer-eye distances per second, see `velocity_error`.
        pause_opening: mean opening in the clip's pauses, outer-eye distances; NaN where it has none.
        silence_opening: largest opening in two seconds of digital silence, the same unit.
    """

    system: str
    clip: str
    speaker: str
    frames: int
    lmd_sum: float = float("nan")
    lmd: float = float("nan")
    r: float = float("nan")
    r_best: float = float("nan")
    lag: float = float("nan")
    std: float = float("nan")
    velocity: float = float("nan")
    pause_opening: float = float("nan")
    silence_opening: float = float("nan")


@dataclass(frozen=True)
class ScoredClip:
    """One clip with every system's motion, `[T, 68, 2]` canonical, and scores."""

    clip: SpokenClip
    motions: dict[str, FloatArray]
    scores: list[MotionScore]


def score_network(clips: SpokenClips, network: SpeechNetwork, name: str) -> Iterator[ScoredClip]:
    """Score a network, called `name`, and its baselines, clip by clip."""
    for index, clip in enumerate(clips):
        other = open_speech(clips.other_sound(index))
        motions = {
            name: predict_motion(network, clip, clip.speech, len(clip)),
            STATIC: np.repeat(clip.neutral[None], len(clip), 0),
            OTHER: predict_motion(network, clip, other, len(clip)),
            REAL: smoothed(clip.canonical),
        }
        silence = opening_series(_in_silence(network, clip)).max()
        own = float(opening_series(clip.neutral[None])[0])
        closed = {name: float(silence), STATIC: own}
        scores = [_score(clip, system, motion, closed.get(system)) for system, motion in motions.items()]
        yield ScoredClip(clip, motions, scores)


def predict_motion(network: SpeechNetwork, clip: SpokenClip, speech: SpeechStream, count: int) -> FloatArray:
    """The clip's photo speaking `speech`: `[count, 68, 2]` canonical."""
    level = speech_level(speech)
    displacement = network.predict(speech.blocks(), count, level, fps=clip.fps, example=clip.neutral)
    return uncross_lips(clip.neutral + displacement)


def velocity_error(made: FloatArray, real: FloatArray, fps: Fraction) -> float:
    """Mean over mouth points and frames of the distance between made and real velocity.

    Each frame's mouth points are centred on their mean, as for LMD, so that a nodding head counts for nothing.

    Args:
        made: `[T, 68, 2]` canonical.
        real: the same.
        fps: frames per second.

    Returns:
        Outer-eye distances per second; that of a face that does not move is the real mouth's mean speed.
    """
    difference = (np.asarray(made, np.float64) - np.asarray(real, np.float64))[:, MOUTH]
    change = np.diff(difference - difference.mean(1, keepdims=True), axis=0)
    return float(np.nanmean(np.linalg.norm(change, axis=-1))) * float(fps)


def smoothed(canonical: FloatArray) -> FloatArray:
    """Landmarks averaged (1, 2, 1) / 4 over time, `[T, 68, 2]` -> `[T, 68, 2]`."""
    padded = np.concatenate([canonical[:1], canonical, canonical[-1:]])
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)


def pauses(speech: Waveform, fps: Fraction, num_frames: int) -> FloatArray:
    """Frames `[T]` (bool) of pauses of 0.2 s and more, see `pause_frames`."""
    quiet = np.asarray(pause_frames(speech, fps, num_frames), bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    long = np.zeros(num_frames, bool)
    for start, stop in edges.reshape(-1, 2):
        if stop - start >= SPEECH_SCORES.pause_s * fps:
            long[start:stop] = True
    return long


def _in_silence(network: SpeechNetwork, clip: SpokenClip) -> FloatArray:
    silence = open_speech(Waveform(np.zeros(round(SPEECH_SCORES.silence_s * SAMPLE_RATE), np.float32)))
    return predict_motion(network, clip, silence, round(SPEECH_SCORES.silence_s * clip.fps))


def _score(clip: SpokenClip, system: str, motion: FloatArray, silence: float | None) -> MotionScore:
    made, real = opening_series(motion), clip.openings
    shift = best_lag(made, real, SPEECH_SCORES.max_lag)
    quiet = pauses(Waveform(clip.prepared.audio), clip.fps, len(clip))
    return MotionScore(
        system=system,
        clip=clip.key,
        speaker=clip.speaker,
        frames=len(clip),
        lmd_sum=lmd(clip.in_atvg_crop(motion), clip.in_atvg_crop(clip.canonical), "sum"),
        lmd=lmd_normalised(motion, clip.canonical),
        r=pearson(made, real),
        r_best=shift.r,
        lag=float(shift.lag),
        std=std_ratio(made, real),
        velocity=velocity_error(motion, clip.canonical, clip.fps),
        pause_opening=float(np.nanmean(made[quiet])) if quiet.any() else float("nan"),
        silence_opening=float("nan") if silence is None else silence,
    )
