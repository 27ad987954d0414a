"""Session + clock -> its moments when they are due, none faster and none later than the machine can."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from talkface.inference.live import Moment, Session


@dataclass(frozen=True)
class PaceSettings:
    """How late a stream's pictures may be."""

    behind: float = 1.0  # frames that a picture may be late before it is left out, so that the sound stays in time
    longest_still: int = 4  # frames after which a picture is made however late it is
    slip_s: float = 0.5  # from which being late is no passing matter: the clock is set back, and the stream pauses


PACE = PaceSettings()


class Pace:
    """When a session's next moment is due, and whether there is time for its picture.

    Where the machine does not keep up, pictures are repeated and the sound goes on; where it does not keep up even so,
    the clock slips. Both are counted in the session's report.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session, self._clock = session, clock
        self._start, self._first = clock(), session.report.frames
        self._still = 0

    def wait_s(self) -> float:
        """Seconds until the next moment is due, 0 where it is late."""
        return max(0.0, -self._late_s())

    def render(self) -> bool:
        """Whether the next moment's picture is to be made; call once per moment, when it is due."""
        late = self._late_s()
        if late > PACE.slip_s:
            self._start += late
            self._session.slip(late)
        in_time = late < PACE.behind / float(self._session.fps)
        self._still = 0 if in_time or self._still + 1 >= PACE.longest_still else self._still + 1
        return self._still == 0

    def _late_s(self) -> float:
        frames = self._session.report.frames - self._first
        return self._clock() - self._start - float(frames / self._session.fps)


def in_time(
    session: Session,
    go_on: Callable[[], bool] = lambda: True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Moment]:
    """Moments of a session at its frame rate, until `go_on` says no."""
    pace = Pace(session, clock)
    while go_on():
        sleep(pace.wait_s())
        yield session.step(render=pace.render())
