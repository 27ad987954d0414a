"""Samples at any rate as they come -> samples at another rate, or as 16-bit numbers."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from talkface.types import FloatArray


def to_pcm16(samples: FloatArray) -> npt.NDArray[np.int16]:
    """Samples in -1 to 1, beyond which they are cut -> little-endian int16 of the same shape."""
    return np.asarray((np.clip(samples, -1, 1) * 32_767).astype("<i2"))


class RateConverter:
    """Mono sound from one rate to another, piece by piece, with the filter that files go through."""

    def __init__(self, from_rate: int, rate: int) -> None:
        """Take both rates in samples per second."""
        self._from_rate, self._done = from_rate, 0
        same = from_rate == rate
        self._resampler = None if same else AudioResampler(format="flt", layout="mono", rate=rate)

    def push(self, samples: FloatArray) -> FloatArray:
        """`[S]` that follow the last ones -> `[S']` float32, a millisecond or so behind."""
        if self._resampler is None or not len(samples):
            return samples.astype(np.float32)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.time_base = self._from_rate, Fraction(1, self._from_rate)
        frame.pts = self._done
        self._done += len(samples)
        made = [out.to_ndarray().reshape(-1) for out in self._resampler.resample(frame)]
        return np.concatenate([np.zeros(0, np.float32), *made]).astype(np.float32)
