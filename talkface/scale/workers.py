"""Tasks -> results, by processes of this machine; one that dies or hangs costs its own task only."""

import contextlib
import math
import multiprocessing
import multiprocessing.forkserver
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from talkface.errors import ConfigError
from talkface.scale.memory import limit_memory, worker_megabytes
from talkface.scale.threads import core_numbers, keep_to_core, usable_cores

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class WorkerSettings:
    """Settings by which workers are polled and restarted."""

    poll_s: float = 0.5  # how often a waiting `run` says that it is alive
    start_failures: int = 2  # workers in a row that end before they work: then none ever will


WORKERS = WorkerSettings()

_THREAD_VARIABLES = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Died:
    """Instead of a result: the process that worked on the task died, and so did a fresh one that tried it again.

    Attributes:
        after_s: the task's time limit, where the process was ended for it; such a task is not tried again.
    """

    after_s: float = 0.0


class Workers(Protocol):
    """Where tasks are worked on: `LocalWorkers` here, `scale.cluster.RayWorkers` on many machines."""

    @property
    def same_disk(self) -> bool:
        """Whether the workers surely see the files of this machine."""
        ...

    def run(
        self,
        next_task: Callable[[], Task | None],
        function: Callable[[Task], Result],
        on_wait: Callable[[int], None] | None = None,
        limit_s: Callable[[Task], float] | None = None,
    ) -> Iterator[tuple[Task, Result | Died]]:
        """Work on tasks until there is none, and yield each with its result, the first one ready first.

        Args:
            next_task: gives the next task, or None while none is ready; asked again after every result. When it gives
                None and no task is being worked on, all is done.
            function: importable by name; task and result must be picklable. Its exceptions are raised here.
            on_wait: called now and then with the count of `tick`s so far.
            limit_s: seconds that a task may take before its process is ended; 0 or nothing: as long as it likes.
        """
        ...


@dataclass
class _Ticks:
    """This worker's share in a count that the parent reads; no lock, since only this worker writes it."""

    counter: Any = None


_ticks = _Ticks()


def tick(amount: int = 1) -> None:
    """Count `amount` steps of the task in hand, for progress; does nothing outside a local worker."""
    if _ticks.counter is not None:
        _ticks.counter.value += amount


def _context() -> Any:
    """Of multiprocessing; forking this process, which may run threads, could lock up."""
    return multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


def preload(*modules: str) -> None:
    """Start the process that workers are forked from, and let it import `modules` while this one goes on.

    So the libraries are loaded once for all, on another core than this process loads its own. Does nothing where the
    system cannot fork safely. Sets variables of the environment for a moment, so call it before there are threads.
    """
    context = _context()
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(list(modules))
        before = dict(os.environ)
        os.environ.update(_THREAD_VARIABLES)
        try:
            multiprocessing.forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(before)


@dataclass
class LocalWorkers:
    """Processes of this machine.

    Attributes:
        count: of processes; 0 takes one per core.
        megabytes: each may take beyond its libraries, 0 as much as it likes; see `scale.memory` for the default.
        prepare: called in each process before its first task, such as to load libraries; no task's limit counts it.
    """

    count: int = 0
    megabytes: float = field(default_factory=worker_megabytes)
    prepare: Callable[[], Any] | None = None

    @property
    def same_disk(self) -> bool:
        return True

    def __post_init__(self) -> None:
        self.count = self.count or usable_cores()

    def run(
        self,
        next_task: Callable[[], Task | None],
        function: Callable[[Task], Result],
        on_wait: Callable[[int], None] | None = None,
        limit_s: Callable[[Task], float] | None = None,
    ) -> Iterator[tuple[Task, Result | Died]]:
        """See `Workers.run`. A task whose process dies is tried once more, in a fresh process."""
        # where every core has one, each keeps to its own, with the ffmpeg that it starts: wandering between cores took
        # a twelfth of a batch's time
        cores: list[int | None] = core_numbers() if self.count == usable_cores() else [None] * self.count
        crew: _Crew[Task] = _Crew(self.count, partial(_Worker, function, self), limit_s or (lambda _: 0.0), cores)
        try:
            while busy := crew.hand_out(next_task):
                wait([end for worker in busy for end in worker.ends], crew.patience(busy))
                for worker in busy:
                    yield from crew.collect(worker)
                if on_wait is not None:  # after it, as a task may end between a count and its collection
                    on_wait(crew.steps())
        finally:
            crew.dismiss()


