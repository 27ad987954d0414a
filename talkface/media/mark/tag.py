"""Video file <-> the tag that says it is synthetic; files and networks -> what its signature will say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from talkface.errors import MediaError
from talkface.media.container import open_container, picture_stream
from talkface.media.photo import is_photo

MARK = "Synthetic video made with talkface"
"""Opening words of the `comment` tag of every synthetic video this package writes."""


def mark_comment(details: str = "") -> str:
    """The comment tag: the mark, then what made the video.

    Line breaks become spaces; a text that has the mark already stays as it is.
    """
    text = " ".join(details.split())
    if is_mark(text):
        return text
    return f"{MARK}: {text}" if text else MARK


def is_mark(comment: str) -> bool:
    """Whether a comment tag opens with the mark, as whole words."""
    text = comment.strip()
    return text.startswith(MARK) and not text[len(MARK) :][:1].isalnum()


def read_comment(path: Path | str) -> str:
    """The comment tag of a video, empty where it has none.

    Raises:
        MediaError: no such file, or one without moving pictures: a photo, a sound, a text.
    """
    path = Path(path)
    if is_photo(path):
        raise MediaError(f"{path} is a picture, not a video: only videos carry the mark")
    with open_container(path) as container:
        picture_stream(container, path)
        tags = {key.lower(): value for key, value in container.metadata.items()}
        return str(tags.get("comment", ""))


def verify_mark(path: Path | str) -> bool:
    """Whether the file says that it is a synthetic video from this package.

    A missing mark proves nothing: any re-encoding may drop it.

    Raises:
        MediaError: as `read_comment`.
    """
    return is_mark(read_comment(path))


def can_sign() -> bool:
    """Whether the extra `provenance` is installed."""
    try:
        import c2pa  # noqa: F401
        import cryptography  # noqa: F401
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class Credentials:
    """Key and certificates that sign.

    Attributes:
        chain: certificates as PEM, the signer's own first.
        key: its private key as PEM.
        time_stamp: address of a time-stamp authority (RFC 3161); None contacts nobody.
    """

    chain: bytes
    key: bytes
    time_stamp: str | None = None


@dataclass(frozen=True)
class Origin:
    """Sources of a synthetic video, and who signs for it.

    Attributes:
        inputs: SHA-256 of what went in, by what it was: `photo`, `speech`, `driving video`.
        networks: SHA-256 of the weights, by name.
        consent: a note on what the person shown agreed to.
        credentials: what signs; None signs nothing.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    consent: str | None = None
    credentials: Credentials | None = None
