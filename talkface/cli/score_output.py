"""Measured scores -> terminal, whole files and exit code, for all tables of `evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from talkface.errors import MediaError
from talkface.files.write import atomic_write
from talkface.options import Options, option

if TYPE_CHECKING:
    from rich.table import Table

    from talkface.metrics.table import Measure


@dataclass(frozen=True, kw_only=True)
class TableOptions(Options):
    """Options that every table of `evaluate` has."""

    threads: int = option(0, "CPU threads; 0 leaves the choice to the libraries.", low=0)


@dataclass(frozen=True, kw_only=True)
class PeopleTableOptions(TableOptions):
    """Options that every table of a network on prepared clips of held-out people has."""

    leave_out: tuple[str, ...] = option(
        (), "Somebody to leave out, such as one who was trained on all the same; repeat for more."
    )


def set_threads(threads: int) -> None:
    """Give torch and OpenCV so many threads, 0 as many as they like; for a command, which owns its process."""
    if threads:
        import cv2
        import torch

        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)


def make_folder(out: Path) -> None:
    """Make a folder for results.

    Raises:
        MediaError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"the folder {out} cannot be made ({error.strerror}): give another --out") from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is complete or not there."""
    atomic_write(path, text)


def wide_console() -> Console:
    """Standard output; a file or a pipe gets lines long enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def show_scores(
    tables: Sequence["Table"], measures: Sequence["Measure"], out: Path, also: str, *, quiet: bool = False
) -> None:
    """Print tables, write their rows to `scores.jsonl` in `out`, and fail where a target is missed.

    Args:
        tables: what to print.
        measures: what they show.
        out: folder.
        also: what else was written, for the last line.
        quiet: print nothing.

    Raises:
        typer.Exit: with code 1, naming the rows that missed their target.
    """
    from talkface.metrics.table import to_json_lines

    write_whole(out / "scores.jsonl", to_json_lines(measures))
    missed = [measure.name for measure in measures if measure.verdict() == "FAIL"]
    if not quiet:
        console = wide_console()
        for table in tables:
            console.print(table)
        console.print(f"scores: {out / 'scores.jsonl'}, {also}")
        if missed:
            console.print(f"missed: {', '.join(missed)}")
    if missed:
        raise typer.Exit(1)
