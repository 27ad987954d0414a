"""Photo and microphone, a pipe, or a speech file as if it were spoken now -> a window, a recording, or both."""

import io
import queue
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.live import LiveReport, Moment, Session
from talkface.inference.live_clock import in_time
from talkface.inference.photos import PhotoSource
from talkface.inference.request import AnimateOptions
from talkface.media.microphone import Microphone
from talkface.media.speech import open_speech
from talkface.media.window import Window
from talkface.media.write import VideoWriter, check_output
from talkface.types import SAMPLE_RATE, FloatArray

RATE = 48_000  # Hz, of a microphone
AFTER_S = 0.6  # of an idle face after a speech file


def speak_live(
    animator: Animator,
    photo: PhotoSource | Sequence[PhotoSource],
    speech: str | Path | BinaryIO | None,
    *,
    options: AnimateOptions,
    microphone: str | None = None,
    out: Path | None = None,
    window: bool = True,
    seconds: float | None = None,
) -> LiveReport:
    """Speak until the window is closed, `seconds` are over, the file ends, or Ctrl-C.

    Args:
        animator: its networks are used.
        photo: who speaks.
        speech: file that is spoken as if it came now; a pipe of little-endian int16 samples, 16 kHz, one channel, that
            are spoken as they come, until it ends; None for the microphone.
        options: how the face moves; the recording replaces a file where `force` is on.
        microphone: device, where not the system's own.
        out: recording with sound; without a window a file is worked on as fast as the machine can.
        window: show the person.
        seconds: after which to end.

    Raises:
        ConfigError: neither window nor recording, or options that are not for live sessions.
        MediaError: no microphone, no display, unusable files.
    """
    if out is None and not window:
        raise ConfigError("neither window nor recording asked for: leave --no-window out, or give -o OUT.mp4")
    if out is not None:
        check_output(out, force=options.force)
    sound = open_speech(speech) if isinstance(speech, (str, Path)) else None
    with ExitStack() as stack:
        screen = stack.enter_context(Window("talkface")) if window else None
        rate = sound.mux_format()[0] if sound is not None else RATE if speech is None else SAMPLE_RATE
        session = animator.live(photo, rate, options)
        if sound is None:
            source: Microphone | _Pipe
            if speech is None or isinstance(speech, (str, Path)):
                source = stack.enter_context(Microphone(rate, microphone))
            else:
                source = _Pipe(speech)
            moments = _spoken_now(session, source)
        else:
            moments = _spoken_from(session, sound.mux_blocks(), in_real_time=window)
        try:
            with closing(_recorded(moments, session, out, options)) as shown:
                for moment in shown:
                    if seconds is not None and moment.time_s >= seconds:
                        break
                    if screen is not None and not screen.show(moment.image):
                        break
        except KeyboardInterrupt:  # how a session without a window ends: what was recorded is kept
            if not session.report.frames:
                raise
    return session.report


def _spoken_now(session: Session, source: "Microphone | _Pipe") -> Iterator[Moment]:
    """Moments of what a source gives, in time; the end of a pipe is that of the session, once all was heard."""
    left = round(AFTER_S * session.fps)

    def listen() -> bool:
        nonlocal left
        if not isinstance(source, _Pipe):
            session.push(source.take())
            session.skip_silence()
            return True
        if session.queued_s < 1:  # whoever fills the pipe waits, and its pauses stay as long as they are
            session.push(source.take())
        if source.over:
            session.flush()
            left -= not session.ready
        return left >= 0

    yield from in_time(session, listen)


class _Pipe:
    """Samples that come through a pipe, which a thread reads; it ends with the pipe."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._heard, self._ended = file, queue.Queue[bytes](maxsize=50), threading.Event()
        threading.Thread(target=self._read, name="pipe", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether the pipe has ended and all of it was taken."""
        return self._ended.is_set() and self._heard.empty()

    def take(self) -> FloatArray:
        """`[S]` float32 that came since the last call, perhaps none."""
        parts = []
        while not self._heard.empty():
            parts.append(self._heard.get())
        return np.frombuffer(b"".join(parts), "<i2").astype(np.float32) / 32_768

    def _read(self) -> None:
        bytes_of_20_ms = SAMPLE_RATE // 50 * 2
        while part := self._file.read(bytes_of_20_ms):
            self._heard.put(part[: len(part) // 2 * 2])
        self._ended.set()


def _spoken_from(
    session: Session, blocks: Iterable[npt.NDArray[np.float32]], *, in_real_time: bool
) -> Iterator[Moment]:
    """Moments of a whole speech, read as it is needed, and of the idle face after it."""
    waiting, over = iter(blocks), False
    left = round(AFTER_S * session.fps)

    def read() -> bool:
        nonlocal over, left
        while not over and session.queued_s < 1:
            block = next(waiting, None)
            over = block is None
            if block is None:
                session.flush()
            else:
                session.push(block.mean(1))
        left -= over and not session.ready
        return left >= 0

    if in_real_time:
        yield from in_time(session, read)
        return
    while read():
        yield session.step()


def _recorded(
    moments: Iterator[Moment], session: Session, out: Path | None, options: AnimateOptions
) -> Generator[Moment, None, None]:
    """The same moments, written to `out` where it is given; the file is finished when whoever reads them stops."""
    if out is None:
        yield from moments
        return
    first = next(moments, None)
    if first is None:
        return
    height, width = first.image.shape[:2]
    with (
        _Recording(session.rate) as sound,
        VideoWriter(out, (width, height), session.fps, sound, "live", force=options.force) as writer,
    ):
        for moment in chain([first], moments):
            sound.add(moment.audio)
            writer.write(moment.image)
            try:
                yield moment
            except (GeneratorExit, KeyboardInterrupt):
                return


class _Recording:
    """Sound that was heard, on the disk until the video is written; the writer's sound track."""

    path: Path | None = None

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the recording

    def __enter__(self) -> "_Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, audio: FloatArray) -> None:
        """Keep `[S]` samples more."""
        self._file.seek(0, io.SEEK_END)
        self._file.write(np.ascontiguousarray(audio, np.float32).tobytes())

    def mux_format(self) -> tuple[int, int]:
        """Rate and channels."""
        return self._rate, 1

    def mux_blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """`[S, 1]` from the start to the end that there is by then."""
        at = 0
        while True:
            self._file.seek(at)
            block = self._file.read(4 * self._rate)
            if not block:
                return
            at += len(block)
            yield np.frombuffer(block, np.float32)[:, None]
