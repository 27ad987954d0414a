"""Tasks -> results, by processes of this machine; one that dies costs its own task only."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Protocol, TypeVar

from talkface.errors import ConfigError

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2  # tasks queued per worker, so that none waits for the next one
POLL_S = 0.5  # how often a waiting `run` says that it is alive
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Died:
    """Instead of a result: the process that worked on the task died, also when it had a process of its own."""


class Workers(Protocol):
    """Where tasks are worked on: `LocalWorkers` here, `scale.cluster.RayWorkers` on many machines."""

    @property
    def same_disk(self) -> bool:
        """Whether the workers surely see the files of this machine."""
        ...

    def run(
        self,
        next_task: Callable[[], T | None],
        function: Callable[[T], R],
        on_wait: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[T, R | Died]]:
        """Work on tasks until there is none, and yield each with its result, the first one ready first.

        Args:
            next_task: gives the next task, or None while none is ready; asked again after every result. When it gives
                None and no task is being worked on, all is done.
            function: importable by name; task and result must be picklable. Its exceptions are raised here.
            on_wait: called now and then with the count of `tick`s so far.
        """
        ...


@dataclass
class _Ticks:
    """This worker's share in a count that the parent reads."""

    counter: "Synchronized[int] | None" = None


_ticks = _Ticks()


def tick(amount: int = 1) -> None:
    """Count `amount` steps of the task in hand, for progress; does nothing outside a local worker."""
    if _ticks.counter is not None:
        with _ticks.counter.get_lock():
            _ticks.counter.value += amount


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class LocalWorkers:
    """Processes of this machine.

    Attributes:
        count: of processes; 0 takes one per core.
        threads: each may use, in libraries that read the usual variables.
        ahead: tasks queued per worker.
    """

    count: int = 0
    threads: int = 1
    ahead: int = AHEAD
    _counter: "Synchronized[int]" = field(default_factory=lambda: _shared_count(), repr=False)
    _started: "Synchronized[int]" = field(default_factory=lambda: _shared_count(), repr=False)

    @property
    def same_disk(self) -> bool:
        return True

    def __post_init__(self) -> None:
        self.count = self.count or usable_cores()

    def run(
        self,
        next_task: Callable[[], T | None],
        function: Callable[[T], R],
        on_wait: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[T, R | Died]]:
        """See `Workers.run`. When a process dies, what was in hand is done again, each task in a process of its own."""
        over = False
        while not over:
            running: dict[Future[R], T] = {}
            try:
                with self._pool(self.count) as pool:
                    while self._submit(pool, next_task, function, running):
                        done, _ = wait(running, POLL_S, FIRST_COMPLETED)
                        if on_wait is not None:
                            on_wait(self._counter.value)
                        for future in [each for each in running if each in done]:
                            result = future.result()
                            yield running.pop(future), result
                over = True
            except BrokenProcessPool:
                for task in running.values():
                    yield task, self._alone(task, function)

    def _submit(
        self,
        pool: ProcessPoolExecutor,
        next_task: Callable[[], T | None],
        function: Callable[[T], R],
        running: dict[Future[R], T],
    ) -> bool:
        """Keep the workers busy; whether any task is in hand."""
        while len(running) < self.count * self.ahead and (task := next_task()) is not None:
            try:
                running[pool.submit(function, task)] = task
            except BrokenProcessPool:  # a broken pool refuses it: it joins those in hand
                running[Future()] = task
                raise
        return bool(running)

    def _alone(self, task: T, function: Callable[[T], R]) -> R | Died:
        """Result from a process of its own, whose death is the task's end."""
        try:
            with self._pool(1) as pool:
                return pool.submit(function, task).result()
        except BrokenProcessPool as error:
            if not self._started.value:  # no worker ever came to life, and none of the next ones will
                hint = "call from a file, below `if __name__ == '__main__':`"
                raise ConfigError(f"no worker process can start: {hint}") from error
            return Died()

    @contextmanager
    def _pool(self, count: int) -> Iterator[ProcessPoolExecutor]:
        """Workers started afresh: forking a process that runs threads can lock up.

        They hold one end of a pipe and leave when the other end closes: because all is done, because something went
        wrong here and nobody wants their results, or because this process was killed.
        """
        context = multiprocessing.get_context("spawn")
        workers_end, our_end = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            count,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self.threads, self._counter, self._started, workers_end),
        )
        try:
            yield pool
            pool.shutdown()
        finally:
            our_end.close()
            pool.shutdown(cancel_futures=True)
            workers_end.close()


def _shared_count() -> "Synchronized[int]":
    return multiprocessing.get_context("spawn").Value("q", 0)


def _start_worker(threads: int, counter: "Synchronized[int]", started: "Synchronized[int]", parent: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    for name in THREAD_VARIABLES:  # read when the libraries are loaded, which is later
        os.environ[name] = str(threads)
    _ticks.counter = counter
    with started.get_lock():
        started.value += 1
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: Connection) -> None:
    with suppress(EOFError, OSError):
        parent.recv()
    os._exit(1)
