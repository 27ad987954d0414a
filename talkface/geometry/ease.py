"""Value between two ends -> smooth share from 0 to 1."""

from typing import overload

import numpy as np

from talkface.types import FloatArray


@overload
def smooth_step(value: float, low: float = 0.0, high: float = 1.0) -> float: ...
@overload
def smooth_step(value: FloatArray, low: float = 0.0, high: float = 1.0) -> FloatArray: ...
def smooth_step(value: float | FloatArray, low: float = 0.0, high: float = 1.0) -> float | FloatArray:
    """0 up to `low`, 1 from `high`, with flat ends; one number gives one number, an array `[...]` gives `[...]`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    eased = share * share * (3 - 2 * share)
    return np.asarray(eased) if isinstance(value, np.ndarray) else float(eased)
