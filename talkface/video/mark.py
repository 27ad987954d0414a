"""Video file <-> the tag that says it is synthetic."""

from pathlib import Path

import av

from talkface.errors import MediaError

MARK = "Synthetic video made with talkface"
"""Opening words of the `comment` tag of every video this package writes."""


def mark_comment(details: str = "") -> str:
    """The comment tag: the mark, then what made the video.

    Line breaks become spaces; a text that has the mark already stays as it is.
    """
    text = " ".join(details.split())
    if text.startswith(MARK):
        return text
    return f"{MARK}: {text}" if text else MARK


def read_comment(path: Path | str) -> str:
    """The comment tag of a media file, empty where it has none.

    Raises:
        MediaError: no such file, or not a media file.
    """
    if not Path(path).is_file():
        raise MediaError(f"no file {path}: check the name")
    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
            return str(tags.get("comment", ""))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} is not a video file that ffmpeg can read") from error


def verify_mark(path: Path | str) -> bool:
    """Whether the file says that it is a synthetic video from this package.

    A missing mark proves nothing: any re-encoding may drop it.

    Raises:
        MediaError: as `read_comment`.
    """
    return read_comment(path).startswith(MARK)
