"""Rows -> a CSV file that a spreadsheet shows and never runs."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from talkface.files.write import atomic_write


def safe_cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file in one step, its cells made safe (`safe_cell`).

    Raises:
        MediaError: the disk is full or the folder cannot be written to.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([safe_cell(name) for name in columns])
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    atomic_write(path, text.getvalue())
