"""Speech file or Waveform -> 16 kHz mono blocks, read as often as needed in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from talkface.errors import MediaError
from talkface.media.decode import Block, decode_sound, probe_sound, resample_samples
from talkface.types import SAMPLE_RATE, FloatArray, Waveform

SHORTEST_S = 0.1  # speech below this is refused: less than three video frames
KEPT_S = 60.0  # speech up to this long stays decoded in memory (3.8 MB), longer is decoded again on every pass
LEVEL_STEP_S = 0.1  # one loudness value every 100 ms
ACTIVE_BELOW_PEAK_DB = 30.0  # steps quieter than this under the loud ones are pauses
LOUD_PERCENTILE = 95.0
SILENT_RMS = 10 ** (-80 / 20)  # steps under -80 dBFS are digital silence
MUX_RATES = (44_100, 48_000)  # Hz; what every player takes in an MP4


@dataclass(frozen=True)
class SpeechStream:
    """Speech that was checked by one decoding pass and can be read again and again.

    Attributes:
        duration_s: length, to the sample.
        path: the file it comes from, None for a `Waveform`.
        loudness: `[L]` RMS of every 100 ms.
    """

    duration_s: float
    path: Path | None
    loudness: FloatArray = field(repr=False)
    kept: FloatArray | None = field(default=None, repr=False)
    original: Waveform | None = field(default=None, repr=False)

    def blocks(self, block_s: float = 10.0) -> Iterator[Waveform]:
        """16 kHz mono blocks of `block_s` seconds, the last one shorter; the same ones on every call."""
        size = max(round(block_s * SAMPLE_RATE), 1)
        for block in _regroup(self._decoded(), size):
            yield Waveform(np.ascontiguousarray(block[:, 0]))

    def waveform(self) -> Waveform:
        """All of it in memory."""
        return Waveform(np.concatenate([block.samples for block in self.blocks()]))

    def mux_format(self) -> tuple[int, int]:
        """Rate and channel count that the sound keeps in a video: the file's own where players take it."""
        if self.path is None:
            assert self.original is not None
            return (self.original.rate if self.original.rate in MUX_RATES else 48_000), 1
        info = probe_sound(self.path)
        return (info.rate if info.rate in MUX_RATES else 48_000), min(info.channels, 2)

    def mux_blocks(self) -> Iterator[Block]:
        """Sound in its own quality, `[S, C]` at `mux_format()`, for the video's sound track."""
        rate, channels = self.mux_format()
        if self.path is None:
            assert self.original is not None
            yield resample_samples(self.original.samples, self.original.rate, rate)
        else:
            yield from decode_sound(self.path, rate, channels)

    def _decoded(self) -> Iterator[Block]:
        if self.kept is not None:
            yield self.kept[:, None]
        else:
            assert self.path is not None
            yield from decode_sound(self.path, SAMPLE_RATE, channels=1)


def open_speech(source: Path | str | Waveform) -> SpeechStream:
    """Check speech by decoding it once, and keep it in memory where it is short.

    Args:
        source: any sound or video file that ffmpeg decodes, or samples at any rate.

    Raises:
        MediaError: neither path nor `Waveform`; missing, unreadable, empty or damaged file, no sound in it, or shorter
            than 0.1 s.
    """
    if isinstance(source, Waveform):
        samples = resample_samples(np.nan_to_num(source.samples), source.rate, SAMPLE_RATE)
        return _measured([samples], path=None, original=source, name="the given waveform")
    if not isinstance(source, (str, Path)):
        raise MediaError(
            f"the speech given is of type {type(source).__name__}: pass a path, or talkface.types.Waveform(samples, "
            "rate) with [S] float32 samples in -1 to 1"
        )
    path = Path(source)
    return _measured(decode_sound(path, SAMPLE_RATE, channels=1), path=path, original=None, name=str(path))


def read_waveform(path: Path | str) -> Waveform:
    """Decode a whole file to 16 kHz mono.

    Raises:
        MediaError: as `open_speech`.
    """
    return open_speech(path).waveform()


def speech_level(stream: SpeechStream) -> float:
    """Typical RMS of the parts that are not pauses; 0.0 where all is digital silence.

    Median of the 100 ms steps within 30 dB of the loud ones (95th percentile): neither pauses, a click nor the length
    of the silence around the speech move it. ITU-T P.56 measures the same with a hangover; this needs one pass.
    """
    loudness = stream.loudness
    audible = loudness[loudness > SILENT_RMS]
    if len(audible) == 0:
        return 0.0
    floor = np.percentile(audible, LOUD_PERCENTILE) * 10 ** (-ACTIVE_BELOW_PEAK_DB / 20)
    return float(np.median(audible[audible >= floor]))


def _measured(blocks: Iterable[Block], *, path: Path | None, original: Waveform | None, name: str) -> SpeechStream:
    step = round(LEVEL_STEP_S * SAMPLE_RATE)
    kept: list[Block] | None = []
    loudness: list[float] = []
    count = 0
    for block in _regroup(blocks, step):
        count += len(block)
        loudness.append(float(np.sqrt(np.mean(np.square(block, dtype=np.float64)))))
        if kept is not None:
            kept.append(block)
            if count > KEPT_S * SAMPLE_RATE and path is not None:
                kept = None
    duration_s = count / SAMPLE_RATE
    if count == 0:
        raise MediaError(f"no sound could be decoded from {name}: it may be damaged; convert it to WAV first")
    if duration_s < SHORTEST_S:
        raise MediaError(f"{name} holds {duration_s:.3f} s of sound, expected at least {SHORTEST_S} s")
    samples = None if kept is None else np.concatenate(kept)[:, 0]
    return SpeechStream(duration_s, path, np.array(loudness, np.float32), samples, original)


def _regroup(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    """The same sound in blocks of exactly `size` samples, the last one shorter."""
    waiting: list[Block] = []
    count = 0
    for block in blocks:
        waiting.append(block)
        count += len(block)
        if count < size:
            continue
        joined = np.concatenate(waiting)
        whole = count - count % size
        for start in range(0, whole, size):
            yield joined[start : start + size]
        waiting = [joined[whole:]]
        count -= whole
    if count:
        yield np.concatenate(waiting)
