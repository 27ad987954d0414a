"""Landmarks of a made and a real clip -> how alike lips and brows move beyond the opening; rows of the table."""

from dataclasses import asdict, dataclass

import numpy as np

from talkface.geometry.affine import transform
from talkface.metrics.image import face_map
from talkface.metrics.lag import pearson
from talkface.metrics.landmark import f_lmd, lip_distance_series, lmd, rounding_series, std_ratio, width_series
from talkface.metrics.stats import Bar
from talkface.metrics.theval import theval
from talkface.types import DEFAULT_FPS, FloatArray, Waveform

MOTION_ROWS: dict[str, tuple[str, Bar | None]] = {
    "lip_distance_r": ("lip distance r (pose removed), lag 0", None),
    "m_lmd": ("M-LMD, pixels of a 256 crop", None),
    "f_lmd": ("F-LMD, pixels of a 256 crop", None),
    "width_r": ("mouth width r, lag 0", None),
    "width_std": ("mouth width std over the real one's", Bar(0.8, 1.2)),
    "rounding_r": ("lip rounding r, lag 0", None),
    "rounding_std": ("lip rounding std over the real one's", Bar(0.8, 1.2)),
}
"""Field of `LipMotion` that compares with the real clip -> label and bar of its row, held-out people."""

THEVAL_ROWS = {"silent_lips": "silent lips", "lip_sync": "lip sync", "lip_dynamics": "lip dynamics", "brows": "brows"}
"""Field of `LipMotion` with the made video's own value -> its name; THEval compares means over the whole set."""


@dataclass(frozen=True)
class LipMotion:
    """See `metrics.landmark` and `metrics.theval` for the definitions; NaN where nothing could be measured."""

    lip_distance_r: float = float("nan")
    m_lmd: float = float("nan")
    f_lmd: float = float("nan")
    width_r: float = float("nan")
    width_std: float = float("nan")
    rounding_r: float = float("nan")
    rounding_std: float = float("nan")
    silent_lips: float = float("nan")
    lip_sync: float = float("nan")
    lip_dynamics: float = float("nan")
    brows: float = float("nan")


def lip_motion(made: FloatArray, real: FloatArray, speech: Waveform) -> LipMotion:
    """Score landmarks `[T, 68, 2]` at 25 frames/s of a made video against those of the real one, both tracked alike."""
    length = min(len(made), len(real))
    made, real = made[:length], real[:length]
    ours, theirs = (transform(_crop(real), points) for points in (made, real))
    return LipMotion(
        lip_distance_r=pearson(lip_distance_series(made), lip_distance_series(real)),
        m_lmd=lmd(ours, theirs),
        f_lmd=f_lmd(ours, theirs),
        width_r=pearson(width_series(made), width_series(real)),
        width_std=std_ratio(width_series(made), width_series(real)),
        rounding_r=pearson(rounding_series(made), rounding_series(real)),
        rounding_std=std_ratio(rounding_series(made), rounding_series(real)),
        **asdict(theval(made, speech, DEFAULT_FPS)),
    )


def _crop(landmarks: FloatArray) -> FloatArray:
    """`[2, 3]` map to the 256x256 face crop in which lengths of `[T, 68, 2]` landmarks are told."""
    found = landmarks[np.isfinite(landmarks).all((1, 2))]
    return face_map(np.median(found, axis=0)) if len(found) else np.eye(2, 3)
