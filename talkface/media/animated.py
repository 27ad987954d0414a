"""Animated WebP, which ffmpeg does not decode -> its frames with their times."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from talkface.errors import MediaError, check_readable
from talkface.media.colour import on_white
from talkface.media.container import check_duration, check_pixels
from talkface.types import Image


def is_animated_webp(path: Path) -> bool:
    """Whether the file is a WebP with an animation header, by its first bytes."""
    try:
        check_readable(path, "an animation")
        with path.open("rb") as file:
            start = file.read(64)
    except (OSError, MediaError):
        return False
    return start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X" and bool(start[20] & 0x02)


def webp_frames(path: Path) -> Iterator[tuple[Image, float]]:
    """Every frame as composed so far, `[H, W, 3]` RGB on white, and its time in seconds.

    Raises:
        MediaError: damaged before the first frame; later damage ends the animation.
    """
    time_ms = 0
    index = 0
    try:
        with Pillow.open(path, formats=("WEBP",)) as picture:
            check_pixels(picture.width, picture.height, path)
            for index in range(getattr(picture, "n_frames", 1)):
                picture.seek(index)
                picture.load()
                check_duration(time_ms / 1000, path)
                yield on_white(np.array(picture.convert("RGBA"))), time_ms / 1000
                time_ms += _duration_ms(picture)
    except (OSError, ValueError, EOFError, SyntaxError, Pillow.DecompressionBombError) as error:
        if index == 0:
            raise MediaError(f"{path} is a damaged picture or cut short: save it again ({error})") from error


def probe_webp(path: Path) -> tuple[tuple[int, int], Fraction, float]:
    """Width and height, average frames per second, and the length in seconds of an animated WebP.

    Raises:
        MediaError: damaged.
    """
    try:
        with Pillow.open(path, formats=("WEBP",)) as picture:
            check_pixels(picture.width, picture.height, path)
            durations = []
            for index in range(getattr(picture, "n_frames", 1)):
                picture.seek(index)
                picture.load()
                durations.append(_duration_ms(picture))
            total_ms = sum(durations)
            return picture.size, Fraction(1000 * len(durations), total_ms), total_ms / 1000
    except (OSError, ValueError, EOFError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise MediaError(f"{path} is a damaged picture or cut short: save it again ({error})") from error


def _duration_ms(picture: Pillow.Image) -> int:
    stated_ms = int(picture.info.get("duration", 0))
    shortest_ms = 11  # browsers show frames that claim less for a tenth of a second
    usual_ms = 100
    return stated_ms if stated_ms >= shortest_ms else usual_ms
