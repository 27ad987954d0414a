"""Pictures of unknown origin -> the invisible mark in them, its payload and how surely it is one.

False positives: the correlation of a picture with a pattern of keyed random signs exceeds `a` standard deviations with
probability at most exp(-a^2 / 2) (Hoeffding 1963), whatever the picture shows. Pilot and word are drawn independently,
so that for one position and word P(a^2 + b^2 >= 2 x) <= (1 + x) exp(-x); the union over all positions, scales and 2^48
words is the bound that `Found.chance` gives, and that must be below `SEARCH.chance`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from talkface.media.mark.spread import (
    CODE,
    KEY,
    SPREAD,
    as_complex,
    decode,
    frequencies,
    patterns,
    reduce_to,
    ring,
    ring_spectrum,
)
from talkface.types import FloatArray


@dataclass(frozen=True)
class SearchSettings:
    """Settings of the search for the invisible mark."""

    chance: float = 1e-7  # of a mark being found in a picture without one
    near: tuple[float, ...] = (0.9925, 0.995, 0.9975, 1.0025, 1.005, 1.0075)  # around a likely scale
    likely: int = 6  # scales that are looked at more closely
    rough_frames: int = 4  # frames for the search over scales
    peaks: int = 3  # positions that are read at one scale


SEARCH = SearchSettings()
SCALES = np.geomspace(0.4, 2.1, 120)  # shorter side of the picture over that of the marked one: cut out, or framed
LOG_TRIALS = math.log(
    2 * (1 + len(SCALES) + SEARCH.likely * len(SEARCH.near)) * CODE.tile * CODE.tile
) + 8 * CODE.payload_bytes * math.log(2)

Luma = npt.NDArray[np.uint8]
Spectrum = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Found:
    """A mark that was found.

    Attributes:
        payload: its six bytes.
        chance: upper bound on the probability to find as much in pictures without a mark.
        scale: shorter side of the pictures over that of the marked frame, 1 where nothing was cut off.
        mirrored: whether left and right are exchanged.
    """

    payload: bytes
    chance: float
    scale: float
    mirrored: bool


def find_mark(frames: Sequence[Luma], key: str = KEY) -> Found | None:
    """Look for the mark in frames of one video, or in a single picture.

    Args:
        frames: luma `[H, W]` uint8, all of one size; a dozen spread over the video is enough.
        key: of the patterns.

    Returns:
        None where nothing was found; that proves nothing.
    """
    if not frames or min(frames[0].shape) < 32:
        return None
    found = _read(frames, 1.0, key)
    if found is not None:
        return Found(*found, mirrored=False)
    for mirrored in (False, True):
        turned = [np.ascontiguousarray(frame[:, ::-1]) for frame in frames] if mirrored else frames
        wide = _search(turned, key)
        if wide is not None:
            return Found(*wide, mirrored=mirrored)
    return None


def _search(frames: Sequence[Luma], key: str) -> tuple[bytes, float, float] | None:
    """Mark at an unknown scale."""
    rough = [
        frames[index] for index in np.linspace(0, len(frames) - 1, min(len(frames), SEARCH.rough_frames)).astype(int)
    ]
    heights = [float(_positions(_gathered(rough, scale), key).max()) for scale in SCALES]
    best = [float(SCALES[index]) for index in np.argsort(heights)[::-1][: SEARCH.likely]]
    for likely in best:
        near = [likely, *(likely * factor for factor in SEARCH.near)]
        peaks = {scale: float(_positions(_gathered(rough, scale), key).max()) for scale in near}
        found = _read(frames, max(near, key=peaks.__getitem__), key)
        if found is not None:
            return found
    return None


def _read(frames: Sequence[Luma], scale: float, key: str) -> tuple[bytes, float, float] | None:
    """Payload, chance and scale, where a mark is found at this scale."""
    spectrum = _gathered(frames, scale)
    place = _positions(spectrum, key)
    down, across = frequencies()
    for peak in np.argsort(place, axis=None)[::-1][: SEARCH.peaks]:
        y, x = np.unravel_index(peak, place.shape)
        moved = spectrum * np.exp(2j * np.pi * (down * int(y) + across * int(x)) / CODE.tile)
        pilot = float(place[y, x])
        least = math.sqrt(max(2 * _exponent(SEARCH.chance) - pilot * pilot, 0.0))
        word = decode(np.concatenate([moved.real, moved.imag]).astype(np.float32), least, key)
        if word is not None:
            return word.payload, chance_of(pilot, word.score), scale
    return None


def chance_of(pilot: float, word: float) -> float:
    """Upper bound on the probability that pictures without a mark give these correlations anywhere in the search."""
    x = (pilot * pilot + word * word) / 2
    return math.exp(min(0.0, math.log1p(x) - x + LOG_TRIALS))


@cache
def _exponent(chance: float) -> float:
    """Half the sum of squared correlations from which `chance_of` is at most `chance`."""
    x = 0.0
    for _ in range(50):
        x = math.log1p(x) + LOG_TRIALS - math.log(chance)
    return x


def _gathered(frames: Sequence[Luma], scale: float) -> Spectrum:
    """Sum of the frames' spectra, each of unit length."""
    total = np.zeros(len(ring()[0]), np.complex128)
    for frame in frames:
        spectrum = ring_spectrum(reduce_to(frame, SPREAD.short_side * scale))
        total += spectrum / max(float(np.linalg.norm(spectrum)), 1e-12)
    return total


def _positions(spectrum: Spectrum, key: str) -> FloatArray:
    """`[128, 128]` correlation with the pilot at every position, in standard deviations of chance."""
    y, x = ring()
    product = np.zeros((CODE.tile, CODE.tile // 2 + 1), np.complex128)
    product[y, x] = spectrum * as_complex(patterns(key).pilot).conj()
    product[-y[x == 0], 0] = product[y[x == 0], 0].conj()
    there = np.fft.irfft2(product, s=(CODE.tile, CODE.tile)) * (CODE.tile * CODE.tile / 2)
    return np.asarray(there / max(float(np.linalg.norm(spectrum)), 1e-12), np.float32)
