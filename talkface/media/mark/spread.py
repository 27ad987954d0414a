"""Frame and payload -> the same frame with an invisible mark in its luma.

The pattern is made once for a video, from its first frame, and added to every frame: it stands still, as a photo's
background does, so it neither flickers nor costs bits in later frames. Where it is made it knows the picture, and the
parts that this picture hides most get more of it (improved spread spectrum, Malvar and Florencio 2003).
"""

import binascii
import hashlib
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

import cv2
import numpy as np
import numpy.typing as npt

from talkface.types import FloatArray, Image

KEY = "talkface 1"  # public, so that anybody can look for the mark


@dataclass(frozen=True)
class SpreadSettings:
    """Strength and size of the invisible mark."""

    short_side: int = 256  # pixels of the shorter side, at which the mark is made and looked for
    smallest: int = 96  # pixels; frames with a shorter side bear no mark
    blur: float = 2.5  # pixels; standard deviation of the average that is taken away, and of the one of its square
    quiet: float = 4.0  # squared grey levels: below it, a flat part of the picture counts as noise
    texture: tuple[float, float] = (2.0, 40.0)  # least and greatest deviation of the detail that the mark follows
    # PSNR in dB, and the power by which the mark follows detail; the gentlest first
    strengths: tuple[tuple[float, float], tuple[float, float]] = ((46.0, 0.4), (44.3, 0.25))
    readable: float = 550.0  # half the sum of squared correlations at which a gentler mark survives what it has to
    pilot_share: float = 1.5  # of the pilot's correlation in one byte's
    rounds: int = 4  # of evening out how well pilot and bytes can be read
    largest_change: int = 5  # grey levels


SPREAD = SpreadSettings()


class InvisibleMark:
    """Adds one payload to every frame of a video."""

    def __init__(self, first: Image, payload: bytes, key: str = KEY) -> None:
        """Make the pattern for frames like `first`, `[H, W, 3]` RGB uint8."""
        small = reduce_to(np.asarray(cv2.cvtColor(first, cv2.COLOR_RGB2GRAY), np.uint8), SPREAD.short_side)
        self.payload = payload
        signs = encode(payload, key)
        for psnr, power in SPREAD.strengths:
            pattern, readable = _even_pattern(small, signs, _rms(psnr), power)
            if readable >= SPREAD.readable:
                break
        height, width = first.shape[:2]
        full = np.asarray(cv2.resize(pattern, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
        full = full * np.float32(_rms(psnr) / max(float(np.sqrt(np.square(full).mean())), 1e-6))
        change = np.rint(np.clip(full, -SPREAD.largest_change, SPREAD.largest_change))
        lighter, darker = (np.maximum(part, 0).astype(np.uint8) for part in (change, -change))
        self._lighter, self._darker = cv2.merge([lighter] * 3), cv2.merge([darker] * 3)

    def __call__(self, frame: Image) -> Image:
        """The marked frame; the given one stays as it is."""
        return np.asarray(cv2.subtract(cv2.add(frame, self._lighter), self._darker), np.uint8)


def payload_of(first: Image, comment: str) -> bytes:
    """Six bytes that tell one video from another: the same for the same first frame and comment."""
    text = f"{comment}\n{first.shape}\n".encode()
    return hashlib.sha256(text + np.ascontiguousarray(first).tobytes()).digest()[: CODE.payload_bytes]


def can_bear(width: int, height: int) -> bool:
    """Whether frames of this size are large enough for the mark."""
    return min(width, height) >= SPREAD.smallest


def reduce_to(luma: npt.NDArray[np.uint8], short_side: float) -> FloatArray:
    """Luma `[H, W]` scaled until its shorter side has so many pixels."""
    height, width = luma.shape
    factor = short_side / min(height, width)
    size = (max(16, round(width * factor)), max(16, round(height * factor)))
    shrink = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(luma, size, interpolation=shrink), np.float32)


def ring_spectrum(luma: FloatArray) -> npt.NDArray[np.complex128]:
    """Frequencies in the ring of a picture `[H, W]` at the working size, its own structure evened out.

    The average around each pixel is taken away and the rest divided by its local variance, as a matched filter in noise
    of changing strength does; then all tiles are laid on one another, and high frequencies, of which pictures have
    less, are raised.
    """
    detail = luma - cv2.GaussianBlur(luma, (0, 0), SPREAD.blur)
    even = detail / (cv2.GaussianBlur(detail * detail, (0, 0), SPREAD.blur) + SPREAD.quiet)
    height, width = even.shape
    rows, columns = -(-height // CODE.tile), -(-width // CODE.tile)
    padded = np.zeros((rows * CODE.tile, columns * CODE.tile), np.float32)
    padded[:height, :width] = even
    folded = padded.reshape(rows, CODE.tile, columns, CODE.tile).sum((0, 2))
    down, across = frequencies()
    return np.asarray(np.fft.rfft2(folded)[ring()] * np.hypot(down, across), np.complex128)


def _rms(psnr: float) -> float:
    """Grey levels of a change with this peak signal-to-noise ratio."""
    return float(255 / 10 ** (psnr / 20))


def _even_pattern(luma: FloatArray, signs: FloatArray, rms: float, power: float) -> tuple[FloatArray, float]:
    """Pattern for a picture `[H, W]` at the working size, pilot and bytes equally well readable in it.

    Returns:
        The pattern and half the sum of its squared correlations, as `search.chance_of` takes them.
    """
    detail = luma - cv2.GaussianBlur(luma, (0, 0), SPREAD.blur)
    strength = np.clip(np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), SPREAD.blur)), *SPREAD.texture) ** power
    height, width = luma.shape
    copies = (math.ceil(height / CODE.tile), math.ceil(width / CODE.tile))
    wanted = np.array([SPREAD.pilot_share] + [1.0] * (len(signs) - 1), np.float32)
    best = gains = wanted / wanted.mean()
    readable = 0.0
    for _ in range(SPREAD.rounds):
        pattern = np.tile(tile_of(gains @ signs), copies)[:height, :width] * strength
        pattern *= rms / np.sqrt(np.square(pattern).mean())
        spectrum = ring_spectrum(np.clip(luma + pattern, 0, 255))
        seen = signs @ np.concatenate([spectrum.real, spectrum.imag]) / max(float(np.linalg.norm(spectrum)), 1e-12)
        readable = float(seen[0] ** 2 + np.square(seen[1:].sum()) / (len(seen) - 1)) / 2
        best = gains
        gains = np.clip(gains + 0.5 * (wanted / wanted.mean() - seen / max(float(seen.mean()), 1e-6)), 0.2, 4)
    return np.tile(tile_of(best @ signs), copies)[:height, :width] * strength, readable


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
