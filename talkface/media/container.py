"""Sound or video path -> opened container of an allowed format, and its stream of moving pictures."""

from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from talkface.errors import MediaError, check_readable
from talkface.files.limits import limit, variable


@dataclass(frozen=True)
class ContainerLimits:
    """What a container may hold."""

    attached_picture: int = 0x400  # ffmpeg's disposition bit of cover art inside a sound file
    most_streams: int = 64
    probed: int = 4  # times the limit may be found while the file is opened, so that an error can say how large it is


CONTAINER = ContainerLimits()
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "flv", "asf", "mxf", "dv", "ivf", "nut", "rm"),
    *("wtv", "yuv4mpegpipe", "h264", "hevc", "obu", "gif", "apng"),
    *("wav", "w64", "aiff", "au", "caf", "mp3", "aac", "loas", "flac", "ogg", "amr", "ac3", "eac3", "wv", "tta", "ape"),
)
"""ffmpeg's names of containers that hold their own pictures and sound. Playlists and scripts (hls, dash, concat,
sdp, lavfi...) open other files and addresses, and single pictures or text are not media, so both stay out: what counts
is the format that ffmpeg finds in the file, whatever its name."""
PROTOCOLS = "file"


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
    allowed = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": PROTOCOLS}
    most = {"max_pixels": str(round(CONTAINER.probed * limit("pixels"))), "max_streams": str(CONTAINER.most_streams)}
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
    """First stream of moving pictures; the cover of a sound file is none.

    Raises:
        MediaError: there is none, or its frames are larger than allowed.
    """
    for stream in container.streams.video:
        if stream.codec_context is not None and not int(stream.disposition) & CONTAINER.attached_picture:
            check_pixels(stream.codec_context.width, stream.codec_context.height, path)
            # frames may grow later in a file: the decoder itself refuses them before it takes memory
            stream.codec_context.options = {"max_pixels": str(round(limit("pixels")))}
            stream.thread_type = "AUTO"
            return stream
    raise MediaError(f"{path} has no moving pictures: give a video")


def alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """The decoder for VP8 or VP9 with transparency, which ffmpeg's own one passes over; None for every other video."""
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    name = ALPHA_DECODERS.get(stream.codec_context.name)
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
