"""SubRip or WebVTT file -> cues, and back to a clean SubRip text."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from talkface.errors import MediaError
from talkface.files.read import read_text


@dataclass(frozen=True)
class Cue:
    """One caption: when it is shown, in seconds, and its lines."""

    start_s: float
    end_s: float
    text: str


def read_captions(path: Path) -> list[Cue]:
    """Cues of a .srt or .vtt file in the order of their times; formatting is left out.

    Raises:
        MediaError: unreadable, another suffix, no cue, or one that ends before it starts.
    """
    if path.suffix.lower() not in (".srt", ".vtt"):
        raise MediaError(f"captions {path}: expected a file that ends in .srt or .vtt")
    return parse_captions(read_text(path, "captions", MediaError), path)


def parse_captions(text: str, path: Path) -> list[Cue]:
    """Cues of the text of `path`, whatever its name; raises as `read_captions` does."""
    cues = []
    times = re.compile(
        r"^\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})\s*-->"
        r"\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
    )
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.strip("\n").split("\n")
        at = next((index for index, line in enumerate(lines) if times.match(line)), None)
        if at is None:
            continue
        found = times.match(lines[at])
        assert found is not None
        start_s, end_s = _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])
        if end_s <= start_s:
            raise MediaError(f"captions {path}: the cue {lines[at].strip()!r} ends before it starts: correct its times")
        words = (html.unescape(re.sub(r"<[^<>]*>|\{\\[^{}]*\}", "", line)).strip() for line in lines[at + 1 :])
        text = "\n".join(filter(None, words))
        if text:
            cues.append(Cue(start_s, end_s, text))
    if not cues:
        raise MediaError(
            f"no captions in {path}: expected lines such as 00:00:01,000 --> 00:00:02,500 and a text below"
        )
    return sorted(cues, key=lambda cue: cue.start_s)


def as_srt(cues: list[Cue]) -> str:
    """SubRip text of the cues."""
    blocks = (
        f"{number}\n{_clock(cue.start_s)} --> {_clock(cue.end_s)}\n{cue.text}\n" for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def cue_at(cues: list[Cue], time_s: float) -> Cue | None:
    """The cue that is shown at a time, the one that started last; None between cues."""
    shown = [cue for cue in cues if cue.start_s <= time_s < cue.end_s]
    return shown[-1] if shown else None


def _seconds(hours: str | None, minutes: str, seconds: str, thousandths: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + int(thousandths.ljust(3, "0")) / 1000


def _clock(time_s: float) -> str:
    milliseconds = round(1000 * time_s)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{milliseconds:03d}"
