"""Path -> its bytes, text, JSON or table, within limits, or one line that says why not."""

import csv
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from talkface.errors import ConfigError, TalkfaceError, printable

LIMITS: dict[str, float] = {
    "pixels": 40_000_000,  # of a photo or of one video frame; 8K has 33 million
    "photo_mb": 1024,  # of a picture file
    "seconds": 4 * 3600,  # of speech or video
    "array_mb": 512,  # of arrays once unpacked: landmarks, clips, corpora in HDF5
    "text_mb": 256,  # of a table, manifest, index or settings file
    "weights_mb": 4096,  # of a file of weights
    "worker_mb": 6000,  # that a worker of batch or prepare takes beyond its libraries
    "cache_mb": 20_000,  # of blocks of shards at URLs that are kept on this disk
}
"""Each may be changed by an environment variable such as TALKFACE_MAX_PIXELS, which worker processes inherit."""


@contextmanager
def refusing(message: str, error: type[TalkfaceError]) -> Iterator[None]:
    """Inside, whatever a parser raises on a damaged or hostile file becomes `error(message)`, with its reason.

    Keep the block to the parsing and to the checks of what was parsed: a fault of our own in it would be called the
    file's. Errors that are talkface's already pass unchanged, and so does a package that is not installed.
    """
    longest_reason = 160  # characters of a parser's own words
    try:
        yield
    except (TalkfaceError, ImportError):
        raise
    except MemoryError as cause:
        raise error(f"{message} (it asks for more memory than there is)") from cause
    except Exception as cause:  # parsers of foreign bytes raise anything
        text = printable(" ".join(str(cause).split()))[:longest_reason]
        raise error(f"{message} ({type(cause).__name__}{': ' if text else ''}{text})") from cause


def read_bytes(path: Path, what: str, error: type[TalkfaceError], limit_name: str = "text_mb") -> bytes:
    """Contents of a regular file.

    Args:
        path: the file.
        what: what it should be, without an article, such as "manifest".
        error: what is raised.
        limit_name: of `LIMITS`; in megabytes.

    Raises:
        error: missing, no regular file (a folder, a pipe, a device), unreadable, or above the limit.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise error(f"{path} is not a regular file: expected a {what}")
        if state.st_size > limit(limit_name) * 1e6:
            raise error(
                f"{path} has {state.st_size / 1e6:.0f} MB: expected a {what} of at most {limit(limit_name):g} MB "
                f"(set {variable(limit_name)} to change that)"
            )
        return path.read_bytes()
    except FileNotFoundError as cause:
        raise error(f"no {what} {path}: check the name") from cause
    except (OSError, ValueError) as cause:  # ValueError: a NUL in the name
        raise error(f"{path} cannot be read: {getattr(cause, 'strerror', None) or cause}") from cause


def read_text(path: Path, what: str, error: type[TalkfaceError]) -> str:
    """Text in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        error: as `read_bytes`, or another encoding, or NUL characters.
    """
    content = read_bytes(path, what, error)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as cause:
        raise error(f"{path} is not UTF-8 text: save the {what} as UTF-8") from cause
    if "\0" in text:
        raise error(f"{path} holds NUL characters: expected a {what} in plain text")
    return text


def parse_json(text: str | bytes, where: str, error: type[TalkfaceError]) -> dict[str, Any]:
    """A JSON object; NaN and infinity, which are not JSON, are refused.

    Raises:
        error: damaged, nested too deeply, or not an object.
    """
    with refusing(f"{where} is damaged", error):
        values = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    if not isinstance(values, dict):
        raise error(f"{where} is not a JSON object: expected {{...}}")
    return values


def read_json(path: Path, what: str, error: type[TalkfaceError]) -> dict[str, Any]:
    """A JSON object from a file; raises as `read_text` and `parse_json`."""
    return parse_json(read_text(path, what, error), str(path), error)


def read_table(path: Path, what: str, error: type[TalkfaceError]) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a table with a header line, as any spreadsheet saves it.

    Cells are separated by commas, semicolons, tabs or bars, whichever the header has most of; the encoding is found by
    `files.encoding`. Cells lose the blanks around them, columns are lower case, blank rows are left out. A row that is
    too short is filled with empty values; one that is too long has its surplus under the name "".

    Raises:
        error: as `read_bytes`, not text, or damaged.
    """
    from talkface.files.encoding import decode_text

    return parse_table(decode_text(read_bytes(path, what, error), str(path), error), str(path), error)


def parse_table(text: str, where: str, error: type[TalkfaceError]) -> tuple[list[str], list[dict[str, str]]]:
    """As `read_table`, from text."""
    head = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t|", key=head.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # a long field is a matter of its row, not ours
    with refusing(f"{where} is damaged", error):
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)]
    filled = [[cell.strip() for cell in line] for line in lines if any(map(str.strip, line))]
    if not filled:
        return [], []
    columns, rows = [name.lower() for name in filled[0]], filled[1:]
    return columns, [_row(columns, cells, delimiter) for cells in rows]


def check_record(values: Mapping[str, Any], where: str, error: type[TalkfaceError], **kinds: Any) -> None:
    """See that `values` holds what `kinds` names, each of its type (`files.check.matches`).

    Raises:
        error: a missing name, or a value of another type.
    """
    from talkface.files.check import describe, matches

    for name, kind in kinds.items():
        if name not in values:
            raise error(f"{where} has no {name}: expected {describe(kind)}")
        if not matches(values[name], kind):
            raise error(f"{where}: invalid {name} {printable(values[name])[:60]!r}: expected {describe(kind)}")


def _row(columns: list[str], cells: list[str], delimiter: str) -> dict[str, str]:
    row = dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=False))
    surplus = delimiter.join(cells[len(columns) :])
    return {**row, "": surplus} if surplus else row


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large")
    return value


def limit(name: str) -> float:
    """The limit in force.

    Raises:
        ConfigError: its environment variable is not a positive number.
    """
    text = os.environ.get(variable(name))
    if text is None:
        return LIMITS[name]
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ConfigError(f"invalid {variable(name)} {text!r}: expected a positive number, or unset it")
    return value


def variable(name: str) -> str:
    """Environment variable of a limit, named in every refusal so that the user can raise it."""
    return f"TALKFACE_MAX_{name.upper()}"
