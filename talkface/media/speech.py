"""Speech file or Waveform -> 16 kHz mono blocks, read as often as needed in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from talkface.errors import MediaError
from talkface.media.container import joined_wavs
from talkface.media.decode import DECODE, Block, SoundInfo, decode_sound, probe_sound, resample_samples
from talkface.types import SAMPLE_RATE, SILENT_LEVEL, FloatArray, Waveform


@dataclass(frozen=True)
class SpeechLimits:
    """Thresholds of speech, and how much of it is kept."""

    shortest_s: float = 0.1  # speech below this is refused: less than three video frames
    # speech up to this long stays decoded in memory (3.8 MB), longer is decoded again on every pass
    kept_s: float = 60.0
    level_step_s: float = 0.1  # one loudness value every 100 ms
    active_below_peak_db: float = 30.0  # steps quieter than this under the loud ones are pauses
    loud_percentile: float = 95.0
    left: tuple[float, float] = (1.0, 0.0)
    right: tuple[float, float] = (0.0, 1.0)
    cancelled: float = 0.1  # share of the channels' energy left in their mean, below which they are in opposite phase
    short_of_claim: float = 0.95
    mostly_silent: float = 0.8  # share of digital silence from which a long file is remarked on
    mux_rates: tuple[int, int] = (44_100, 48_000)  # Hz; what every player takes in an MP4


SPEECH_LIMITS = SpeechLimits()
MIXES = (DECODE.mean, SPEECH_LIMITS.left, SPEECH_LIMITS.right)


@dataclass(frozen=True)
class SpeechStream:
    """Speech that was checked by one decoding pass and can be read again and again.

    Attributes:
        duration_s: length, to the sample.
        path: the file it comes from, None for a `Waveform`.
        loudness: `[L]` RMS of every 100 ms.
        track: of the file's sound tracks, 0 the one that players take.
        mix: shares of the left and right channel that are listened to.
        notes: remarks worth telling the user.
    """

    duration_s: float
    path: Path | None
    loudness: FloatArray = field(repr=False)
    kept: FloatArray | None = field(default=None, repr=False)
    original: Waveform | None = field(default=None, repr=False)
    track: int = 0
    mix: tuple[float, float] = DECODE.mean
    notes: tuple[str, ...] = ()

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
            return (self.original.rate if self.original.rate in SPEECH_LIMITS.mux_rates else 48_000), 1
        info = probe_sound(self.path, self.track)
        return (info.rate if info.rate in SPEECH_LIMITS.mux_rates else 48_000), min(info.channels, 2)

    def mux_blocks(self) -> Iterator[Block]:
        """Sound in its own quality, `[S, C]` at `mux_format()`, for the video's sound track."""
        rate, channels = self.mux_format()
        if self.path is None:
            assert self.original is not None
            yield resample_samples(self.original.samples, self.original.rate, rate)
        else:
            yield from decode_sound(self.path, rate, channels, self.track)

    def _decoded(self) -> Iterator[Block]:
        if self.kept is not None:
            yield self.kept[:, None]
        else:
            assert self.path is not None
            yield from decode_sound(self.path, SAMPLE_RATE, 1, self.track, self.mix)


