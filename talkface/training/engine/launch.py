"""`talkface train --processes N` -> N processes of the same command that train together, ended together."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO

from talkface.errors import ConfigError
from talkface.scale.threads import usable_cores

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that end a training, those that this system has."""
RESUME = "TALKFACE_RESUME"  # environment variable that tells the processes the whole command, which resumes them


def launch(arguments: Sequence[str], count: int) -> int:
    """Run `talkface ARGUMENTS` in `count` processes of this machine and return the first exit code that is not 0.

    Signals that end a program reach all of them. Where one fails the others are ended, too. What the first process
    says is shown; of the others only the end of what a failed one said.

    Raises:
        ConfigError: these are processes that a launcher started already.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError("--processes starts processes itself: leave it out under torchrun or accelerate launch")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, usable_cores() // count))),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        RESUME: shlex.join(["talkface", *arguments, "--processes", str(count)]),
    }
    command = [sys.executable, "-m", "talkface", *arguments]
    with contextlib.ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        running = []
        for rank in range(count):
            environment = {**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            output = None if rank == 0 else subprocess.DEVNULL
            errors = None if rank == 0 else said[rank]
            running.append(subprocess.Popen(command, env=environment, stdout=output, stderr=errors))
        with _passed_on(running):
            failed = _wait(running)
        if failed is None:
            return 0
        if failed > 0:
            sys.stderr.write(f"process {failed + 1} of {count}: {_last_line(said[failed])}\n")
    code = running[failed].returncode
    return 128 - code if code < 0 else code


def _wait(running: Sequence["subprocess.Popen[bytes]"]) -> int | None:
    """Number of the process that failed first, None where all ended well."""
    failed, since = None, 0.0
    looked_every_s = 0.1
    grace_s = 12.0  # from the end of one process to the forced end of the others; a training forces its own after 8
    while any(process.poll() is None for process in running):
        for rank, process in enumerate(running):
            if failed is None and process.returncode:
                failed, since = rank, time.monotonic()
                for other in running:
                    if other.poll() is None:
                        other.terminate()
        if failed is not None and time.monotonic() - since > grace_s:
            for process in running:
                if process.poll() is None:
                    process.kill()
        time.sleep(looked_every_s)
    ended = [rank for rank, process in enumerate(running) if process.returncode]
    return failed if failed is not None else next(iter(ended), None)


@contextlib.contextmanager
def _passed_on(running: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    """Inside, signals go to all processes instead of ending this one."""

    def pass_on(number: int, _: object) -> None:
        for process in running:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "ended without a word"
