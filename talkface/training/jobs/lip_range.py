"""Predicted and real lips of people kept out of training -> the range that predictions lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkface.data.samplers.speech import SpeechExample
from talkface.errors import ConfigError, DatasetError
from talkface.landmarks.lip_shape import LipRange, full_range, lip_measures
from talkface.models.speech_network import speech_gate
from talkface.training.engine.kept import load_kept, save_kept
from talkface.types import FloatArray


@dataclass(frozen=True)
class LipRangeLimits:
    """Limits of the clips that a speaker's range is measured on."""

    shortest: int = 25  # frames; a percentile over fewer says little
    opening_percentile: float = 95.0  # what an opening is made as large at as a real one
    largest_gain: float = 5.0


LIP_RANGE = LipRangeLimits()


@dataclass(frozen=True)
class LipRangeConfig:
    """Measurement of the range: each of two networks predicts the half of the people held out of its training."""

    steps: int = 0  # of training of each of the two; 0 leaves motion as it is predicted, or as in `start`
    members: int = 1  # of each of the two, see `Audio2LandmarkConfig`
    only: bool = False  # fit nothing but the range of `start`
    sharpening: float = 1.0  # see `landmarks.lip_shape.LipRange`
    closed_below: float = 0.0125
    # 95th percentile of the opening over the real one's that is aimed at: a detector sees .85 of it in rendered mouths,
    # whose lower teeth it takes for lip more often than those of photographs
    opening: float = 1.16
    # deviation of the width, and of the lips' height, over the real one's: a detector sees .7 of what is asked for in
    # rendered mouths of training people. More height would agree with real deviations, but the lower lip swells
    width: float = 1.4
    height: float = 1.1

    def __post_init__(self) -> None:
        """Raises `ConfigError` for a range that no mouth has."""
        for name in ("steps", "sharpening", "closed_below", "opening", "width", "height"):
            if getattr(self, name) < 0:
                raise ConfigError(f"invalid range.{name} {getattr(self, name)}: expected 0 or more")
        if self.only and self.steps == 0:
            raise ConfigError("range.only needs range.steps: set how long the two networks that measure are trained")


@dataclass(frozen=True)
class MeasuredLips:
    """One clip: `[T, 3]` predicted and real `lip_measures`, outer-eye distances; `[T]` how far the mouth may move."""

    speaker: str
    predicted: FloatArray
    real: FloatArray
    gate: FloatArray


def measure_lips(example: SpeechExample, coefficients: FloatArray, shapes: FloatArray) -> MeasuredLips:
    """Predicted `[T, P]` coefficients of `[P, 68, 2]` shapes beside the real motion, where a face was seen."""
    seen = example.seen > 0
    real = lip_measures(example.motion * np.float32(example.scale))
    predicted = coefficients @ lip_measures(shapes)
    gate = speech_gate(example.power.mean(1))
    return MeasuredLips(example.speaker, predicted[seen], real[seen], gate[seen])


def fit_range(clips: Sequence[MeasuredLips], config: LipRangeConfig) -> LipRange:
    """Gains that give the median person the range asked for; people with several clips count once.

    Raises:
        DatasetError: no clip is long enough.
    """
    plain = LipRange((1.0, 1.0, 1.0), config.sharpening, config.closed_below)
    ratios: dict[str, list[FloatArray]] = {}
    for clip in clips:
        if len(clip.real) >= LIP_RANGE.shortest:
            made = full_range(clip.predicted, plain) * clip.gate[:, None]
            ratios.setdefault(clip.speaker, []).append(_extent(made) / np.maximum(_extent(clip.real), 1e-6))
    if not ratios:
        raise DatasetError(f"no clip has {LIP_RANGE.shortest} frames to measure the lips' range on: set range.steps=0")
    median = np.median([np.mean(of_one, 0) for of_one in ratios.values()], 0)
    wanted = np.array([config.opening, config.width, config.height])
    opening, width, height = np.clip(
        wanted / np.maximum(median, 1e-6), 1 / LIP_RANGE.largest_gain, LIP_RANGE.largest_gain
    ).round(4)
    return LipRange((float(opening), float(width), float(height)), config.sharpening, config.closed_below)


def _extent(measures: FloatArray) -> FloatArray:
    """`[3]` 95th percentile of the opening, deviations of width and height."""
    opening = float(np.percentile(measures[:, 0], LIP_RANGE.opening_percentile))
    return np.array([opening, measures[:, 1].std(), measures[:, 2].std()])


def load_range(path: Path, measured_on: str) -> LipRange | None:
    """The range that an earlier start of the run measured; None where there is none for this data and settings."""
    kept = load_kept(path, measured_on, range=tuple[float, float, float, float, float])
    return None if kept is None else LipRange.from_array(np.array(kept["range"]))


def save_range(path: Path, measured_on: str, lips: LipRange) -> None:
    """Keep it in the run folder."""
    save_kept(path, measured_on, {"range": [float(value) for value in lips.as_array()]})
