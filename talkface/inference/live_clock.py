"""Session + clock -> its moments when they are due, none faster and none later than the machine can."""

import time
from collections.abc import Callable, Iterator

from talkface.inference.live import Moment, Session

BEHIND = 1.0  # frames that a picture may be late before it is left out, so that the sound stays in time


def in_time(
    session: Session,
    go_on: Callable[[], bool] = lambda: True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Moment]:
    """Moments of a session at its frame rate, until `go_on` says no.

    Where the machine does not keep up, pictures are repeated (`LiveReport.repeated`) and the sound goes on.
    """
    start, first = clock(), session.report.frames
    while go_on():
        due = start + float((session.report.frames - first) / session.fps)
        now = clock()
        if now < due:
            sleep(due - now)
        yield session.step(render=now - due < BEHIND / float(session.fps))
