"""SIGINT, SIGTERM or SIGHUP -> a wish to stop that a training meets after its step, or a forced end soon after."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

import torch
from accelerate import PartialState

from talkface.errors import StoppedError
from talkface.training.engine.launch import ENDING

resume_command: ContextVar[str] = ContextVar("resume_command", default="the same command")
"""The command that resumes the training, which the last line names."""


class StopRequest:
    """Requests to stop so far.

    Attributes:
        number: of the signal; 0 while nobody asked.
        left: what a forced end says of the state on the disk.
        resume: the command that resumes it.
    """

    def __init__(self) -> None:
        self.number = 0
        self.left = ""
        self.resume = resume_command.get()

    def take(self, number: int, _: FrameType | None) -> None:
        """Handler of a signal."""
        self.number = number

    def raise_at(self, step: int, steps: int) -> None:
        """Raises `StoppedError`: the state of `step` is saved."""
        raise StoppedError(self.sentence(self.number, f"at step {step} of {steps}, state saved"), self.number)

    def sentence(self, number: int, where: str) -> str:
        """The last line of a training that a signal ended."""
        return f"stopped by {signal.Signals(number).name} {where}: resume with {self.resume}"


@contextmanager
def stoppable() -> Iterator[StopRequest]:
    """Inside, the signals that end a program set `StopRequest.number`; the step in hand is done first.

    Where that does not come to an end within `GRACE_S` (a long step, an evaluation, a library that does not return) the
    process ends all the same, with one line and the usual exit code. Signals that were ignored stay so, and in a thread
    nothing is caught, since only the main thread can.
    """
    wish = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    caught = {number: signal.getsignal(number) for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
    ours, theirs = socket.socketpair()  # written to at once, where a handler waits for the library in hand
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    over = threading.Event()
    threading.Thread(target=_watch, args=(ours, tuple(caught), over, wish), daemon=True).start()
    try:
        for number in caught:
            signal.signal(number, wish.take)
        yield wish
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)
        over.set()
        signal.set_wakeup_fd(before)
        theirs.close()


def asked_of_any(processes: PartialState, wish: StopRequest) -> bool:
    """Whether any process of the run was asked to stop; then `wish` knows the signal in all of them."""
    if processes.num_processes > 1:
        number = torch.tensor([wish.number], device=processes.device)
        torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
        wish.number = int(number)
    return wish.number > 0


def _watch(signals: socket.socket, numbers: tuple[int, ...], over: threading.Event, wish: StopRequest) -> None:
    """Wait for a signal, then for the end of the training, then end the process."""
    with contextlib.closing(signals):
        while came := signals.recv(1):  # empty where the other end is closed: the training is over
            if came[0] in numbers:
                break
        else:
            return
    grace_s = 8.0  # from the signal to the forced end
    if over.wait(grace_s):
        return
    line = wish.sentence(came[0], f"in the middle of a step{wish.left}")
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"error: {line}\n")
        sys.stderr.flush()
    os._exit(128 + came[0])