def open_speech(source: Path | str | Waveform) -> SpeechStream:
    """Check speech by decoding it once, and keep it in memory where it is short.

    Of several tracks the first with sound in it is taken. Two channels that cancel each other (opposite phase) are not
    averaged: the louder one is taken.

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
    info = probe_sound(path)
    stream = _audible_track(path, info)
    return replace(stream, notes=tuple(_remarks(path, stream, info)))


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
    audible = loudness[loudness > SILENT_LEVEL]
    if len(audible) == 0:
        return 0.0
    floor = np.percentile(audible, SPEECH_LIMITS.loud_percentile) * 10 ** (-SPEECH_LIMITS.active_below_peak_db / 20)
    return float(np.median(audible[audible >= floor]))


def _audible_track(path: Path, info: SoundInfo) -> SpeechStream:
    """The first track with sound in it, else the first that can be decoded."""
    silent: SpeechStream | None = None
    refusal: MediaError | None = None
    for track in range(info.tracks):
        try:
            stream = _measured_file(path, track)
        except MediaError as error:
            refusal = refusal or error
            continue
        if not _is_silent(stream):
            return stream
        silent = silent or stream
    if silent is None:
        assert refusal is not None
        raise refusal
    return silent


def _is_silent(stream: SpeechStream) -> bool:
    return float(stream.loudness.max(initial=0.0)) <= SILENT_LEVEL


def _measured_file(path: Path, track: int) -> SpeechStream:
    channels = min(probe_sound(path, track).channels, 2)
    blocks = decode_sound(path, SAMPLE_RATE, channels, track)
    return replace(_measured(blocks, path=path, original=None, name=str(path)), track=track)


def _measured(blocks: Iterable[Block], *, path: Path | None, original: Waveform | None, name: str) -> SpeechStream:
    step = round(SPEECH_LIMITS.level_step_s * SAMPLE_RATE)
    kept: list[Block] | None = []
    loudness: list[FloatArray] = []
    count = 0
    for block in _regroup(blocks, step):
        count += len(block)
        loudness.append(np.sqrt(np.mean(np.square(_audible_mixes(block), dtype=np.float64), axis=0)))
        if kept is not None:
            kept.append(block)
            if count > SPEECH_LIMITS.kept_s * SAMPLE_RATE and path is not None:
                kept = None
    duration_s = count / SAMPLE_RATE
    if count == 0:
        raise MediaError(f"no sound could be decoded from {name}: it may be damaged; convert it to WAV first")
    if duration_s < SPEECH_LIMITS.shortest_s:
        raise MediaError(f"{name} holds {duration_s:.3f} s of sound, expected at least {SPEECH_LIMITS.shortest_s} s")
    levels = np.array(loudness)
    way = _best_way(levels)
    samples = None if kept is None else np.ascontiguousarray(_audible_mixes(np.concatenate(kept))[:, way], np.float32)
    return SpeechStream(duration_s, path, levels[:, way].astype(np.float32), samples, original, mix=MIXES[way])


def _audible_mixes(block: Block) -> Block:
    """`[S, C]` -> `[S, 1]` of one channel, or `[S, 3]` of two: mean, left, right."""
    return block if block.shape[1] == 1 else block @ np.asarray(MIXES, np.float32).T


def _best_way(levels: FloatArray) -> int:
    """Which column of `[L, 1 or 3]` levels to listen to: the mean, unless both channels cancel each other in it."""
    if levels.shape[1] == 1:
        return 0
    mean, left, right = np.square(levels).sum(0)
    if mean >= SPEECH_LIMITS.cancelled * 0.5 * (left + right):
        return 0
    return 1 if left >= right else 2


def _remarks(path: Path, stream: SpeechStream, info: SoundInfo) -> Iterator[str]:
    """Notes for the user about a speech file."""
    if _is_silent(stream):
        tracks = f" in any of its {info.tracks} tracks" if info.tracks > 1 else ""
        yield f"nothing can be heard in {path}{tracks}: the lips stay closed"
    elif stream.track:
        yield f"the first sound track of {path} is silent: listened to track {stream.track + 1} of {info.tracks}"
    if stream.mix != DECODE.mean:
        side = "left" if stream.mix == SPEECH_LIMITS.left else "right"
        yield f"the two channels of {path} cancel each other (opposite phase): listened to the {side} one"
    silent_s = SPEECH_LIMITS.level_step_s * int((stream.loudness <= SILENT_LEVEL).sum())
    if silent_s > max(SPEECH_LIMITS.mostly_silent * stream.duration_s, SPEECH_LIMITS.kept_s) and not _is_silent(stream):
        yield (
            f"{silent_s / 60:.0f} of the {stream.duration_s / 60:.0f} minutes of {path} are silence or gaps between "
            "its time stamps: cut them out for a shorter video"
        )
    claimed_s = info.claimed_s or 0.0
    if stream.duration_s < SPEECH_LIMITS.short_of_claim * claimed_s - SPEECH_LIMITS.level_step_s:
        yield f"{path} claims {claimed_s:.1f} s of sound but holds {stream.duration_s:.1f} s: it seems to be cut short"
    joined = joined_wavs(path)
    if joined > 1:
        yield (
            f"{path} is {joined} WAV files one behind the other, of which the first ({stream.duration_s:.1f} s) is "
            "read: join them with an audio editor or ffmpeg"
        )


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
