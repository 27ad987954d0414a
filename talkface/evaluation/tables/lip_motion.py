"""Landmarks of a made and a real clip -> similarity of the motion of lips and brows beyond the opening."""

from dataclasses import asdict

import numpy as np

from talkface.geometry.affine import transform
from talkface.metrics.image import face_map
from talkface.metrics.lag import pearson
from talkface.metrics.landmark import f_lmd, lip_distance_series, lmd, rounding_series, std_ratio, width_series
from talkface.metrics.stats import median
from talkface.metrics.table import Quantity, Target
from talkface.metrics.theval import theval
from talkface.types import DEFAULT_FPS, FloatArray, Waveform

LIP_MOTION = (
    Quantity("lip_distance_r", "lip distance r (pose removed), lag 0", statistic=median),
    Quantity("m_lmd", "M-LMD, pixels of a 256 crop", statistic=median),
    Quantity("f_lmd", "F-LMD, pixels of a 256 crop", statistic=median),
    Quantity("width_r", "mouth width r, lag 0", statistic=median),
    Quantity("width_std", "mouth width std over the real one's", target=Target(0.8, 1.2), statistic=median),
    Quantity("rounding_r", "lip rounding r, lag 0", statistic=median),
    Quantity("rounding_std", "lip rounding std over the real one's", target=Target(0.8, 1.2), statistic=median),
)
"""Rows of the table for held-out people; `metrics.landmark` has the definitions."""
THEVAL_ROWS = {"silent_lips": "silent lips", "lip_sync": "lip sync", "lip_dynamics": "lip dynamics", "brows": "brows"}
"""The made video's own value -> its name; THEval compares means over the whole set, see `metrics.theval`."""


def lip_motion(made: FloatArray, real: FloatArray, speech: Waveform) -> dict[str, float]:
    """Score landmarks `[T, 68, 2]` at 25 frames/s of a made video against those of the real one, both tracked alike.

    Returns:
        By the names of `LIP_MOTION` and `THEVAL_ROWS`, NaN where nothing could be measured.
    """
    length = min(len(made), len(real))
    made, real = made[:length], real[:length]
    ours, theirs = (transform(_crop(real), points) for points in (made, real))
    return {
        "lip_distance_r": pearson(lip_distance_series(made), lip_distance_series(real)),
        "m_lmd": lmd(ours, theirs),
        "f_lmd": f_lmd(ours, theirs),
        "width_r": pearson(width_series(made), width_series(real)),
        "width_std": std_ratio(width_series(made), width_series(real)),
        "rounding_r": pearson(rounding_series(made), rounding_series(real)),
        "rounding_std": std_ratio(rounding_series(made), rounding_series(real)),
        **asdict(theval(made, speech, DEFAULT_FPS)),
    }


def _crop(landmarks: FloatArray) -> FloatArray:
    """`[2, 3]` map to the 256x256 face crop whose pixels measure `[T, 68, 2]` landmarks."""
    found = landmarks[np.isfinite(landmarks).all((1, 2))]
    return face_map(np.median(found, axis=0)) if len(found) else np.eye(2, 3)
