"""Sound or video path -> opened container of an allowed format, its moving pictures, and its claimed length."""

from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from talkface.errors import MediaError, check_readable
from talkface.files.read import limit, variable

FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "flv", "asf", "mxf", "dv", "ivf", "nut", "rm"),
    *("wtv", "yuv4mpegpipe", "h264", "hevc", "obu", "gif", "apng"),
    *("wav", "w64", "aiff", "au", "caf", "mp3", "aac", "loas", "flac", "ogg", "amr", "ac3", "eac3", "wv", "tta", "ape"),
)
"""ffmpeg's names of containers that hold their own pictures and sound. Playlists and scripts (hls, dash, concat,
sdp, lavfi...) open other files and addresses, and single pictures or text are not media, so both stay out: what counts
is the format that ffmpeg finds in the file, whatever its name."""
MOST_PARTS = 1000  # chunks or files that are looked through


def open_container(path: Path, what: str = "a video") -> InputContainer:
    """Open `path` with those of ffmpeg's demuxers that read nothing but this file.

    Args:
        path: the file.
        what: what it should be, with its article, for messages.

    Raises:
        MediaError: no such file, not a regular file, unreadable, empty, or of a format that is not in
            `FORMATS`.
    """
    check_readable(path, what)
    allowed = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
    most_streams = 64
    probed = 4  # times the limit may be found while the file is opened, so that an error can say how large it is
    most = {"max_pixels": str(round(probed * limit("pixels"))), "max_streams": str(most_streams)}
    with path.open("rb") as handle:
        head = handle.read(12)
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":  # else ffmpeg looks for DTS or AC-3 in 5 MB of samples
        most["probesize"] = str(1 << 15)
    try:
        return av.open(f"file:{path}", metadata_errors="ignore", options={**allowed, **most})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} is not {what} that ffmpeg can read, or is damaged") from error


def check_duration(seconds: float, path: Path | str) -> None:
    """Refuse sound or video once it has lasted longer than the limit; headers are not asked, they may claim anything.

    Raises:
        MediaError: it is; names the environment variable that allows more.
    """
    if seconds > limit("seconds"):
        raise MediaError(
            f"{path} lasts longer than {limit('seconds') / 3600:g} h: cut it, or set {variable('seconds')}"
        )


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """First stream of moving pictures; the cover of a sound file (ffmpeg's `attached_pic`) is none.

    Raises:
        MediaError: there is none, or its frames are larger than allowed.
    """
    for stream in container.streams.video:
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic:
            check_pixels(stream.codec_context.width, stream.codec_context.height, path)
            # frames may grow later in a file: the decoder itself refuses them before it takes memory
            stream.codec_context.options = {"max_pixels": str(round(limit("pixels")))}
            stream.thread_type = "AUTO"
            return stream
    raise MediaError(f"{path} has no moving pictures: give a video")


def alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """The decoder for VP8 or VP9 with transparency, which ffmpeg's own one passes over; None for every other video."""
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or tags.get("alpha_mode") != "1" or name not in av.codecs_available:
        return None
    decoder = VideoCodecContext.create(name, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = stream.codec_context.extradata
    return decoder


def check_pixels(width: int, height: int, path: Path | str, hint: str = "scale it down") -> None:
    """Refuse a picture or frame that is larger than the limit.

    Raises:
        MediaError: it is; names the environment variable that allows more.
    """
    if width * height > limit("pixels"):
        raise MediaError(
            f"{path} is {width}x{height}, expected at most {limit('pixels') / 1e6:.4g} megapixels: {hint}, or set "
            f"{variable('pixels')}"
        )


def claimed_s(container: InputContainer, stream: AudioStream, path: Path) -> float | None:
    """Length in seconds that the header claims for a sound track; None where it is only estimated."""
    name = container.format.name
    estimated = ("aac", "mpeg", "mpegts")  # containers that do not say how long they are
    if name in estimated:
        return None
    if name == "wav":
        return _wav_claim(path)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1 and container.duration
    return container.duration / av.time_base if alone and container.duration else None


def joined_wavs(path: Path) -> int:
    """Number of concatenated WAV files in a file; players and decoders take the first."""
    count, at = 0, 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while at + 12 <= size and count < MOST_PARTS:
            file.seek(at)
            head = file.read(12)
            if head[:4] != b"RIFF" or head[8:] != b"WAVE":
                break
            count += 1
            length = int.from_bytes(head[4:8], "little")
            at += 8 + length + length % 2
    return count


def _wav_claim(path: Path) -> float | None:
    """Length by the header of a WAV: ffmpeg itself only counts the bytes that are there."""
    per_second, length, at = 0, 0, 12
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return None
        for _ in range(MOST_PARTS):
            file.seek(at)
            head = file.read(8)
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"fmt ":
                per_second = int.from_bytes(file.read(16)[8:12], "little")
            if head[:4] == b"data" or len(head) < 8:
                break
            at += 8 + length + length % 2
    streamed = 0xFFFF_FF00  # what programs that write WAV to a pipe put in place of its length, or a little less
    if head[:4] != b"data" or length >= streamed or not per_second:
        return None
    return length / per_second
