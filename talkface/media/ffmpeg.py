"""ffmpeg graph + bytes -> finished file, or one line that says why not."""

import contextlib
import errno
import signal
import subprocess
import tempfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from talkface.errors import MediaError, PassingError

FULL = "the disk is full; free some space or write elsewhere"
KILLED = "free some memory and try again"
AHEAD_BYTES = 16 << 20  # that may wait for ffmpeg while the next frames are made
PIPE_BYTES = 1 << 20  # Linux's limit; with its usual 64 KiB each frame is handed over in many small steps


class FfmpegProcess:
    """The ffmpeg of imageio-ffmpeg, fed through its standard input."""

    def __init__(self, output: "ffmpeg.Stream", path: Path) -> None:
        """Start it.

        Args:
            output: what ffmpeg-python built, reading from `pipe:0`.
            path: the file the user asked for, for messages.

        Raises:
            MediaError: it cannot be started.
        """
        self._path = path
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process; a pipe could fill up
        stream = output.global_args("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
        arguments = [str(word) for word in ffmpeg.compile(stream, cmd=imageio_ffmpeg.get_ffmpeg_exe())]
        try:
            # a session of its own: Ctrl-C reaches this program only, which then ends ffmpeg and removes its files
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
                pipesize=PIPE_BYTES,
            )
        except OSError as error:
            self._errors.close()
            raise MediaError(f"{path} cannot be written: ffmpeg does not start ({error.strerror})") from error
        self._feeder = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[int, Future[int]]] = deque()  # bytes, and when they are handed over

    def feed(self, data: memoryview) -> None:
        """Hand over bytes, which must stay as they are: they are written in a thread beside.

        Raises:
            PassingError: ffmpeg stopped because the disk is full, or was killed.
            MediaError: it stopped for another reason.
        """
        assert self._process.stdin is not None
        self._waiting.append((data.nbytes, self._feeder.submit(self._process.stdin.write, data)))
        if not self._hand_over(AHEAD_BYTES):
            self.finish()  # why is on its standard error
            raise MediaError(f"{self._path} cannot be written: ffmpeg stopped early")

    def _hand_over(self, most: int) -> bool:
        """Wait until at most so many bytes wait; returns whether ffmpeg takes them."""
        left = sum(size for size, _ in self._waiting)
        while self._waiting and (left > most or self._waiting[0][1].done()):
            size, written = self._waiting.popleft()
            left -= size
            if isinstance(written.exception(), OSError):  # ffmpeg has closed its end
                return False
            written.result()
        return True

    def finish(self) -> None:
        """End the input and wait for the file.

        Raises:
            PassingError: the disk is full, or ffmpeg was killed.
            MediaError: ffmpeg failed for another reason.
        """
        assert self._process.stdin is not None
        whole = self._hand_over(0)
        self._feeder.shutdown(cancel_futures=True)
        with contextlib.suppress(OSError):  # the exit code tells
            self._process.stdin.close()
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        self._errors.close()
        if code != 0:
            why = reason(code, said)
            kind = PassingError if why == FULL or why.endswith(KILLED) else MediaError
            raise kind(f"{self._path} cannot be written: {why}")
        if not whole:
            raise MediaError(f"{self._path} cannot be written: ffmpeg stopped early")

    def kill(self) -> None:
        """End it now, whatever it was doing; harmless after its end."""
        self._process.kill()
        self._feeder.shutdown(cancel_futures=True)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._errors.close()


def reason(code: int, said: str) -> str:
    """ffmpeg's exit code and words -> what the user can do something about."""
    if "No space left on device" in said or code == 256 - errno.ENOSPC:  # whose words found no room either
        return FULL
    if code == -getattr(signal, "SIGXFSZ", 0) or "File too large" in said:
        return "the file would be larger than allowed here (ulimit -f); write elsewhere"
    if code < 0:
        return f"ffmpeg was ended by signal {-code}; {KILLED}"
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[0].strip() if lines else f"ffmpeg ended with code {code}"
