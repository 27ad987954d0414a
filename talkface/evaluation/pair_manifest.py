"""Manifest of made and real videos (CSV or JSON lines) -> pairs to measure."""

import json
from collections.abc import Mapping
from pathlib import Path

from talkface.errors import DatasetError, printable
from talkface.evaluation.pair import MADE, Pair
from talkface.evaluation.rows import REAL, STILL
from talkface.files.encoding import decode_text
from talkface.files.read import parse_table, read_bytes, refusing

NEEDED = ("fake", "real")


def read_pairs(manifest: Path) -> list[Pair]:
    """Rows in their order; relative paths are looked up beside the manifest, then from the current folder.

    Columns: `fake` and `real` are needed; `photo` (what the fake was made from), `speaker` (several clips of one are
    averaged), `system` (makers that the table compares; one without a name is called "made") and `clip` may be given.

    Raises:
        DatasetError: no such file, no rows, a column missing or unknown, or a line that is not a JSON object.
    """
    rows = _rows(manifest)
    if not rows:
        raise DatasetError(f"{manifest} has no rows: expected one line per pair with the columns fake and real")
    return [_pair(manifest, number, row) for number, row in enumerate(rows, start=1)]


def _rows(manifest: Path) -> list[Mapping[str, str]]:
    text = decode_text(read_bytes(manifest, "manifest", DatasetError), str(manifest), DatasetError)
    rows: list[Mapping[str, str]] = []
    if not text.lstrip().startswith("{"):
        columns, cells = parse_table(text, str(manifest), DatasetError)
        _check_columns(manifest, set(columns))
        for number, row in enumerate(cells, start=1):
            if row.get(""):
                raise DatasetError(f"{manifest} row {number} has more cells than columns: quote those with a delimiter")
        return [*cells]
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # also a number of more digits than Python converts
            reason = getattr(error, "msg", error)
            raise DatasetError(f"{manifest} line {number} is not JSON: {reason}; CSV files must end in .csv") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{manifest} line {number} is not a JSON object: expected {{'fake': ..., 'real': ...}}")
        _check_columns(manifest, set(row), f" line {number}")
        rows.append({key: "" if value is None else str(value) for key, value in row.items()})
    return rows


def _check_columns(manifest: Path, columns: set[str], where: str = "") -> None:
    known = (*NEEDED, "photo", "speaker", "system", "clip")
    for name in NEEDED:
        if name not in columns:
            raise DatasetError(
                f"{manifest}{where} has no column {name}: expected {', '.join(known)}, fake and real needed"
            )
    unknown = sorted(columns - set(known))
    if unknown:
        raise DatasetError(f"{manifest}{where} has an unknown column {unknown[0]}: known are {', '.join(known)}")


def _pair(manifest: Path, number: int, row: Mapping[str, str]) -> Pair:
    for name in NEEDED:
        if not row.get(name):
            raise DatasetError(f"{manifest} row {number} has no {name}: every row needs fake and real")
    system = row.get("system") or MADE
    if system in (STILL, REAL):
        raise DatasetError(
            f"{manifest} row {number} calls its system {system}, which is a row of every table: rename it"
        )
    real = _resolved(manifest, row["real"])
    photo = _resolved(manifest, row["photo"]) if row.get("photo") else None
    clip = printable(row.get("clip") or real.stem)
    made, speaker = _resolved(manifest, row["fake"]), printable(row.get("speaker") or clip)
    return Pair(made, real, photo, printable(system), clip, speaker, number)


def _resolved(manifest: Path, name: str) -> Path:
    beside = manifest.parent / name
    with refusing(f"{manifest} names {name[:60]!r}, which no file can be called", DatasetError):
        return beside if beside.exists() else Path(name) if Path(name).exists() else beside
