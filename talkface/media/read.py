"""Photo or video file -> upright RGB images, one at a time, on the file's own clock.

Time zero is where the file's earliest stream starts, as in `media/speech`, so picture and sound at one time belong
together.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from talkface.errors import MediaError
from talkface.media.animated import is_animated_webp, probe_webp, webp_frames
from talkface.media.container import alpha_decoder, check_duration, check_pixels, open_container, picture_stream
from talkface.media.frame import frame_image, frame_size, is_hdr, pixel_aspect
from talkface.media.photo import is_photo, read_photo
from talkface.types import Image

__all__ = ["VideoInfo", "frame_image", "is_photo", "is_video", "probe_video", "read_frames", "read_photo"]

Picture = TypeVar("Picture")


@dataclass(frozen=True)
class VideoInfo:
    """Properties that a video's container states.

    Attributes:
        size: width, height once upright and with square pixels.
        fps: average frames per second.
        duration_s: of the pictures; None where the container does not say.
        has_sound: whether there is a sound track.
        rotation: degrees counter-clockwise that make the stored frames upright; 0, 90, 180 or 270.
        hdr: whether it is high dynamic range, which `read_frames` maps to sRGB.
    """

    size: tuple[int, int]
    fps: Fraction
    duration_s: float | None
    has_sound: bool
    rotation: int
    hdr: bool = False


def is_video(path: Path | str) -> bool:
    """Whether the file holds moving pictures; no still picture, no sound file with cover art."""
    if is_photo(path):
        return False
    if is_animated_webp(Path(path)):
        return True
    try:
        with open_container(Path(path)) as container:
            return picture_stream(container, Path(path)).codec_context is not None
    except MediaError:
        return False


def probe_video(path: Path | str) -> VideoInfo:
    """Look at the first moving-picture stream of `path`; the first frame is decoded for its rotation.

    Raises:
        MediaError: missing, unreadable, empty or damaged file, or no moving pictures in it.
    """
    path = Path(path)
    if is_animated_webp(path):
        size, fps, duration_s = probe_webp(path)
        return VideoInfo(size, fps, duration_s, has_sound=False, rotation=0)
    with open_container(path) as container:
        stream = picture_stream(container, path)
        first = next(_decoded(container, stream), None)
        if first is None:
            raise MediaError(f"no picture could be decoded from {path}: the file is damaged or cut short")
        duration = stream.duration * stream.time_base if stream.duration and stream.time_base else None
        if duration is None and container.duration:
            duration = Fraction(container.duration, av.time_base)
        return VideoInfo(
            size=frame_size(first, pixel_aspect(stream)),
            fps=Fraction(stream.average_rate or stream.guessed_rate or 25),
            duration_s=None if duration is None else float(duration),
            has_sound=bool(container.streams.audio),
            rotation=first.rotation % 360,
            hdr=is_hdr(first),
        )


def read_frames(path: Path | str, fps: Fraction | None = None) -> Iterator[tuple[Image, float]]:
    """Decode a video frame by frame.

    Args:
        path: any video that ffmpeg decodes, or an animated WebP.
        fps: constant rate to resample to; every output frame is the stored one nearest in time, the first one reaches
            back to time zero. None gives the stored frames.

    Yields:
        `[H, W, 3]` RGB upright image and its time in seconds.

    Raises:
        MediaError: as `probe_video`. Damage after the first frame ends the video or leaves frames out.
    """
    path = Path(path)
    if is_animated_webp(path):
        pictures = webp_frames(path)
        yield from pictures if fps is None else _at_rate(pictures, fps)
        return
    with open_container(path) as container:
        stream = picture_stream(container, path)
        aspect = pixel_aspect(stream)
        check_pixels(round(stream.codec_context.width * aspect), stream.codec_context.height, path)
        frames = _timed(container, stream)
        empty = True
        for frame, time_s in frames if fps is None else _at_rate(frames, fps):
            empty = False
            check_duration(time_s, path)
            yield frame_image(frame, aspect), time_s
        if empty:
            raise MediaError(f"no picture could be decoded from {path}: the file is damaged or cut short")


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in the order they are shown; damaged packets are passed over."""
    packets = container.demux(stream)
    decoder = alpha_decoder(stream) or stream.codec_context
    while True:
        try:
            frames = decoder.decode(next(packets))
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in frames if isinstance(frame, VideoFrame))


def _timed(container: InputContainer, stream: VideoStream) -> Iterator[tuple[VideoFrame, float]]:
    """Frames with rising times; a missing or impossible time stamp continues at the average rate."""
    origin_s = (container.start_time or 0) / av.time_base
    step_s = float(1 / (stream.average_rate or stream.guessed_rate or 25))
    last_s = -math.inf
    shift_s = 0.0
    held_s = 10.0  # a frame is never held longer than this: a longer hole is a fault of the file's clock
    for frame in _decoded(container, stream):
        follows_s = 0.0 if math.isinf(last_s) else last_s + step_s
        time_s = follows_s if frame.time is None else float(frame.time) - origin_s - shift_s
        if not math.isinf(last_s) and not last_s < time_s < last_s + held_s:
            shift_s += time_s - follows_s
            time_s = follows_s
        last_s = time_s
        yield frame, time_s


def _at_rate(frames: Iterator[tuple[Picture, float]], fps: Fraction) -> Iterator[tuple[Picture, float]]:
    """Repeat and leave out frames so that frame n is the one nearest to n / fps."""
    index = 0
    held: Picture | None = None
    held_s, step_s = 0.0, 1 / float(fps)
    for frame, time_s in frames:
        slot = math.floor(time_s * fps + 0.5 + 1e-6)
        while held is not None and index < slot:
            yield held, float(index / fps)
            index += 1
        step_s = time_s - held_s if held is not None else step_s
        held, held_s = frame, time_s
    end = math.floor((held_s + min(step_s, 1.0)) * fps + 0.5 + 1e-6)
    while held is not None and (index < end or index == 0):
        yield held, float(index / fps)
        index += 1
