"""Frames done -> a progress bar with frames per second on standard error, or lines in a log."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from rich.text import Text

from talkface.errors import raise_if_stopped

HINT_S = 0.2  # seconds for each, from which a hint is given


class FramesPerSecond(ProgressColumn):
    """Speed over the last seconds, or over the whole once done."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:.1f} frames/s", style="progress.data.speed")


class ProgressLines:
    """Progress for logs: a line on standard error now and then, none for what is done before the first is due."""

    def __init__(self, title: str, unit: str, every_s: float = 30.0, hint: str = "") -> None:
        """Take what the lines open with, what is counted, in plural, and what to say once where it is slow."""
        self._title, self._unit, self._every_s, self._hint = title, unit, every_s, hint
        self._last = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int, more: str = "") -> None:
        """Say `done` of `total` where a line is due; `more` follows.

        The pace counts from the first call: what comes before it (imports, networks, the search for a face, what an
        interrupted run had made) is no measure of what is left.
        """
        now = time.monotonic()
        self._first = self._first or (now, done)
        if now - self._last >= self._every_s:
            self._last = now
            pace, hint = self._pace(now, done, total), self._due_hint(now, done)
            typer.echo(f"{self._title}: {done} of {total} {self._unit}{pace}{more}{hint}", err=True)

    def _each_s(self, now: float, done: int) -> float | None:
        """Seconds for each since the first call; None before there are any."""
        start, before = self._first or (now, done)
        return (now - start) / (done - before) if done > before else None

    def _pace(self, now: float, done: int, total: int) -> str:
        each_s = self._each_s(now, done)
        if not each_s:
            return ""
        pace = f"{1 / each_s:.1f} per second" if each_s <= 2.0 else f"{each_s:.0f} s each"
        minutes = round(each_s * (total - done) / 60)
        return f", {pace}" + (f", {minutes} minute{'s' * (minutes > 1)} left" if minutes else "")

    def _due_hint(self, now: float, done: int) -> str:
        """The hint, once, where it is slow."""
        if (self._each_s(now, done) or 0.0) <= HINT_S:
            return ""
        hint, self._hint = self._hint, ""
        return hint


def tracker(
    quiet: bool = False, *, transient: bool = False
) -> Callable[[Iterable[Any], int | None, str], Iterable[Any]]:
    """Passes items on and shows a bar on a terminal: items, how many there will be if known, what is done with them."""
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    return lambda items, count, words: track(
        _until_stopped(items), words, count, console=console, transient=transient, disable=hidden
    )


def _until_stopped(items: Iterable[Any]) -> Iterator[Any]:
    for each in items:
        raise_if_stopped()
        yield each


@contextmanager
def frame_progress(title: str, quiet: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A bar that the yielded function moves: `report(frames_done, frames_in_all)`; None when `quiet`.

    It pulses until the first report, while the networks load and the speech is heard. Where standard error is a file or
    a pipe, a line says every half a minute how far it is.
    """
    if quiet:
        yield None
        return
    if not Console(stderr=True).is_terminal:
        yield ProgressLines(title, "frames", hint=" (slow: a smaller photo, or fewer frames per second, takes less)")
        return
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        FramesPerSecond(),
        TimeRemainingColumn(),
    ]
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        try:
            yield report
        except BaseException:
            bar.remove_task(task)  # an error is one line, without the bar above it
            raise
