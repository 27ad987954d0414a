"""Tasks -> results, by a Ray cluster: one embedded here, or an existing one of many machines."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from talkface.errors import ConfigError, MissingExtraError
from talkface.scale.threads import usable_cores
from talkface.scale.workers import WORKERS, Died, LocalWorkers, Workers

Task = TypeVar("Task")
Result = TypeVar("Result")

EMBEDDED = "local"
"""The address that means a cluster of this machine's cores, started and ended with the command."""


@dataclass(frozen=True)
class ClusterSettings:
    """Settings by which tasks are sent to a cluster."""

    ahead: int = 2  # tasks queued per core of a cluster, so that none waits for the next one
    ping_s: float = 10.0
    grace_s: float = 10.0  # from which on the process of a task that does not end by a signal is ended
    retries: int = 3  # times that a task is begun again after its machine or process has died


CLUSTER = ClusterSettings()


@contextmanager
def open_workers(ray_address: str | None, count: int = 0, *, ahead: int = CLUSTER.ahead) -> "Iterator[Workers]":
    """Workers of this machine, or of a Ray cluster.

    Args:
        ray_address: None for processes of this machine without Ray; `local` for an embedded cluster; else an address
            as Ray takes it, such as `auto` or `ray://head:10001`. Every machine needs talkface, and sees inputs and
            outputs under the same paths or URLs.
        count: processes of this machine, or cores of the embedded cluster; 0 takes all.
        ahead: tasks queued per core of a cluster.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: no cluster answers at the address, or a count was given for an existing one.
    """
    if ray_address is None:
        yield LocalWorkers(count)
        return
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("Ray is not installed: pip install 'talkface[scale]', or leave --ray out") from error
    if count and ray_address != EMBEDDED:
        raise ConfigError("an existing cluster has its own count of cores: leave --workers out")
    started = not ray.is_initialized()
    if started:
        _start(ray, ray_address, count)
    try:
        yield RayWorkers(ray, ahead)
    finally:
        if started:
            ray.shutdown()


def _start(ray: Any, address: str, count: int) -> None:
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    if address == EMBEDDED:
        try:
            ray.init("local", num_cpus=count or usable_cores(), include_dashboard=False, **quiet)
        except Exception as error:  # a plain one is what Ray raises when its own processes are late
            raise ConfigError(f"Ray cannot start here ({_first_line(error)}): leave --ray out") from error
        return
    try:
        _ping(address)
        ray.init(address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        reason = _first_line(error)
        raise ConfigError(f"no Ray cluster answers at {address!r} ({reason}): start one with `ray start`") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _ping(address: str) -> None:
    """Raise `OSError` where nobody listens: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), CLUSTER.ping_s).close()


class _TimeIsUp(BaseException):
    """Raised inside a task whose time is up; no task's own handlers of errors take it."""


def _limited(function: Callable[[Task], Result], task: Task, limit_s: float) -> "Result | Died":
    """Work on a task for so many seconds at most, 0 for as long as it likes, in a worker process of Ray.

    A signal ends Python code; what is stuck in a library ends with the process, which Ray starts again.
    """
    if not limit_s or threading.current_thread() is not threading.main_thread():
        return function(task)
    end = threading.Timer(limit_s + CLUSTER.grace_s, os._exit, (1,))
    end.daemon = True
    before = signal.signal(signal.SIGALRM, _time_is_up)
    try:
        end.start()
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        return function(task)
    except _TimeIsUp:
        return Died(limit_s)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        end.cancel()
        signal.signal(signal.SIGALRM, before)


def _time_is_up(*_: object) -> None:
    raise _TimeIsUp


@dataclass(frozen=True)
class RayWorkers:
    """All cores of the cluster that this process is connected to; machines may come and go."""

    ray: Any
    ahead: int = CLUSTER.ahead

    @property
    def same_disk(self) -> bool:
        return False

    def run(
        self,
        next_task: Callable[[], Task | None],
        function: Callable[[Task], Result],
        on_wait: Callable[[int], None] | None = None,
        limit_s: Callable[[Task], float] | None = None,
    ) -> Iterator[tuple[Task, Result | Died]]:
        """See `Workers.run`. What a lost machine had in hand is begun again on the others.

        Steps are not counted. Each task watches its own time, as one in Ray's queue and one that is worked on look the
        same from here.
        """
        remote = self.ray.remote(num_cpus=1, max_retries=CLUSTER.retries)(_limited)
        running: dict[Any, Task] = {}
        try:
            while True:
                while len(running) < self._places() and (task := next_task()) is not None:
                    running[remote.remote(function, task, limit_s(task) if limit_s else 0.0)] = task
                if not running:
                    return
                done, _ = self.ray.wait(list(running), num_returns=1, timeout=WORKERS.poll_s)
                if on_wait is not None:
                    on_wait(0)
                for reference in done:
                    result = self._result(reference)
                    yield running.pop(reference), result
        finally:
            for reference in running:  # nobody wants their results any more
                self.ray.cancel(reference, force=True)

    def _places(self) -> int:
        """Tasks that may be queued: enough for every core, and one before the first machine has come."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 0))) * self.ahead

    def _result(self, reference: Any) -> Any:
        errors = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except errors.RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError, errors.OutOfMemoryError):
            return Died()
        except errors.RayError as error:
            hint = "run the same command again to resume"
            raise ConfigError(f"the Ray cluster broke off ({_first_line(error)}): {hint}") from error
