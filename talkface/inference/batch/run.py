"""Rows -> videos, JSON lines and a gallery, resumable after a kill at any moment.

What decides a row's video (contents of its inputs, options, networks, name) is hashed. A row is done when the batch's
folder holds a record under that hash and the video that the record describes. Videos are made in a folder of their own
and renamed when whole. So at every moment each row is done, failed with its reason, or still to do.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from talkface.checkpoints.format import file_hash
from talkface.checkpoints.registry import find_weights
from talkface.errors import ConfigError, TalkfaceError
from talkface.inference.animator import NETWORKS, network_names
from talkface.inference.batch.gallery import write_gallery
from talkface.inference.batch.results import Outcome, current, failure, load_outcomes, save_outcome, write_results
from talkface.inference.batch.rows import Row
from talkface.inference.batch.tasks import (
    WORK,
    EnrollTask,
    Failure,
    Heard,
    ListenTask,
    Loaded,
    RenderTask,
    Task,
    work,
)
from talkface.inference.photos import Shots
from talkface.inference.request import AnimateOptions
from talkface.media.photo import PHOTO_SUFFIXES
from talkface.scale.storage import Folder, absolute, is_url, local_copies
from talkface.scale.workers import Died, LocalWorkers, Workers

RECIPE = 2  # raised when the same inputs, options and networks make other frames: then all is made again
LOOK_AHEAD = 64  # rows looked at for one whose photo and speech are ready
SAVE_EVERY_S = 10.0  # results and gallery, while rows are being made
DEATH = "the process that worked on it was killed or crashed: use fewer workers if memory is short"


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        rows: in all.
        finished: done or failed, those of earlier runs too.
        failed: of them.
        frames: rendered in this run.
    """

    rows: int
    finished: int
    failed: int
    frames: int


Progress = Callable[[BatchProgress], None]


