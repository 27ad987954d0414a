"""Tasks get their results, whatever their neighbours do; workers end with the parent."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from talkface.scale.workers import Died, LocalWorkers

MODULE = """
import os
import signal
import threading
import time
from talkface.scale.workers import tick

def square(number: int) -> int:
    tick(number)
    return number * number

def die_on_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)

def die_once(folder: str) -> str:
    try:
        os.mkdir(os.path.join(folder, "been"))
    except FileExistsError:
        return "done"
    os.kill(os.getpid(), signal.SIGKILL)

def hang(number: int) -> int:
    if number == 3:
        signal.pause()
    return square(number)

def die_while_counting(number: int) -> int:
    if number != 3:
        return square(number)
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
    while True:
        tick()

def lambdas(number: int) -> object:
    return lambda: number

def variable(name: str) -> str:
    return os.environ[name]

def cores(number: int) -> set:
    time.sleep(0.3)  # so that every worker gets one
    if number == 0 and not os.path.exists("been"):
        open("been", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.sched_getaffinity(0)

def refuse(number: int) -> int:
    raise ValueError(f"no {number}")

LOADED = []

def load() -> None:
    time.sleep(1.0)
    LOADED.append(os.getpid())

def count_loads(_: int) -> int:
    return LOADED.count(os.getpid())
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Functions that a worker can import by name, which it cannot from a test."""
    (tmp_path / "tasks_of_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("tasks_of_test")
    del sys.modules["tasks_of_test"]


def feed(numbers):
    waiting = iter(numbers)
    return lambda: next(waiting, None)


def test_every_task_has_its_result_and_steps_are_counted(tasks):
    counts = []
    results = dict(LocalWorkers(2).run(feed(range(9)), tasks.square, counts.append))
    assert results == {n: n * n for n in range(9)}
    assert counts[-1] == sum(range(9))


def test_tasks_may_come_from_results(tasks):
    """Asked again after each result: a task that depends on another one's result finds its place."""
    known = {1: 1}
    given = []

    def next_task():
        if len(given) < 4 and len(known) > len(given):
            given.append(max(known))
            return given[-1] + 1
        return None

    for task, result in LocalWorkers(2).run(next_task, tasks.square):
        known[task] = result
    assert given == [1, 2, 3, 4] and known[5] == 25


def test_a_death_costs_one_task(tasks):
    results = dict(LocalWorkers(2).run(feed(range(8)), tasks.die_on_three))
    assert results == {n: Died() if n == 3 else n * n for n in range(8)}


def test_a_task_whose_worker_was_killed_is_tried_again_in_a_fresh_one(tasks, tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    results = dict(LocalWorkers(2).run(feed(map(str, folders)), tasks.die_once))
    assert results == {str(folder): "done" for folder in folders}


def test_a_worker_killed_while_it_counts_holds_up_nobody(tasks):
    counts = []
    results = dict(LocalWorkers(2).run(feed(range(6)), tasks.die_while_counting, counts.append))
    assert results == {n: Died() if n == 3 else n * n for n in range(6)}
    assert counts == sorted(counts)


def test_a_task_that_hangs_is_ended_at_its_limit_and_the_others_are_not(tasks):
    limits = {3: 0.3}
    results = dict(LocalWorkers(2).run(feed(range(6)), tasks.hang, limit_s=lambda n: limits.get(n, 0.0)))
    assert results == {n: Died(after_s=0.3) if n == 3 else n * n for n in range(6)}


def test_what_a_process_prepares_is_done_once_and_counts_for_no_limit(tasks):
    workers = LocalWorkers(1, prepare=tasks.load)
    assert list(workers.run(feed(range(3)), tasks.count_loads, limit_s=lambda _: 0.8)) == [(n, 1) for n in range(3)]


def test_a_result_that_cannot_be_sent_is_a_fault(tasks):
    with pytest.raises(RuntimeError, match="a result cannot be sent"):
        list(LocalWorkers(1).run(feed([5]), tasks.lambdas))


def test_a_fault_is_raised_here(tasks):
    with pytest.raises(ValueError, match="no 5"):
        list(LocalWorkers(1).run(feed([5]), tasks.refuse))


def test_libraries_of_workers_use_one_thread(tasks):
    assert dict(LocalWorkers(1).run(feed(["OMP_NUM_THREADS"]), tasks.variable)) == {"OMP_NUM_THREADS": "1"}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not say what runs where")
def test_workers_keep_to_a_core_each_where_every_core_has_one(tasks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    usable = os.sched_getaffinity(0)
    found = dict(LocalWorkers(len(usable)).run(feed(range(2 * len(usable))), tasks.cores))  # the first is killed once
    assert set(map(frozenset, found.values())) == {frozenset({core}) for core in usable}
    found = dict(LocalWorkers(len(usable) + 1).run(feed(range(1, 3)), tasks.cores))
    assert list(found.values()) == [usable] * 2, "more workers than cores go where there is room"


def test_workers_have_the_environment_of_now(tasks, monkeypatch):
    """Although the process that they are forked from may have been started before."""
    list(LocalWorkers(1).run(feed([2]), tasks.square))
    monkeypatch.setenv("TALKFACE_OF_TEST", "set")
    assert dict(LocalWorkers(1).run(feed(["TALKFACE_OF_TEST"]), tasks.variable)) == {"TALKFACE_OF_TEST": "set"}


def test_preloaded_libraries_are_there_when_a_worker_starts(tmp_path: Path):
    (tmp_path / "slow_library.py").write_text("import os\nLOADED_BY = os.getpid(), os.environ.get('OMP_NUM_THREADS')\n")
    (tmp_path / "job.py").write_text(
        "import os, slow_library\nfrom talkface.scale.workers import LocalWorkers, preload\n"
        "def loaded_by(_): return slow_library.LOADED_BY, os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    preload('slow_library')\n"
        "    assert 'OMP_NUM_THREADS' not in os.environ\n"
        "    ((_, a), (_, b)) = LocalWorkers(2).run(lambda n=iter([0, 1]): next(n, None), loaded_by)\n"
        "    assert a[0] == b[0] and a[0][1] == '1', 'loaded once, with one thread'\n"
        "    assert a[0][0] not in (os.getpid(), a[1], b[1]), 'by the process that they are forked from'\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "job.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PROGRAM = """
import signal, sys, time
from talkface.scale.workers import LocalWorkers
def work(number):
    open(sys.argv[1], "a").write(f"{{__import__('os').getpid()}}\\n")
    time.sleep(60)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background has switched off
    waiting = iter(range(2))
    list(LocalWorkers(2).run(lambda: next(waiting, None), work))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_parent(tmp_path: Path, number: int):
    script, pids = tmp_path / "program.py", tmp_path / "pids"
    script.write_text(PROGRAM.replace("{{", "{").replace("}}", "}"))
    parent = subprocess.Popen([sys.executable, str(script), str(pids)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (pids.is_file() and len(pids.read_text().split()) == 2):
        assert time.monotonic() < deadline and parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(number)
    assert parent.wait(20) != 0
    workers = [int(word) for word in pids.read_text().split()]
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.05)


def test_where_no_worker_can_start_that_is_said_at_once():
    """A program on standard input cannot be imported by its workers."""
    program = "from talkface.scale.workers import LocalWorkers as W; list(W(1).run(iter([1, 2, 3]).__next__, abs))"
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, timeout=100)
    assert "ConfigError: no worker process can start" in done.stderr