class _Worker(Generic[Task]):
    """One process with its pipe, its count of steps and the task in its hands."""

    def __init__(self, function: Callable[[Task], Any], settings: LocalWorkers, core: int | None) -> None:
        context = _context()
        self.core = core
        self._counter = context.RawValue("q", 0)
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, pickle.dumps((function, settings)), self._counter, dict(os.environ), core)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.ready = False
        self.task: Task | None = None
        self.retried = False
        self.deadline = math.inf

    @property
    def steps(self) -> int:
        return int(self._counter.value)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Handles to wait for: an answer, or the end of the process."""
        return self._pipe, self._process.sentinel

    @property
    def killed(self) -> bool:
        """Whether a signal ended the process; waits for its end."""
        self._process.join()
        return (self._process.exitcode or 0) < 0

    def give(self, task: Task, *, retried: bool) -> None:
        self.task, self.retried = task, retried
        with contextlib.suppress(OSError):  # it has just died, which `read` will find
            self._pipe.send((task,))

    def read(self) -> tuple[Any, ...] | None:
        """An answer, `()` while there is none, None where the process is dead."""
        try:
            if self._pipe.poll():
                answer: tuple[Any, ...] = self._pipe.recv()
                return answer
        except (EOFError, OSError):
            return None
        return () if self._process.is_alive() else None

    def close(self) -> None:
        """End the process; it leaves when its pipe closes, whatever it is doing."""
        self._pipe.close()
        self._process.kill()
        self._process.join()
        self._process.close()


@dataclass
class _Crew(Generic[Task]):
    """All workers of one `run`."""

    count: int
    start: Callable[[int | None], _Worker[Task]]
    limit_s: Callable[[Task], float]
    free_cores: list[int | None]  # None: a worker that runs on any
    workers: list[_Worker[Task]] = field(default_factory=list)
    steps_of_dead: int = 0
    false_starts: int = 0  # in a row

    def hand_out(self, next_task: Callable[[], Task | None]) -> list[_Worker[Task]]:
        """Give idle workers tasks, and start workers while there are tasks; returns those that are busy."""
        idle = [worker for worker in self.workers if worker.task is None]
        while (idle or len(self.workers) < self.count) and (task := next_task()) is not None:
            self._give(idle.pop() if idle else self._hire(), task, retried=False)
        return [worker for worker in self.workers if worker.task is not None]

    def patience(self, busy: Sequence[_Worker[Task]]) -> float:
        """Seconds to wait at most."""
        soonest = min(worker.deadline for worker in busy)
        return min(WORKERS.poll_s, max(0.0, soonest - time.monotonic()))

    def steps(self) -> int:
        return self.steps_of_dead + sum(worker.steps for worker in self.workers)

    def collect(self, worker: _Worker[Task]) -> Iterator[tuple[Task, Any]]:
        """The task of a worker and its result, where there is one now.

        Raises:
            ConfigError: no worker can start.
            Exception: what the task's function raised.
        """
        answer, task = worker.read(), worker.task
        assert task is not None, "only busy workers are asked"
        if answer is None:
            yield from self._replace(worker, task)
        elif not answer:
            if time.monotonic() >= worker.deadline:
                self._dismiss(worker)
                yield task, Died(self.limit_s(task))
        elif len(answer) == 1:  # ready
            worker.ready, self.false_starts = True, 0
            worker.deadline = self._deadline(task)
        else:
            worker.task, worker.deadline = None, math.inf
            result, error = answer
            if error is not None:
                raise error
            yield task, result

    def dismiss(self) -> None:
        """End all."""
        for worker in list(self.workers):
            self._dismiss(worker)

    def _replace(self, worker: _Worker[Task], task: Task) -> Iterator[tuple[Task, Died]]:
        """Try the task of a dead worker once more, in a fresh process."""
        self.false_starts += not worker.ready and not worker.killed
        self._dismiss(worker)
        if self.false_starts >= WORKERS.start_failures:
            hint = "call from a file, below `if __name__ == '__main__':`"
            raise ConfigError(f"no worker process can start: {hint}")
        if worker.retried:
            yield task, Died()
        else:
            self._give(self._hire(), task, retried=True)

    def _give(self, worker: _Worker[Task], task: Task, *, retried: bool) -> None:
        worker.give(task, retried=retried)
        if worker.ready:  # the time that starting takes is not the task's
            worker.deadline = self._deadline(task)

    def _deadline(self, task: Task) -> float:
        return time.monotonic() + (self.limit_s(task) or math.inf)

    def _hire(self) -> _Worker[Task]:
        self.workers.append(self.start(self.free_cores.pop(0)))
        return self.workers[-1]

    def _dismiss(self, worker: _Worker[Task]) -> None:
        self.workers.remove(worker)
        self.free_cores.append(worker.core)
        self.steps_of_dead += worker.steps
        worker.close()


def _serve(pipe: Connection, pickled: bytes, counter: Any, variables: dict[str, str], core: int | None) -> None:
    """Work on tasks from `pipe` until it closes, on one core or on any."""
    keep_to_core(core)
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):  # the parent's to handle
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(variables | _THREAD_VARIABLES)  # the parent's may be another by now than at its start
    function, settings = pickle.loads(pickled)  # noqa: S301 - the parent's own; loads the libraries of both
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123 - no file of ours
        score.write("1000")  # where memory ends, the system takes a worker and not the parent
    _ticks.counter = counter
    if settings.megabytes:
        limit_memory(settings.megabytes)
    tasks: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, tasks), daemon=True).start()
    if settings.prepare is not None:
        settings.prepare()
    pipe.send(("ready",))
    answer: tuple[Any, Exception | None]
    while True:
        try:
            answer = function(tasks.get()), None
        except Exception as error:  # noqa: BLE001 - raised again in the parent
            error.add_note(traceback.format_exc())
            answer = None, error
        _send(pipe, answer)


def _send(pipe: Connection, answer: tuple[Any, Exception | None]) -> None:
    try:
        pipe.send(answer)
    except OSError:  # the parent has left
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - what cannot be pickled says so in all sorts of ways
        pipe.send((None, RuntimeError(f"a result cannot be sent to the parent: {error}; it was {answer!r}")))


def _receive(pipe: Connection, tasks: "SimpleQueue[Any]") -> None:
    """Take tasks as they come, and leave with the parent: all is done, something went wrong there, or it was killed."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            (task,) = pipe.recv()
            tasks.put(task)
    os._exit(1)