def batch(
    rows: Sequence[Row],
    out: str | Path,
    *,
    workers: Workers | None = None,
    device: str = "auto",
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Make the video of every row that is not done yet.

    Args:
        rows: from `batch_rows`.
        out: folder of videos, `results.jsonl` and `gallery.html`; a path, or a URL of fsspec.
        workers: where to work; one process per core if not given.
        device: `auto`, `cpu`, `cuda` or `mps`.
        retry_failed: also try again what failed before with the same inputs; what changed is always tried.
        progress: called in this process after each row and twice a second.

    Returns:
        One outcome per row, in the rows' order.

    Raises:
        MediaError: the folder cannot be made.
        ConfigError: another batch is writing to it.
    """
    folder = Folder(absolute(str(out)))
    folder.make()
    with _only_one(folder):
        folder.remove(WORK)
        run = _Run(folder, len(rows), progress)
        todo = _plan(rows, device, run, retry_failed)
        schedule = _Schedule(todo, run)
        run.tell()
        pool: Workers = workers or LocalWorkers()
        for task, result in pool.run(schedule.next_task, work, run.count):
            schedule.take(task, Failure(DEATH) if isinstance(result, Died) else result)
            run.tell()
            run.save(SAVE_EVERY_S)
        run.save()
        folder.remove(WORK)
    return [run.outcomes[row.number] for row in rows]


@contextmanager
def _only_one(folder: Folder) -> Iterator[None]:
    """Refuse a second batch in the same local folder at the same time; a killed one leaves no lock behind."""
    try:
        import fcntl
    except ImportError:  # a system without this kind of lock
        yield
        return
    if folder.path is None:
        yield
        return
    with (folder.path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"another batch is writing to {folder.place}: wait for its end") from error
        yield


@dataclass
class _Run:
    """What is known of every row so far."""

    folder: Folder
    rows: int
    progress: Progress | None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    ticks: int = 0
    rendered: int = 0
    saved: float = field(default_factory=time.monotonic)

    def take(self, outcome: Outcome) -> None:
        """Keep the outcome of a row."""
        self.outcomes[outcome.row] = outcome

    def count(self, ticks: int) -> None:
        """Take the workers' count of frames."""
        self.ticks = ticks
        self.tell()

    def tell(self) -> None:
        """Report progress."""
        if self.progress is not None:
            failed = sum(outcome.failed for outcome in self.outcomes.values())
            frames = max(self.ticks, self.rendered)
            self.progress(BatchProgress(self.rows, len(self.outcomes), failed, frames))

    def save(self, every_s: float = 0.0) -> None:
        """Write results and gallery, unless that was done less than `every_s` ago."""
        if time.monotonic() - self.saved < every_s:
            return
        outcomes = [self.outcomes[number] for number in sorted(self.outcomes)]
        write_results(self.folder, outcomes)
        write_gallery(self.folder, outcomes, self.rows)
        self.saved = time.monotonic()


@dataclass(frozen=True)
class _Todo:
    """A row that is to be made, and what tells its inputs from others.

    Attributes:
        row: as the manifest has it.
        placed: the same with paths that hold in every working folder.
        key: of its outcome.
        shots_key: of its photos, with the face and the detector.
        heard_key: of its speech, with the frame rate and the network; empty where landmarks drive.
        networks: what makes it.
    """

    row: Row
    placed: Row
    key: str
    shots_key: str
    heard_key: str
    networks: Loaded


def _plan(rows: Sequence[Row], device: str, run: _Run, retry_failed: bool) -> list[_Todo]:
    """Rows that are not done; the others' outcomes go into `run`."""
    before = load_outcomes(run.folder)
    sizes = run.folder.sizes()
    ours = {outcome.out for outcome in before.values() if not outcome.failed}
    hashes = _Hashes()
    todo = []
    for row in rows:
        if row.fault:
            run.take(failure(row, "", row.fault))
            continue
        try:
            one = _describe(row, device, hashes)
        except TalkfaceError as error:
            run.take(failure(row, "", str(error)))
            continue
        known = before.get(one.key)
        finished = known and (not retry_failed if known.failed else sizes.get(row.out) == known.num_bytes)
        if known and finished:
            run.take(current(known, row))
        elif row.out in sizes and row.out not in ours:
            reason = f"{row.out} exists in {run.folder.place} and is of no batch: move it, or give the row another name"
            run.take(failure(row, one.key, reason))
        else:
            todo.append(one)
    return todo


def _describe(row: Row, device: str, hashes: "_Hashes") -> _Todo:
    """Hashes of all that decides the row's video; raises `CheckpointError` for networks that are not there."""
    chosen = AnimateOptions(
        **{name: getattr(row.options, name) for name in NETWORKS if name != "device"}, device=device
    )
    networks = Loaded(chosen, _network_hashes(chosen))
    drivers = {name: getattr(row.options, name) for name in ("landmarks", "head_from")}
    found: dict[str, Any] = {name: absolute(file) if file else None for name, file in drivers.items()}
    placed = replace(
        row,
        photos=tuple(absolute(name) for name in row.photos),
        speech=absolute(row.speech) if row.speech else "",
        options=replace(row.options, **found),
    )
    photos = [hashes.of(name) for name in row.photos]
    speech = hashes.of(row.speech) if row.speech else ""
    asked = {name: value for name, value in row.options.plain().items() if name not in NETWORKS}
    asked |= {name: hashes.of(file) if file else "" for name, file in drivers.items()}
    made_by = [chosen.renderer, chosen.detector, networks.hashes]
    key = _digest([RECIPE, photos, speech, asked, made_by, row.out])
    # names belong to these two, so that a refusal names the row's own file
    shots_key = _digest([row.photos, photos, row.options.face, row.options.detector])
    heard_key = _digest([row.speech, speech, str(row.options.fps), networks.hashes]) if speech else ""
    return _Todo(row, placed, key, shots_key, heard_key, networks)


def _network_hashes(options: AnimateOptions) -> tuple[tuple[str, str], ...]:
    """Name and hash of each network's file."""
    return tuple((name, file_hash(find_weights(name))) for name in network_names(options))


class _Hashes:
    """Contents of inputs -> hashes, each read once in a run."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, source: str) -> str:
        """SHA-256 of a file, or of all photos of a folder; a missing one's is a word, which changes when it comes."""
        if source not in self._known:
            self._known[source] = self._read(source)
        return self._known[source]

    def _read(self, source: str) -> str:
        path = Path(source)
        if not is_url(source) and path.is_dir():
            inside = sorted(item for item in path.iterdir() if item.suffix.lower() in PHOTO_SUFFIXES)
            return _digest([[item.name, _file_digest(str(item))] for item in inside])
        return _file_digest(source)


def _file_digest(source: str) -> str:
    try:
        with local_copies([source]) as (path,), path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (OSError, TalkfaceError):
        return "missing"


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:24]


