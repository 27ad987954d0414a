"""Video path -> opened container and its stream of moving pictures."""

from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from talkface.errors import MediaError, check_readable

ATTACHED_PICTURE = 0x400  # ffmpeg's disposition bit of cover art inside a sound file
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
