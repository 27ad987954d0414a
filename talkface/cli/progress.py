"""Frames done -> a progress bar with frames per second on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class FramesPerSecond(ProgressColumn):
    """Speed over the last seconds, or over the whole once done."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:.1f} frames/s", style="progress.data.speed")


@contextmanager
def frame_progress(title: str, quiet: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A bar that the yielded function moves: `report(frames_done, frames_in_all)`; None when `quiet`.

    It pulses until the first report, while the networks load and the speech is heard. Nothing is drawn where standard
    error is a file or a pipe.
    """
    if quiet:
        yield None
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
