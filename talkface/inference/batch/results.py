"""Outcome of each row <-> one small file each in the batch's folder; all together as JSON lines."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

from talkface.errors import MediaError
from talkface.files.check import build_record
from talkface.files.read import parse_json
from talkface.inference.batch.rows import Row
from talkface.scale.storage import Folder

RECORDS = ".rows"  # sub-folder of one JSON file per row, named by what decides its video
RESULTS_NAME = "results.jsonl"


@dataclass(frozen=True)
class Outcome:
    """Outcome of one row.

    Attributes:
        row: its place in the manifest.
        key: hash of all that decides the video: contents of the inputs, options, networks, name.
        out: the video's name.
        photo: as the manifest has it.
        speech: as the manifest has it.
        title: as the manifest has it.
        status: `done` or `failed`.
        reason: why it failed.
        again: whether a later run tries it by itself: nothing was wrong with the row.
        num_frames: length in frames.
        fps: frames per second, exact.
        duration_s: length in seconds.
        size: width and height in pixels.
        num_bytes: size of the file.
        notes: remarks on the input.
        seconds: that rendering and encoding took.
        thumbnail: small JPEG, base64; not in `results.jsonl`.
    """

    row: int
    key: str
    out: str
    photo: list[str]
    speech: str
    title: str = ""
    status: str = "done"
    reason: str = ""
    again: bool = False
    num_frames: int = 0
    fps: str = ""
    duration_s: float = 0.0
    size: tuple[int, int] = (0, 0)
    num_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    thumbnail: str = ""

    @property
    def failed(self) -> bool:
        return self.status == "failed"


def failure(row: Row, key: str, reason: str, *, again: bool = False) -> Outcome:
    """Outcome of a row that cannot be made."""
    reason = " ".join(reason.split())
    return Outcome(row.number, key, row.out, list(row.photos), row.speech, row.title, "failed", reason, again)


def save_outcome(folder: Folder, outcome: Outcome) -> None:
    """Keep the outcome in the batch's folder."""
    folder.write(f"{RECORDS}/{outcome.key}.json", json.dumps(asdict(outcome)).encode())


def load_outcomes(folder: Folder) -> dict[str, Outcome]:
    """Outcomes of earlier runs by key, without their thumbnails; files that are none are left out."""
    outcomes = {}
    for content in folder.read_all(RECORDS, ".json"):
        outcome = _parse(content)
        if outcome is not None:
            outcomes[outcome.key] = replace(outcome, thumbnail="")
    return outcomes


def load_thumbnail(folder: Folder, key: str) -> str:
    """The thumbnail of a row that is done: small JPEG, base64; empty where there is none."""
    outcome = _parse(folder.read(f"{RECORDS}/{key}.json"))
    return outcome.thumbnail if outcome else ""


def _parse(content: bytes) -> Outcome | None:
    try:
        outcome = build_record(Outcome, parse_json(content, "a record", MediaError), "a record", MediaError)
    except MediaError:
        return None
    return outcome if re.fullmatch(r"\w*", outcome.key) else None


def current(outcome: Outcome, row: Row) -> Outcome:
    """An earlier outcome, under the names that the manifest now uses, without its thumbnail."""
    return replace(outcome, row=row.number, photo=list(row.photos), speech=row.speech, title=row.title, thumbnail="")


def append_result(folder: Folder, outcome: Outcome) -> None:
    """Add a line to `results.jsonl`, in the order in which rows end; `write_results` puts them in the rows' order."""
    folder.append(RESULTS_NAME, _line(outcome))


def write_results(folder: Folder, outcomes: Sequence[Outcome]) -> None:
    """Write `results.jsonl`, in the rows' order."""
    folder.write(RESULTS_NAME, b"".join(_line(outcome) for outcome in _in_order(outcomes)))


def _in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: outcome.row)


def _line(outcome: Outcome) -> bytes:
    values = asdict(outcome)
    del values["thumbnail"]
    # half a character, as a file's name may hold, becomes JSON's own escape
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