class _Schedule:
    """Which task comes next: each photo's faces and each speech's motion once, then the rows that wait for both.

    Rows of one photo come one after the other, so that a worker keeps that person ready; what no further row needs is
    forgotten.
    """

    def __init__(self, todo: Sequence[_Todo], run: _Run) -> None:
        order: dict[str, list[_Todo]] = {}
        for one in todo:
            order.setdefault(one.shots_key, []).append(one)
        self._waiting = [one for group in order.values() for one in group]
        self._uses = Counter(key for one in todo for key in (one.shots_key, one.heard_key) if key)
        self._ready: dict[str, Shots | Heard | Failure | None] = {"": None}  # None: being worked on
        self._rows = {one.key: one.row for one in todo}
        self._run = run

    def next_task(self) -> Task | None:
        """The next task whose inputs are there; None where rows wait for tasks in hand, or none is left."""
        for place, one in enumerate(self._waiting[:LOOK_AHEAD]):
            row = one.placed
            if one.shots_key not in self._ready:
                self._ready[one.shots_key] = None
                return EnrollTask(one.shots_key, row.photos, row.options.face, row.options.detector)
            if one.heard_key not in self._ready:
                self._ready[one.heard_key] = None
                return ListenTask(one.heard_key, row.speech, row.options.fps, one.networks)
            shots, heard = self._ready[one.shots_key], self._ready[one.heard_key]
            if isinstance(shots, Shots) and (isinstance(heard, Heard) or not one.heard_key):
                del self._waiting[place]
                self._release(one)
                heard = heard if isinstance(heard, Heard) else None
                return RenderTask(one.key, row, shots, one.shots_key, heard, one.networks, self._run.folder)
        return None

    def take(self, task: Task, result: object) -> None:
        """Take what became of a task; rows that wait for what failed fail with it."""
        if isinstance(task, RenderTask):
            self._take_outcome(task, result)
            return
        assert isinstance(result, (Shots, Heard, Failure)), type(result)
        self._ready[task.key] = result
        if isinstance(result, Failure):
            lost = [one for one in self._waiting if task.key in (one.shots_key, one.heard_key)]
            self._waiting = [one for one in self._waiting if task.key not in (one.shots_key, one.heard_key)]
            for one in lost:
                self._fail(one.row, one.key, result.reason)
                self._release(one)

    def _take_outcome(self, task: RenderTask, result: object) -> None:
        row = self._rows[task.key]
        if isinstance(result, Failure):
            self._fail(row, task.key, result.reason)
            return
        assert isinstance(result, Outcome), type(result)
        self._run.rendered += result.num_frames
        self._run.take(current(result, row))

    def _fail(self, row: Row, key: str, reason: str) -> None:
        outcome = failure(row, key, reason)
        save_outcome(self._run.folder, outcome)
        self._run.take(outcome)

    def _release(self, one: _Todo) -> None:
        """Forget what no row needs any more."""
        for key in (one.shots_key, one.heard_key):
            self._uses[key] -= 1
            if key and self._uses[key] <= 0:
                self._ready.pop(key, None)
