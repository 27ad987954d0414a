"""Speech as it comes -> frames and sound in step, from one moment to the next, without end."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from talkface.errors import ConfigError
from talkface.inference.live_motion import MotionStream, Movement
from talkface.inference.output import Finish
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import Subject
from talkface.landmarks.motion import close_eyes
from talkface.media.sample_rate import RateConverter
from talkface.models.mouth_stream import LOOK_AHEAD_S
from talkface.models.speech_network import FPS
from talkface.renderers.base import Renderer
from talkface.types import SAMPLE_RATE, FloatArray, HeadPose, Image

LONGEST_QUEUE_S = 600.0  # of speech that waits: whoever makes speech faster than it is spoken
RESAMPLING_S = 0.01  # that another sample rate takes more
RATES = (8_000, 96_000)  # Hz


class Moment(NamedTuple):
    """One frame and the sound that is heard while it is shown.

    Attributes:
        image: `[H, W, 3]` RGB uint8.
        audio: `[S]` float32 at the session's sample rate, S = rate / fps to within a sample.
        time_s: when both begin, `index / fps` exactly; sound and picture share this one clock, so none drifts.
        speaking: whether pushed sound is heard in it.
    """

    image: Image
    audio: FloatArray
    time_s: Fraction
    speaking: bool


@dataclass(frozen=True)
class LiveReport:
    """Statistics of a session so far.

    Attributes:
        frames: moments that were made.
        idle: of those without pushed sound.
        repeated: of those that show the picture before, as there was no time to render.
        starved: times that speech was cut by silence, as the rest of it had not come.
        slipped_s: seconds that the stream stood still, as the machine could not make even the sound in time.
        dropped_s: seconds of pushed sound that were never heard: interrupted, or silence that was left out.
    """

    frames: int = 0
    idle: int = 0
    repeated: int = 0
    starved: int = 0
    slipped_s: float = 0.0
    dropped_s: float = 0.0


class Session:
    """A person who speaks what is pushed, and idles until then.

    Iterate for the moments that are ready now; `step` makes one more whether or not there is speech, as a clock does
    (`inference.live_clock`). What is pushed is heard and seen `delay_s` later, 160 ms at 25 frames/s: a mouth is made
    from the sound up to 200 ms after its frame starts. Such mouths differ from those of `animate`, which has the
    whole clip: openings correlate by 0.84 in the mean of the five sentences in demo/ and cli/ (0.78 to 0.95, lag 0,
    their standard deviation 1.03 of animate's); were level and mean spectrum known beforehand by 0.91, and with 300 ms
    of sound by 0.96.

    `push`, `flush` and `interrupt` may be called from another thread than `step`.
    """

    def __init__(
        self,
        renderer: Renderer,
        motion: MotionStream,
        subject: Subject,
        sample_rate: int = SAMPLE_RATE,
        options: AnimateOptions | None = None,
    ) -> None:
        """Get ready; `Animator.live` is the way in for photos.

        Args:
            renderer: makes frames.
            motion: of this subject, with these options; at rest.
            subject: who speaks.
            sample_rate: of what is pushed and of what comes out, in Hz.
            options: frame rate and how far the mouth moves.

        Raises:
            ConfigError: a sample rate out of range, or an option that needs the whole speech.
        """
        options = options or AnimateOptions()
        check_live(sample_rate, options)
        self.fps, self.rate, self.options = options.fps, sample_rate, options
        self._renderer, self._subject, self._motion = renderer, subject, motion
        self._identity, self._finish = subject.identity.streaming(), Finish(options, subject.shots.shots[0])
        self._to_network = RateConverter(sample_rate, SAMPLE_RATE)
        self._movements: deque[Movement] = deque()
        self._passed = 0  # movements that were taken from the queue
        self._queue: deque[FloatArray] = deque()
        self._queued, self._flushed, self._interrupted = 0, False, False
        self._lock = threading.Lock()
        self._coming = np.zeros(0, np.float32)  # sound that was fed and is not yet heard
        self._spoken: deque[tuple[int, int]] = deque()  # samples of the stream, from and to, that were pushed
        self._image: Image | None = None
        self._report = LiveReport()
        self._fed = self._heard = 0
        self.delay_s = _delay_s(self.fps, sample_rate)
        self._feed(np.zeros(round(self.delay_s * sample_rate), np.float32))

    @property
    def report(self) -> LiveReport:
        """Statistics so far."""
        return self._report

    @property
    def queued_s(self) -> float:
        """Seconds of pushed speech that were not yet taken."""
        return self._queued / self.rate

    @property
    def unheard_s(self) -> float:
        """Seconds of pushed speech that were not yet heard, taken or not."""
        return (self._queued + (0 if self._interrupted else self._fed_unheard())) / self.rate

    @property
    def ready(self) -> bool:
        """Whether speech is there for one more frame."""
        return self._queued >= self._samples_of(self._report.frames) or (self._flushed and self._busy)

    @property
    def _busy(self) -> bool:
        return self._queued > 0 or self._fed_unheard() > 0

    def _fed_unheard(self) -> int:
        """Samples of pushed sound that were fed and not yet heard."""
        return sum(end - max(start, self._heard) for start, end in tuple(self._spoken) if end > self._heard)

    def push(self, pcm: npt.NDArray[np.floating] | npt.NDArray[np.int16] | bytes) -> None:
        """Add speech: `[S]` float in -1..1 or int16, or the bytes of little-endian int16, at the session's rate.

        Raises:
            ConfigError: another type or shape, or more than 600 s wait already.
        """
        samples = _as_samples(pcm)
        if self._queued + len(samples) > LONGEST_QUEUE_S * self.rate:
            raise ConfigError(f"{self.queued_s:.0f} s of speech wait already: push on when they were spoken")
        with self._lock:
            self._queue.append(samples)
            self._queued += len(samples)
            self._flushed = self._flushed and not len(samples)

    def flush(self) -> None:
        """End the utterance: the sound that remains need not fill a frame."""
        with self._lock:
            self._flushed = True

    def interrupt(self) -> None:
        """Stop speaking: what was pushed and not yet heard is dropped, and the mouth closes within 120 ms."""
        with self._lock:
            self._drop(self._queued)
            self._queue.clear()
            self._queued, self._flushed, self._interrupted = 0, True, True

    def skip_silence(self, keep_s: float = 0.2, quieter_than: float = 1e-3) -> None:
        """Catch up with somebody who speaks now: drop waiting sound beyond `keep_s` as far as it is silent."""
        with self._lock:
            while self._queue and self._queued - len(self._queue[0]) >= keep_s * self.rate:
                if float(np.abs(self._queue[0]).max(initial=0.0)) > quieter_than:
                    return
                gone = len(self._queue.popleft())
                self._queued -= gone
                self._drop(gone)

    def slip(self, seconds: float) -> None:
        """Count that the stream stood still, see `inference.live_clock`."""
        with self._lock:
            self._report = replace(self._report, slipped_s=self._report.slipped_s + seconds)

    def __iter__(self) -> Iterator[Moment]:
        while self.ready:
            yield self.step()

    def step(self, *, render: bool = True) -> Moment:
        """The next moment, idle where no speech is there for a whole one.

        Args:
            render: False repeats the last picture, for a clock that has run ahead.
        """
        index = self._report.frames
        count = self._samples_of(index)
        with self._lock:
            if self._interrupted:
                self._fall_silent()
            taken, self._interrupted = self._take(count), False
        self._feed(taken)
        audio, self._coming = self._coming[:count], self._coming[count:]
        speaking = bool(self._spoken) and self._spoken[0][0] < self._heard + count
        self._heard += count
        while self._spoken and self._spoken[0][1] <= self._heard:
            self._spoken.popleft()
        movement = self._movement(index)
        repeated = not render and self._image is not None
        if not repeated:
            self._image = self._render(movement)
        assert self._image is not None
        with self._lock:
            now = self._report
            counts = {"idle": now.idle + (not speaking), "repeated": now.repeated + repeated}
            self._report = replace(now, frames=index + 1, **counts)
        return Moment(self._image, audio, index / self.fps, speaking)

    def _fall_silent(self) -> None:
        """Drop the sound that was fed and not yet heard."""
        self._drop(self._fed_unheard())
        self._coming = np.zeros_like(self._coming)
        self._spoken.clear()
        self._motion.silence()

    def _drop(self, samples: int) -> None:
        self._report = replace(self._report, dropped_s=self._report.dropped_s + samples / self.rate)

    def _samples_of(self, index: int) -> int:
        """Samples of frame `index`; the boundaries are exact, so that nothing adds up."""
        return round((index + 1) * self.rate / self.fps) - round(index * self.rate / self.fps)

    def _take(self, count: int) -> FloatArray:
        """`[count]` samples of the queue, or silence where they have not come."""
        whole = self._queued >= count or (self._flushed and self._queued > 0)
        if not whole:
            if not self._flushed and self._spoken and self._spoken[-1][1] == self._fed:
                self._report = replace(self._report, starved=self._report.starved + 1)
            return np.zeros(count, np.float32)
        parts, missing = [], count
        while missing and self._queue:
            first = self._queue.popleft()
            parts.append(first[:missing])
            if len(first) > missing:
                self._queue.appendleft(first[missing:])
            missing -= len(parts[-1])
        self._queued -= count - missing
        end = self._fed + count - missing
        start = self._spoken.pop()[0] if self._spoken and self._spoken[-1][1] == self._fed else self._fed
        self._spoken.append((start, end))
        return np.concatenate([*parts, np.zeros(missing, np.float32)])

    def _feed(self, samples: FloatArray) -> None:
        self._fed += len(samples)
        self._coming = np.concatenate([self._coming, samples])
        self._movements.extend(self._motion.push(self._to_network.push(samples)))

    def _movement(self, index: int) -> Movement:
        """State of the face in the middle of frame `index`."""
        place = max(Fraction(0), (index + Fraction(1, 2)) * FPS / self.fps - Fraction(1, 2))
        while self._passed < int(place):
            self._movements.popleft()
            self._passed += 1
        share = float(place - int(place))
        return self._movements[0].toward(self._movements[1], share) if share else self._movements[0]

    def _render(self, movement: Movement) -> Image:
        pose = HeadPose(movement.pose[None, :3].astype(np.float32), movement.pose[None, 3:].astype(np.float32))
        scale = self.options.expression_scale
        points = self._subject.retargeter(movement.displacement[None], pose, expression_scale=scale)
        points = close_eyes(points, np.array([movement.closure]), self._renderer.tuning.motion)
        rendered = next(iter(self._renderer.render(self._identity, points)))
        return self._finish.letter(self._finish.person(rendered), 0.0)


def check_live(sample_rate: int, options: AnimateOptions) -> None:
    """Raises `ConfigError` where a live session cannot be had so."""
    if not isinstance(sample_rate, int) or not RATES[0] <= sample_rate <= RATES[1]:
        raise ConfigError(f"invalid sample rate {sample_rate!r}: expected {RATES[0]} to {RATES[1]} Hz")
    for name in ("landmarks", "head_from", "save_landmarks", "save_maps", "report", "captions", "alpha", "panel"):
        if getattr(options, name) not in (None, False):
            raise ConfigError(f"{name} is for whole videos and not for a live session: leave it out")


def _delay_s(fps: Fraction, sample_rate: int) -> float:
    """Delay of the sound so that 200 ms of it are known when its frame starts.

    Of these, the frame's own sound is there anyway; between network frames the second neighbour must be known too.
    """
    ahead = (
        Fraction(LOOK_AHEAD_S) - 1 / fps
        if fps == FPS
        else Fraction(LOOK_AHEAD_S) + Fraction(1, 2 * FPS) - 1 / (2 * fps)
    )
    return max(0.0, float(ahead)) + (0.0 if sample_rate == SAMPLE_RATE else RESAMPLING_S)


def _as_samples(pcm: object) -> FloatArray:
    if isinstance(pcm, (bytes, bytearray, memoryview)):
        if len(pcm) % 2:
            raise ConfigError(f"invalid sound of {len(pcm)} bytes: expected 2 per sample, little-endian int16")
        pcm = np.frombuffer(pcm, "<i2")
    if not isinstance(pcm, np.ndarray) or pcm.ndim != 1:
        raise ConfigError(f"invalid sound of type {type(pcm).__name__}: expected [S] samples of one channel, or bytes")
    if pcm.dtype == np.int16:
        return (pcm / np.float32(32_768)).astype(np.float32)
    if not np.issubdtype(pcm.dtype, np.floating):
        raise ConfigError(f"invalid sound of {pcm.dtype}: expected float samples in -1..1, or int16")
    return np.clip(np.nan_to_num(pcm.astype(np.float32)), -1, 1)
