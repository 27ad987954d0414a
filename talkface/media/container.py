"""Video path -> opened container and its stream of moving pictures."""

from pathlib import Path

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from talkface.errors import MediaError, check_readable

ATTACHED_PICTURE = 0x400  # ffmpeg's disposition bit of cover art inside a sound file
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
STILL_FORMATS = ("image2", "_pipe", "tty")  # ffmpeg takes one picture, or a text, for a video of one frame


def open_container(path: Path) -> InputContainer:
    """Open `path` with ffmpeg's demuxers.

    Raises:
        MediaError: no such file, a folder, unreadable, empty, or nothing ffmpeg knows.
    """
    check_readable(path, "a video")
    try:
        return av.open(f"file:{path}", metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} is not a video that ffmpeg can read, or is damaged") from error


def is_still(container: InputContainer) -> bool:
    """Whether ffmpeg opened one picture, or a text, as a video."""
    return any(name in container.format.name for name in STILL_FORMATS)


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """First stream of moving pictures; the cover of a sound file is none.

    Raises:
        MediaError: there is none.
    """
    for stream in container.streams.video:
        if stream.codec_context is not None and not int(stream.disposition) & ATTACHED_PICTURE:
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
