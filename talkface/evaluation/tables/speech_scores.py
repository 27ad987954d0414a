"""Sound of prepared clips -> predicted jaw and lip motion -> its distance from the real motion, and its baselines.

The protocol: a network gets the sound of a clip and, where it takes one, the shape of one closed-mouth frame, as a
photo would give it. What it predicts is added to that frame's canonical shape and compared with the real landmarks,
frame by frame, in canonical space, where head position, size and roll are taken out of both. Beside the network stand

- `static face`: the photo's shape in every frame;
- `other sound`: the same network on the sound of another clip, of the same speaker where there are several;
- `real, smoothed`: the real landmarks without the detector's jitter (averaged (1, 2, 1) / 4 over time, as the targets
  of training are): about the best that can be reached.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np

from talkface.evaluation.rows import Row
from talkface.evaluation.speech_clips import SpokenClip, SpokenClips
from talkface.landmarks.layout import MOUTH
from talkface.landmarks.retarget import uncross_lips
from talkface.landmarks.smooth import binomial
from talkface.media.speech import SpeechStream, open_speech, speech_level
from talkface.metrics.lag import best_lag, pearson
from talkface.metrics.landmark import lmd, lmd_normalised, opening_series, std_ratio
from talkface.metrics.stats import nanmean
from talkface.metrics.sync import long_pauses
from talkface.models.speech_network import SpeechNetwork
from talkface.types import SAMPLE_RATE, FloatArray, Waveform


class Baseline(StrEnum):
    """Systems without a network that a speech network is compared with."""

    STATIC = "static face"
    OTHER = "other sound"
    SMOOTHED = "real, smoothed"


@dataclass(frozen=True)
class ScoredClip:
    """One clip with every system's motion, `[T, 68, 2]` canonical, and its row of scores."""

    clip: SpokenClip
    motions: dict[str, FloatArray]
    rows: list[Row]


def score_network(clips: SpokenClips, network: SpeechNetwork, name: str) -> Iterator[ScoredClip]:
    """Score a network, called `name`, and its baselines, clip by clip."""
    for index, clip in enumerate(clips):
        other = open_speech(clips.other_sound(index))
        motions = {
            name: predict_motion(network, clip, clip.speech, len(clip)),
            Baseline.STATIC: np.repeat(clip.neutral[None], len(clip), 0),
            Baseline.OTHER: predict_motion(network, clip, other, len(clip)),
            Baseline.SMOOTHED: binomial(clip.canonical),
        }
        silence = opening_series(_in_silence(network, clip)).max()
        own = float(opening_series(clip.neutral[None])[0])
        closed = {name: float(silence), Baseline.STATIC: own}
        rows = [_row(clip, system, motion, closed.get(system, math.nan)) for system, motion in motions.items()]
        yield ScoredClip(clip, motions, rows)


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
    return float(nanmean(np.linalg.norm(change, axis=-1))) * float(fps)


def _in_silence(network: SpeechNetwork, clip: SpokenClip) -> FloatArray:
    silence_s = 2.0  # of digital silence that every network must keep the mouth closed in
    silence = open_speech(Waveform(np.zeros(round(silence_s * SAMPLE_RATE), np.float32)))
    return predict_motion(network, clip, silence, round(silence_s * clip.fps))


def _row(clip: SpokenClip, system: str, motion: FloatArray, silence_opening: float) -> Row:
    made, real = opening_series(motion), clip.openings
    shift = best_lag(made, real)
    pause_s = 0.2  # shortest pause that is measured
    quiet = long_pauses(Waveform(clip.prepared.audio), clip.fps, len(clip), pause_s)
    scores = {
        "lmd_sum": lmd(clip.in_atvg_crop(motion), clip.in_atvg_crop(clip.canonical), "sum"),
        "lmd": lmd_normalised(motion, clip.canonical),
        "r": pearson(made, real),
        "r_best": shift.r,
        "lag": float(shift.lag),
        "std": std_ratio(made, real),
        "velocity": velocity_error(motion, clip.canonical, clip.fps),
        "pause_opening": float(nanmean(made[quiet])),
        "silence_opening": silence_opening,
    }
    return Row({"system": system, "clip": clip.key, "speaker": clip.speaker, "frames": len(clip)}, scores)
