"""Speech in segments -> moments in time, and the end of every segment when it was heard."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from talkface.inference.live import Moment, Session
from talkface.inference.live_clock import Pace
from talkface.media.sample_rate import RateConverter
from talkface.serve.marked import Marked


class SegmentEnd:
    """All of a segment was heard."""


class AgentFace:
    """A session that is driven from an event loop; rendering runs in a thread."""

    def __init__(self, session: Session) -> None:
        """Take a session of its own."""
        self.session = session
        self._converter: tuple[int, RateConverter] | None = None
        self._pushed_s, self._ends = 0.0, []  # type: tuple[float, list[float]]
        self._closed, self._marked = False, Marked()

    def push(self, pcm: bytes, rate: int, channels: int = 1) -> None:
        """Little-endian int16 of any rate; of several channels the mean is heard."""
        samples = np.frombuffer(pcm, "<i2").reshape(-1, channels).mean(1).astype(np.float32) / 32_768
        if self._converter is None or self._converter[0] != rate:
            self._converter = rate, RateConverter(rate, self.session.rate)
        samples = self._converter[1].push(samples)
        self.session.push(samples)
        self._pushed_s += len(samples) / self.session.rate

    def end_segment(self) -> None:
        """Mark the pushed sound as a whole utterance; its end is reported once it was played."""
        self.session.flush()
        self._ends.append(self._pushed_s)

    def clear(self) -> None:
        """Interrupt: nothing of what was pushed is heard any more, and no end of it is reported."""
        self.session.interrupt()
        self._pushed_s, self._ends = 0.0, []

    def close(self) -> None:
        """End the iteration."""
        self._closed = True

    async def moments(self) -> AsyncIterator[Moment | SegmentEnd]:
        """Every moment when it is due, and the ends between them."""
        pace = Pace(self.session)
        while not self._closed:
            await asyncio.sleep(pace.wait_s())
            moment = await asyncio.to_thread(self.session.step, render=pace.render())
            yield moment._replace(image=self._marked(moment.image))
            while self._ends and self._pushed_s - self.session.unheard_s >= self._ends[0] - 1e-6:
                self._ends.pop(0)
                yield SegmentEnd()
