"""`talkface batch MANIFEST --out DIR` -> a video per row, results and a gallery; the same command resumes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from talkface.cli.animate import ALIASES
from talkface.cli.options import Quiet, refuse_missing, with_options
from talkface.cli.progress import HINT_S, ProgressLines
from talkface.errors import ConfigError, printable
from talkface.inference.batch.options import BatchOptions
from talkface.scale.workers import preload

if TYPE_CHECKING:
    from talkface.inference.batch.results import Outcome
    from talkface.inference.batch.rows import Row
    from talkface.inference.batch.run import BatchProgress


def register(app: typer.Typer) -> None:
    """Add the verb."""
    batch.add_to(app, "batch")


@with_options(BatchOptions)
def batch(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST|PHOTOS",
            help="CSV or JSON lines with photo, speech and any option of animate; or a photo, or a folder of photos.",
        ),
    ],
    speech: Annotated[
        Path | None,
        typer.Argument(metavar="[SPEECH]", help="Folder of speech, or one file: every photo speaks all of it."),
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the videos; a path, or a URL such as s3://...")] = (
        "batch"
    ),
    common: Annotated[
        list[str] | None,
        typer.Option("--set", help="OPTION=VALUE, or a number such as mouth.feather=1.5, for rows without it."),
    ] = None,
    quiet: Quiet = False,
    *,
    options: BatchOptions,
) -> None:
    """Make many videos: a manifest of rows, or every photo with every speech.

    May be stopped or killed at any moment; the same command resumes it.
    A row that fails never stops the others.
    Its reason is in results.jsonl and in gallery.html beside the videos.
    Exit code 1 when a row failed.
    """
    refuse_missing([manifest, speech])
    rows = batch_rows(manifest, speech, parse_common(common or []), options.storage)
    if options.ray is None:
        preload("talkface.inference.batch.tasks")
    from talkface.inference.batch.run import batch as make_videos

    with _batch_progress(len(rows), quiet) as report:
        outcomes = make_videos(rows, out, options, progress=report)
    if not quiet:
        _show(outcomes, out)
    failed = sum(outcome.failed for outcome in outcomes)
    if failed:
        raise typer.Exit(1)


def batch_rows(
    manifest: Path, speech: Path | None, common: dict[str, object], storage: Sequence[str] = ()
) -> "list[Row]":
    """Rows of a manifest, or of a grid.

    Raises:
        ConfigError: see `inference.batch.rows`; or a folder of photos without speech.
    """
    from talkface.inference.batch.rows import grid_rows, read_manifest

    if speech is not None:
        return grid_rows(manifest, speech, common)
    if manifest.is_dir():
        raise ConfigError(f"{manifest} is a folder: give one of speech behind it, or a manifest file instead")
    return read_manifest(manifest, common, ALIASES, storage)


def parse_common(items: Sequence[str]) -> dict[str, object]:
    """`["still=true", "mouth.feather=1.5"]` -> option -> text: `{"still": "true", "set": "mouth.feather=1.5"}`.

    Raises:
        ConfigError: an item without `=`.
    """
    given: dict[str, object] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise ConfigError(f"invalid --set {item!r}: expected OPTION=VALUE such as still=true")
        if "." in name:  # a number of the renderer, as `animate --set` takes it
            name, value = "set", " ".join([*str(given.get("set", "")).split(), item])
        given[name] = value
    return given


def row_line(outcome: "Outcome") -> str:
    """One line on a row that ended: its video and the time that it took, or why it failed."""
    if outcome.failed:
        return printable(f"row {outcome.row} failed: {outcome.reason}")
    size = f"{outcome.size[0]}x{outcome.size[1]}"
    slow = outcome.seconds > HINT_S * outcome.num_frames
    hint = f" (slow: {size}; a smaller photo, or fewer frames per second, takes less)" if slow else ""
    return printable(
        f"row {outcome.row}: {outcome.out}, {outcome.num_frames} frames of {size} in {outcome.seconds:.1f} s{hint}"
    )


@contextmanager
def _batch_progress(total: int, quiet: bool) -> "Iterator[Callable[[BatchProgress], None] | None]":
    """Progress bar over rows, with frames and failures, or lines in a log; None when `quiet`."""
    if quiet:
        yield None
        return
    console = Console(stderr=True)
    lines = None if console.is_terminal else ProgressLines("batch", "rows")
    said = time.monotonic()
    columns = [
        TextColumn("batch"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows, {task.fields[frames]} frames, {task.fields[failed]} failed"),
        TimeRemainingColumn(),
    ]
    row_line_s = 1.0  # in a log each row that took so long has a line; of shorter ones there is one per second at most
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("batch", total=total, frames=0, failed=0)

        def report(progress: "BatchProgress") -> None:
            nonlocal said
            bar.update(task, completed=progress.finished, frames=progress.frames, failed=progress.failed)
            if lines is not None:
                for outcome in progress.ended:
                    now = time.monotonic()
                    if outcome.seconds >= row_line_s or now - said >= row_line_s:
                        said = now
                        typer.echo(row_line(outcome), err=True)
                lines(progress.finished, total, f", {progress.frames} frames, {progress.failed} failed")

        yield report


def _show(outcomes: "Sequence[Outcome]", out: str) -> None:
    """Print what was made and what failed."""
    done = [outcome for outcome in outcomes if not outcome.failed]
    failed = [outcome for outcome in outcomes if outcome.failed]
    shown = 20  # failed rows in the table; results.jsonl has all
    if failed:
        table = Table("row", "photo", "failed because", title=f"{len(failed)} failed", title_justify="left")
        for outcome in failed[:shown]:
            table.add_row(str(outcome.row), ", ".join(outcome.photo), outcome.reason)
        Console().print(table)
        if len(failed) > shown:
            print(f"and {len(failed) - shown} more")
    frames, seconds = sum(outcome.num_frames for outcome in done), sum(outcome.duration_s for outcome in done)
    print(f"{len(done)} of {len(outcomes)} videos, {frames} frames, {seconds:.1f} s -> {out}")
    print(f"look at {out.rstrip('/')}/gallery.html; {len(failed)} failed, listed in results.jsonl")
