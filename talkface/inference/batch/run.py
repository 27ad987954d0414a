"""Rows -> videos, JSON lines and a gallery, resumable after a kill at any moment.

What decides a row's video (contents of its inputs, options, networks, name) is hashed. A row is done when the batch's
folder holds a record under that hash and the video that the record describes. Videos are made in a folder of their own
and renamed when whole. So at every moment each row is done, failed with its reason, or still to do.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from talkface.errors import ConfigError, MediaError, PassingError
from talkface.files.write import file_lock
from talkface.inference.batch.gallery import write_gallery
from talkface.inference.batch.limits import seconds_for
from talkface.inference.batch.options import BatchOptions
from talkface.inference.batch.plan import Todo, plan
from talkface.inference.batch.results import (
    Outcome,
    append_result,
    current,
    failure,
    load_outcomes,
    save_outcome,
    write_results,
)
from talkface.inference.batch.rows import Row
from talkface.inference.batch.schedule import Schedule
from talkface.inference.batch.tasks import WORK, Failure, RenderTask, work
from talkface.renderers.load import pick_device
from talkface.scale.cluster import open_workers
from talkface.scale.storage import Folder, absolute
from talkface.scale.workers import Died, Workers


@dataclass(frozen=True)
class BatchProgress:
    """Progress of a batch.

    Attributes:
        rows: in all.
        finished: done or failed, those of earlier runs too.
        failed: of them.
        frames: rendered in this run.
        ended: what became of the rows that ended since the last report, without those of earlier runs.
    """

    rows: int
    finished: int
    failed: int
    frames: int
    ended: tuple[Outcome, ...] = ()


def batch(
    rows: Sequence[Row],
    out: str | Path,
    options: BatchOptions | None = None,
    *,
    workers: Workers | None = None,
    progress: Callable[[BatchProgress], None] | None = None,
) -> list[Outcome]:
    """Make the video of every row that is not done yet.

    Args:
        rows: from `batch_rows`, numbered from 1.
        out: folder of videos, `results.jsonl` and `gallery.html`; a path, or a URL of fsspec.
        options: see `BatchOptions`. What changed, and what failed for lack of space or because its process was killed,
            is tried again without `retry_failed`, too.
        workers: where to work, instead of where the options say.
        progress: called in this process after each row and twice a second.

    Returns:
        One outcome per row, in the rows' order.

    Raises:
        MediaError: the folder cannot be made, or its results cannot be written.
        ConfigError: another batch is writing to it, or this machine, whose processes work, has no such device.
    """
    chosen = options or BatchOptions()
    places = open_workers(chosen.ray, chosen.workers or 0) if workers is None else nullcontext(workers)
    with places as where:
        return _make(rows, Folder(absolute(str(out))), chosen, where, progress)


def _make(
    rows: Sequence[Row],
    folder: Folder,
    options: BatchOptions,
    workers: Workers,
    progress: Callable[[BatchProgress], None] | None,
) -> list[Outcome]:
    if workers.same_disk:
        pick_device(options.device)
    folder.make()
    with _only_one(folder):
        folder.remove(WORK)
        run = _Run(folder, len(rows), progress)
        try:
            todo = plan(
                rows, options.device, folder, load_outcomes(folder), run.take, retry_failed=options.retry_failed
            )
            run.save()
            _work(todo, run, workers, options.time_limit)
        finally:
            folder.remove(WORK)
        run.save()
    return [run.outcomes[row.number] for row in rows]


def _work(todo: Sequence[Todo], run: "_Run", workers: Workers, time_limit: float | None) -> None:
    schedule = Schedule(todo, run.folder, run.fail)
    rows = {each.key: each.row for each in todo}
    limit = partial(seconds_for, given=time_limit)
    run.tell()
    for task, result in workers.run(schedule.next_task, work, run.count, limit):
        known = _failure_of_death(result) if isinstance(result, Died) else result
        if not isinstance(task, RenderTask):
            assert not isinstance(known, Outcome), "only a row has an outcome"
            schedule.take(task, known)
        elif isinstance(known, Failure):
            run.fail(rows[task.key], task.key, known)
        else:
            assert isinstance(known, Outcome), type(known)
            run.rendered += known.num_frames
            run.add(current(known, rows[task.key]))
        run.tell()
        run.show()


def _failure_of_death(died: Died) -> Failure:
    if died.after_s:
        return Failure(f"not done after {died.after_s:.0f} s: give --time-limit for more, or less speech")
    death = "the process that worked on it was killed or crashed, twice: use fewer workers if memory is short"
    return Failure(death, again=True)


@contextmanager
def _only_one(folder: Folder) -> Iterator[None]:
    """Refuse a second batch in the same local folder at the same time; a killed one leaves no lock behind."""
    if folder.path is None:
        yield
        return
    busy = ConfigError(f"another batch is writing to {folder.place}: wait for its end")
    with file_lock(folder.path / ".lock", busy):
        yield


@dataclass
class _Run:
    """Outcomes of the rows so far."""

    folder: Folder
    rows: int
    progress: Callable[[BatchProgress], None] | None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    failed: int = 0
    ticks: int = 0
    rendered: int = 0
    ended: list[Outcome] = field(default_factory=list)
    shown: float = field(default_factory=time.monotonic)

    def take(self, outcome: Outcome) -> None:
        """Keep the outcome of a row."""
        self.outcomes[outcome.row] = outcome
        self.failed += outcome.failed

    def add(self, outcome: Outcome) -> None:
        """Keep the outcome of a row that ended in this run, and add it to the results."""
        self.take(outcome)
        self.ended.append(outcome)
        with suppress(OSError, MediaError):  # `save` says at the end what is wrong with the disk
            append_result(self.folder, outcome)

    def fail(self, row: Row, key: str, why: Failure) -> None:
        """Keep a row's failure, also for later runs."""
        outcome = failure(row, key, why.reason, again=why.again)
        with suppress(OSError, PassingError):  # a failure that is not kept is tried again
            save_outcome(self.folder, outcome)
        self.add(outcome)

    def count(self, ticks: int) -> None:
        """Take the workers' count of frames."""
        self.ticks = ticks
        self.tell()

    def tell(self) -> None:
        """Report progress."""
        if self.progress is not None:
            frames = max(self.ticks, self.rendered)
            self.progress(BatchProgress(self.rows, len(self.outcomes), self.failed, frames, tuple(self.ended)))
        self.ended.clear()

    def show(self) -> None:
        """Write the pages of the gallery that changed, unless that was done a short while ago."""
        gallery_every_s = 60.0  # while rows are being made
        if time.monotonic() - self.shown >= gallery_every_s:
            with suppress(OSError, PassingError):
                write_gallery(self.folder, self.outcomes, self.rows)
            self.shown = time.monotonic()

    def save(self) -> None:
        """Write the results in the rows' order, and the gallery.

        Raises:
            PassingError: the disk is full.
        """
        write_results(self.folder, [self.outcomes[number] for number in sorted(self.outcomes)])
        write_gallery(self.folder, self.outcomes, self.rows)
        self.shown = time.monotonic()
