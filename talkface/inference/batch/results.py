"""What became of each row <-> one small file each in the batch's folder; all together as JSON lines."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

from talkface.inference.batch.rows import Row
from talkface.scale.storage import Folder

RECORDS = ".rows"  # sub-folder of one JSON file per row, named by what decides its video
RESULTS_NAME = "results.jsonl"


@dataclass(frozen=True)
class Outcome:
    """What became of one row.

    Attributes:
        row: its place in the manifest.
        key: hash of all that decides the video: contents of the inputs, options, networks, name.
        out: the video's name.
        photo: as the manifest has it.
        speech: as the manifest has it.
        title: as the manifest has it.
        status: `done` or `failed`.
        reason: why it failed.
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


def failure(row: Row, key: str, reason: str) -> Outcome:
    """Outcome of a row that cannot be made."""
    reason = " ".join(reason.split())
    return Outcome(row.number, key, row.out, list(row.photos), row.speech, row.title, "failed", reason)


def save_outcome(folder: Folder, outcome: Outcome) -> None:
    """Keep the outcome in the batch's folder."""
    folder.write(f"{RECORDS}/{outcome.key}.json", json.dumps(asdict(outcome)).encode())


def load_outcomes(folder: Folder) -> dict[str, Outcome]:
    """Outcomes of earlier runs by key; files that are none are left out."""
    known = {one.name for one in fields(Outcome)}
    outcomes = {}
    for content in folder.read_all(RECORDS, ".json").values():
        try:
            values = {name: value for name, value in json.loads(content).items() if name in known}
            outcome = Outcome(**{**values, "size": tuple(values["size"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        outcomes[outcome.key] = outcome
    return outcomes


def current(outcome: Outcome, row: Row) -> Outcome:
    """An earlier outcome, under the names that the manifest now uses."""
    return replace(outcome, row=row.number, photo=list(row.photos), speech=row.speech, title=row.title)


def write_results(folder: Folder, outcomes: Sequence[Outcome]) -> None:
    """Write `results.jsonl`, in the rows' order."""
    folder.write(RESULTS_NAME, b"".join(_line(outcome) for outcome in _in_order(outcomes)))


def _in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: outcome.row)


def _line(outcome: Outcome) -> bytes:
    values = asdict(outcome)
    del values["thumbnail"]
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"
