"""Name of a video -> how ffmpeg encodes it; frames or sound -> an ffmpeg process that is fed as they come."""

import contextlib
import errno
import signal
import subprocess
import tempfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from talkface.errors import MediaError, PassingError

FULL = "the disk is full; free some space or write elsewhere"
KILLED = "free some memory and try again"


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
        pipe_bytes = 1 << 20  # Linux's limit; with its usual 64 KiB each frame is handed over in many small steps
        try:
            # a session of its own: Ctrl-C reaches this program only, which then ends ffmpeg and removes its files
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
                pipesize=pipe_bytes,
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
        ahead_bytes = 16 << 20  # that may wait for ffmpeg while the next frames are made
        if not self._hand_over(ahead_bytes):
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
        output = self._errors.read().decode(errors="replace").strip()
        self._errors.close()
        if code != 0:
            why = reason(code, output)
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


def reason(code: int, output: str) -> str:
    """ffmpeg's exit code and words -> what the user can do something about."""
    if "No space left on device" in output or code == 256 - errno.ENOSPC:  # whose words found no room either
        return FULL
    if code == -getattr(signal, "SIGXFSZ", 0) or "File too large" in output:
        return "the file would be larger than allowed here (ulimit -f); write elsewhere"
    if code < 0:
        return f"ffmpeg was ended by signal {-code}; {KILLED}"
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[0].strip() if lines else f"ffmpeg ended with code {code}"


SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".gif", ".png")

TRANSPARENT = (".mov", ".webm", ".png")


@dataclass(frozen=True)
class FormatSettings:
    """Quality settings of the encoders."""

    crf: int = 17  # constant quality; 17-18 is where H.264 differences stop being visible
    aac_bitrate: int = 160_000  # bits per second
    preset: str = "veryfast"  # of x264
    # and without the last step of its motion search: three quarters of the time, the same SSIM (.992), 8 % larger files
    search: str = "subme=1:b-adapt=0"
    # of x264 for frames so large that few may be in flight
    frugal: str = "rc-lookahead=0:sync-lookahead=0:bframes=0:ref=1:sliced-threads=1:threads=2"


ENCODE = FormatSettings()


BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}


@dataclass(frozen=True)
class Format:
    """Encoding of a video.

    Attributes:
        pictures: ffmpeg's options of the video stream.
        sound: its options of the sound; empty where the format has none.
        subtitles: its codec of a text track; empty where the format has none.
        quicktime: whether it is MP4 or one of its like.
        palette: whether each frame gets a palette of 256 colours.
    """

    pictures: dict[str, Any]
    sound: dict[str, Any] = field(default_factory=dict)
    subtitles: str = ""
    quicktime: bool = False
    palette: bool = False

    @property
    def yuv(self) -> bool:
        """Whether pictures are stored with the BT.709 matrix, not as RGB."""
        return "pix_fmt" in self.pictures and self.pictures["pix_fmt"].startswith("yuv")


def format_of(suffix: str, *, alpha: bool = False, large: bool = False, captions: bool = False) -> Format:
    """Format of a file with this suffix.

    MP4, M4V and MOV hold H.264 and AAC, a transparent MOV ProRes 4444; WebM holds VP9 and Opus; GIF and PNG (animated)
    are silent.

    Args:
        suffix: one of `SUFFIXES`, lower case.
        alpha: whether pictures have a fourth channel.
        large: whether frames are so large that few may be held.
        captions: whether there is a text track.

    Raises:
        MediaError: a transparent video in a format that has no transparency, or captions in one without text tracks.
    """
    if captions and suffix in (".gif", ".png"):
        raise MediaError(f"{suffix} has no text track: leave out --captions-as track, or write .mp4, .mov or .webm")
    if alpha and suffix not in TRANSPARENT:
        raise MediaError(f"{suffix} has no transparency: write .mov (ProRes 4444), .webm (VP9) or .png (animated)")
    aac = {"acodec": "aac", "audio_bitrate": ENCODE.aac_bitrate}
    if suffix == ".webm":
        vp9 = {"vcodec": "libvpx-vp9", "crf": 20, "b:v": 0, "deadline": "good", "cpu-used": 5, "row-mt": 1}
        own = {"pix_fmt": "yuva420p", "auto-alt-ref": 0} if alpha else {"pix_fmt": "yuv420p"}
        return Format({**vp9, **own}, {"acodec": "libopus", "audio_bitrate": 128_000}, "webvtt")
    if suffix == ".gif":
        return Format({"vcodec": "gif", "loop": 0}, palette=True)
    if suffix == ".png":
        return Format({"vcodec": "apng", "f": "apng", "plays": 0, "pix_fmt": "rgba" if alpha else "rgb24"})
    if alpha:
        prores = {"vcodec": "prores_ks", "profile:v": 4, "pix_fmt": "yuva444p10le", "vendor": "apl0", "alpha_bits": 16}
        return Format(prores, aac, "mov_text", quicktime=True)
    h264 = {"vcodec": "libx264", "preset": ENCODE.preset, "crf": ENCODE.crf, "pix_fmt": "yuv420p"}
    h264["x264-params"] = f"{ENCODE.search}:{ENCODE.frugal}" if large else ENCODE.search
    return Format(h264, aac, "mov_text", quicktime=True)


def encoded(frames: "ffmpeg.Stream", chosen: Format) -> "ffmpeg.Stream":
    """RGB frames in the colours of the format: BT.709 as tagged, a palette, or as they are."""
    if chosen.yuv:
        return frames.filter("scale", out_color_matrix="bt709", out_range="tv").filter("setparams", **BT709, range="tv")
    if chosen.palette:
        both = frames.filter_multi_output("split")
        own = both[1].filter("palettegen", stats_mode="single")
        return ffmpeg.filter([both[0], own], "paletteuse", new=1, dither="bayer", bayer_scale=4)
    return frames
