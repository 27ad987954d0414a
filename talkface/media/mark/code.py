"""48-bit payload <-> keyed sign patterns in a ring of spatial frequencies.

Direct-sequence spread spectrum (Cox et al. 1997): one known pilot pattern finds scale and position; each of eight
bytes, six of payload and two of CRC, chooses one of 256 nearly orthogonal patterns, a biorthogonal code.
"""

import binascii
import hashlib
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np
import numpy.typing as npt

from talkface.types import FloatArray

KEY = "talkface 1"  # public, so that anybody can look for the mark


@dataclass(frozen=True)
class CodeSettings:
    """Payload and tiles of the invisible mark."""

    payload_bytes: int = 6
    symbols: int = 8  # bytes of payload and CRC
    tile: int = 128  # pixels of the repeated square, at the size at which the mark is made and looked for
    ring: tuple[float, float] = (5.5, 25.6)  # cycles per tile: periods of 5 to 23 pixels there
    candidates: int = 4  # likeliest values of each byte among which a word with a right CRC is sought
    words: int = 2000  # tried, the likeliest first


CODE = CodeSettings()


@cache
def ring() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Row and column indices of the ring's frequencies in a real FFT of a tile."""
    rows, columns = np.meshgrid(np.fft.fftfreq(CODE.tile, 1 / CODE.tile), np.arange(CODE.tile // 2 + 1), indexing="ij")
    radius = np.hypot(rows, columns)
    inside = (radius >= CODE.ring[0]) & (radius <= CODE.ring[1]) & ((columns > 0) | (rows > 0))  # half the plane
    y, x = np.nonzero(inside)
    return y, x


@cache
def frequencies() -> tuple[FloatArray, FloatArray]:
    """Cycles per tile down and across, of each frequency in the ring."""
    y, x = ring()
    return np.where(y > CODE.tile // 2, y - CODE.tile, y).astype(np.float32), x.astype(np.float32)


@dataclass(frozen=True)
class Patterns:
    """Sign patterns of a key, as real and imaginary parts of the ring's N / 2 frequencies.

    Attributes:
        pilot: `[N]` of -1 and 1.
        symbols: `[8, 128, N]`; the upper half of the 256 values are the lower half's with the sign changed.
    """

    pilot: FloatArray
    symbols: FloatArray


@cache
def patterns(key: str = KEY) -> Patterns:
    """Patterns of a key, the same on every machine (SHAKE-256)."""
    size = 2 * len(ring()[0])
    signs = _signs(key, (1 + CODE.symbols * 128) * size).reshape(-1, size)
    return Patterns(signs[0], signs[1:].reshape(CODE.symbols, 128, size))


def _signs(key: str, count: int) -> FloatArray:
    drawn = np.frombuffer(hashlib.shake_256(key.encode()).digest(-(-count // 8)), np.uint8)
    return 2 * np.unpackbits(drawn)[:count].astype(np.float32) - 1


def encode(payload: bytes, key: str = KEY) -> FloatArray:
    """`[9, N]` patterns whose weighted sum is the mark: the pilot, then one for each byte of payload and CRC."""
    assert len(payload) == CODE.payload_bytes, payload
    found = patterns(key)
    word = payload + binascii.crc_hqx(payload, 0xFFFF).to_bytes(2, "big")
    chosen = [found.symbols[place, value % 128] * (1 if value < 128 else -1) for place, value in enumerate(word)]
    return np.stack([found.pilot, *chosen])


def tile_of(signs: FloatArray) -> FloatArray:
    """`[128, 128]` float32 picture of a pattern `[N]`, of unit deviation; it continues across its edges."""
    y, x = ring()
    spectrum = np.zeros((CODE.tile, CODE.tile // 2 + 1), np.complex128)
    spectrum[y, x] = as_complex(signs)
    spectrum[-y[x == 0], 0] = spectrum[y[x == 0], 0].conj()
    picture = np.fft.irfft2(spectrum, s=(CODE.tile, CODE.tile))
    return np.asarray(picture / picture.std(), np.float32)


def as_complex(signs: FloatArray) -> npt.NDArray[np.complex128]:
    """`[N]` real -> `[N / 2]` complex."""
    half = len(signs) // 2
    return np.asarray(signs[:half] + 1j * signs[half:], np.complex128)


@dataclass(frozen=True)
class Word:
    """A payload that was read.

    Attributes:
        payload: six bytes, whose CRC is right.
        score: correlation of the word's eight patterns with what was seen, in standard deviations of chance.
    """

    payload: bytes
    score: float


def decode(seen: FloatArray, least: float, key: str = KEY) -> Word | None:
    """Likeliest payload in `[N]`, in position already; None where no word of at least this score has a right CRC.

    Error correction is by list: words are tried from the likeliest on, so a byte that was read wrong is replaced by its
    second or third choice as long as the CRC tells.
    """
    unit = seen / max(float(np.linalg.norm(seen)), 1e-12)
    score = patterns(key).symbols @ unit  # [8, 128]
    both = np.concatenate([score, -score], 1)  # [8, 256]
    best = np.argsort(-both, axis=1)[:, : CODE.candidates]
    values = np.take_along_axis(both, best, 1)
    for total, ranks in islice(_likeliest(values), CODE.words):
        if total < least * math.sqrt(CODE.symbols):
            break
        word = bytes(int(best[place, rank]) for place, rank in enumerate(ranks))
        payload = word[: CODE.payload_bytes]
        if binascii.crc_hqx(payload, 0xFFFF).to_bytes(2, "big") == word[CODE.payload_bytes :]:
            return Word(payload, total / math.sqrt(CODE.symbols))
    return None


def _likeliest(values: FloatArray) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Sums of one choice of each row `[8, R]`, which are sorted downwards, and the choices: the largest sum first."""
    start = (0,) * len(values)
    queue, seen = [(-float(values[:, 0].sum()), start)], {start}
    while queue:
        total, ranks = heapq.heappop(queue)
        yield -total, ranks
        for place, rank in enumerate(ranks):
            after = (*ranks[:place], rank + 1, *ranks[place + 1 :])
            if rank + 1 < values.shape[1] and after not in seen:
                seen.add(after)
                heapq.heappush(queue, (total + float(values[place, rank] - values[place, rank + 1]), after))
