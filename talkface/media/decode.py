"""Sound file -> decoded blocks at one rate and channel count, on the file's own clock.

Time zero is where the file's earliest stream starts, as players and `media/read` have it. Sound that starts late or
skips is filled with silence, so sample n is always heard at n / rate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from talkface.errors import MediaError
from talkface.files.read import refusing
from talkface.media.container import check_duration, claimed_s, open_container
from talkface.media.photo import is_photo

Block = npt.NDArray[np.float32]
"""Sound `[S, C]`, nominally in [-1, 1]."""


@dataclass(frozen=True)
class DecodeLimits:
    """Gaps, rates and channels that are decoded."""

    mean: tuple[float, float] = (0.5, 0.5)  # shares of two channels that become one
    gap_s: float = 0.040  # smaller holes and overlaps between decoded frames are rounding of the container's clock
    longest_gap_s: float = 600.0  # a larger jump of the clock is a fault of the file, not silence
    most_channels: int = 64


DECODE = DecodeLimits()
SPEECH = "a sound or video file"
SPEECH_EXPECTED = "expected speech: the photo is given first, the speech second"


@dataclass(frozen=True)
class SoundInfo:
    """Properties of the sound that the container states; not yet checked by decoding.

    Attributes:
        rate: samples per second as stored.
        channels: as stored.
        end_s: where the sound ends on the file's clock, where the container knows it to the sample, else None.
        tracks: sound tracks that can be decoded.
        claimed_s: length that the file's header claims; None where it is only estimated.
    """

    rate: int
    channels: int
    end_s: float | None
    tracks: int = 1
    claimed_s: float | None = None


def probe_sound(path: Path, track: int = 0) -> SoundInfo:
    """Look at a sound track of `path`: 0 is the one that players take.

    Raises:
        MediaError: no such file, unreadable, empty, not media, or media without sound.
    """
    with _opened(path) as container:
        streams = _sound_streams(container, path)
        stream = streams[min(track, len(streams) - 1)]
        return SoundInfo(
            stream.rate or 48_000,
            stream.channels or 1,
            _exact_end(container, stream),
            len(streams),
            claimed_s(container, stream, path),
        )


def decode_sound(
    path: Path, rate: int, channels: int, track: int = 0, mix: tuple[float, float] = DECODE.mean
) -> Iterator[Block]:
    """Decode a sound track of `path` to `[S, channels]` blocks at `rate`, as long as the decoder makes them.

    Damaged packets are passed over; the hole they leave is silence.

    Args:
        path: any sound or video file.
        rate: samples per second of the blocks.
        channels: 1 or 2.
        track: 0 is the one that players take.
        mix: share of the left and of the right channel where two become one.

    Raises:
        MediaError: as `probe_sound`.
    """
    with _opened(path) as container:
        streams = _sound_streams(container, path)
        stream = streams[min(track, len(streams) - 1)]
        layout = "mono" if max(channels, stream.channels or 1) == 1 else "stereo"
        origin_s = (container.start_time or 0) / av.time_base
        end_s = _exact_end(container, stream)
        blocks = _cut(_on_clock(_frames(container, stream), origin_s, rate, layout), rate, end_s)
        count = 0
        while True:
            with refusing(f"{path} holds sound that cannot be decoded: convert it to WAV first", MediaError):
                block = next(blocks, None)
            if block is None:
                return
            count += len(block)
            check_duration(count / rate, path)
            # ffmpeg's own way to one channel adds both at -3 dB, which clips what is the same on both
            yield block if block.shape[1] <= channels else block @ np.asarray(mix, np.float32)[:, None]


def resample_samples(samples: Block, from_rate: int, rate: int) -> Block:
    """Resample mono `[S]` to `[S', 1]` with the same filter that files go through."""
    if from_rate == rate:
        return samples[:, None]
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
    frame.sample_rate = from_rate
    frame.time_base = Fraction(1, from_rate)
    resampler = AudioResampler(format="flt", layout="mono", rate=rate)
    parts = [_to_array(out) for out in [*resampler.resample(frame), *resampler.resample(None)]]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _opened(path: Path) -> InputContainer:
    try:
        return open_container(path, SPEECH)
    except MediaError as error:
        if is_photo(path):
            raise MediaError(f"{path} is a picture, {SPEECH_EXPECTED}") from error
        raise


def _sound_streams(container: InputContainer, path: Path) -> list[AudioStream]:
    """Tracks that can be decoded, at least one: first the one that players take, then the others in their order."""
    # a stream whose codec this ffmpeg lacks has no decoder, which PyAV shows as codec_context None
    streams = [s for s in container.streams.audio if s.codec_context is not None]
    if not streams:
        if container.format.name in ("gif", "apng"):
            raise MediaError(f"{path} is a picture, {SPEECH_EXPECTED}")
        raise MediaError(f"{path} has no sound: give a sound file, or a video with a sound track")
    best = container.streams.best("audio")
    streams.sort(key=lambda stream: stream is not best)
    rates = range(1_000, 768_001)  # Hz that a sound may claim
    for stream in streams:
        if (stream.rate or 48_000) not in rates or not 0 < (stream.channels or 1) <= DECODE.most_channels:
            raise MediaError(
                f"{path} claims {stream.channels} channels at {stream.rate} Hz: expected up to"
                f" {DECODE.most_channels} at {rates.start} to {rates[-1]} Hz"
            )
    return streams


def _exact_end(container: InputContainer, stream: AudioStream) -> float | None:
    """MP4 counts its samples; what AAC decodes beyond that count is the encoder's padding."""
    if "mp4" not in container.format.name or stream.duration is None or stream.time_base is None:
        return None
    end = ((stream.start_time or 0) + stream.duration) * stream.time_base
    return float(end) - (container.start_time or 0) / av.time_base


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in frames if isinstance(frame, AudioFrame) and frame.samples)


