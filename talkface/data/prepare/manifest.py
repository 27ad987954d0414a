"""Outcome of every clip -> one JSON line each, and back."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from talkface.errors import DatasetError
from talkface.files.check import build_record
from talkface.files.read import parse_json, read_bytes
from talkface.files.write import append_file, atomic_write

MANIFEST_NAME = "manifest.jsonl"


@dataclass(frozen=True)
class Record:
    """Outcome of one clip.

    Attributes:
        key: the clip's name.
        source: its file, or its first photo.
        source_hash: SHA-256 of the source files, hexadecimal; empty where they could not be read.
        source_stat: size in bytes and time of change in ns, over all source files; tells whether to look again.
        speaker: identity.
        split: train, val or test.
        reason: why it was refused; empty if it was not.
        detail: the refusal in words.
        num_frames: prepared frames.
        seconds: prepared length; 0 for photos.
        speech: usable to learn how sound moves a face: has sound, and its offset is known or small.
        sync_lag: sound-picture offset measured in frames, negative when the sound is late; None where not measured.
        sync_confidence: probability that `sync_lag` is right to 1.5 frames.
        sync_applied: frames by which the stored sound was moved.
        source_frames: frames looked at, for the speed table.
        work_s: processor seconds spent on it.
        face, sharpness, turn, sync_p: see `quality.Quality`; None where not measured.
    """

    key: str
    source: str
    source_hash: str
    source_stat: tuple[int, int]
    speaker: str
    split: str
    reason: str = ""
    detail: str = ""
    num_frames: int = 0
    seconds: float = 0.0
    speech: bool = False
    sync_lag: float | None = None
    sync_confidence: float = 0.0
    sync_applied: float = 0.0
    source_frames: int = 0
    work_s: float = 0.0
    face: float | None = None
    sharpness: float | None = None
    turn: float | None = None
    sync_p: float | None = None

    @property
    def refused(self) -> bool:
        return bool(self.reason)


def source_stat(paths: Sequence[Path]) -> tuple[int, int]:
    """Total size in bytes and latest change in ns; (0, 0) where a file is missing."""
    try:
        stats = [path.stat() for path in paths]
    except OSError:
        return 0, 0
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def source_hash(paths: Sequence[Path]) -> str:
    """SHA-256 over the files' contents, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def append_record(folder: Path, record: Record) -> None:
    """Add a line and see it to the disk, so that a kill loses at most the clip in hand."""
    append_file(folder / MANIFEST_NAME, json.dumps(asdict(record), ensure_ascii=False) + "\n", sync=True)


def write_manifest(folder: Path, records: Iterable[Record]) -> None:
    """Replace the manifest in one step."""
    lines = [json.dumps(asdict(record), ensure_ascii=False) for record in records]
    atomic_write(folder / MANIFEST_NAME, "".join(line + "\n" for line in lines))


def read_manifest(folder: Path) -> dict[str, Record]:
    """Key -> its last record. A last line cut short by a kill is left out.

    Raises:
        DatasetError: another line is not a record.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return {}
    lines = read_bytes(path, "manifest", DatasetError).split(b"\n")
    whole = len(lines) - 1  # what stands behind the last line break is cut short
    records: dict[str, Record] = {}
    for number, line in enumerate(lines[:whole], 1):
        where = f"{path} line {number}"
        try:
            record = build_record(Record, parse_json(line, where, DatasetError), where, DatasetError)
        except DatasetError as error:
            if number == whole:
                break
            raise DatasetError(f"{error}: delete that line and prepare again") from error
        records[record.key] = record
    return records