def _on_clock(frames: Iterator[AudioFrame], origin_s: float, rate: int, layout: str) -> Iterator[Block]:
    """Resample frames, with silence where the clock skips and a cut where it overlaps."""
    channels = 1 if layout == "mono" else 2
    resampler: AudioResampler | None = None
    form: tuple[str, str, int] | None = None
    clock_s = 0.0  # where the next decoded sample belongs
    made = 0  # samples given out
    drift_s = 0.0  # time stamps that jumped for no reason are shifted back by this

    for frame in frames:
        start_s = clock_s if frame.time is None else frame.time - origin_s - drift_s
        gap_s = start_s - clock_s
        if gap_s < -DECODE.gap_s or gap_s > DECODE.longest_gap_s:
            drift_s += gap_s
            gap_s = 0.0
        same_form = form == (frame.format.name, frame.layout.name, frame.sample_rate)
        if gap_s > DECODE.gap_s or not same_form:
            for block in _flush(resampler):
                made += len(block)
                yield block
            resampler = AudioResampler(format="flt", layout=layout, rate=rate)
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if gap_s > DECODE.gap_s:
            clock_s = start_s
            silence = np.zeros((max(round(clock_s * rate) - made, 0), channels), np.float32)
            made += len(silence)
            yield silence
        clock_s += frame.samples / frame.sample_rate
        frame.pts = None  # the clock is kept here; the resampler would add its own repairs
        assert resampler is not None
        for out in resampler.resample(frame):
            block = _to_array(out)
            made += len(block)
            yield block
    yield from _flush(resampler)


def _flush(resampler: AudioResampler | None) -> Iterator[Block]:
    if resampler is not None:
        yield from (_to_array(out) for out in resampler.resample(None))


def _to_array(frame: AudioFrame) -> Block:
    """Packed float frame -> `[S, C]` in [-1, 1]; what is not a number becomes silence, what is beyond it full scale."""
    channels = frame.layout.nb_channels
    block = frame.to_ndarray().reshape(-1, channels)
    return np.asarray(np.clip(np.nan_to_num(block, nan=0.0), -1.0, 1.0), np.float32)


def _cut(blocks: Iterator[Block], rate: int, end_s: float | None) -> Iterator[Block]:
    left = None if end_s is None else round(end_s * rate)
    for block in blocks:
        if left is not None:
            block = block[:left]
            left -= len(block)
        if len(block):
            yield block
        if left == 0:
            return
