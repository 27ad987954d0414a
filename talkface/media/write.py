"""RGB frames (+ speech) -> MP4, MOV, WebM, GIF or PNG, complete or not there at all."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import cv2
import ffmpeg
import numpy as np
import numpy.typing as npt

from talkface.errors import MediaError, raise_if_stopped
from talkface.files.write import LONGEST_NAME, atomic_file, hidden_file, sweep
from talkface.media.ffmpeg import BT709, SUFFIXES, FfmpegProcess, encoded, format_of
from talkface.media.mark.spread import InvisibleMark, can_bear, payload_of
from talkface.media.mark.tag import Origin, can_sign, mark_comment
from talkface.types import Image


@dataclass(frozen=True)
class WriteLimits:
    """Sizes of written videos."""

    large_pixels: int = 8_000_000  # above this, few frames may be in flight: 8K takes 1.4 GB then, and 3.4 GB otherwise
    largest_side: int = 16_384  # pixels, H.264's limit
    smallest_side: int = 16  # pixels, x264's limit


WRITE = WriteLimits()


class SoundTrack(Protocol):
    """Speech as the writer needs it; `audio.io.SpeechStream` is one."""

    @property
    def path(self) -> Path | None: ...

    def mux_format(self) -> tuple[int, int]: ...

    def mux_blocks(self) -> Iterable[npt.NDArray[np.float32]]: ...


class VideoWriter:
    """Context manager that takes frames one by one and leaves a finished video, or nothing.

    Frames go to ffmpeg as they come, and the sound of the same time to a second one, a second behind; at the end the
    sound is cut or padded with silence to the exact length of the pictures, and both are put into one file. All steps
    write beside `path` under temporary names; the last act is the rename, which refuses a file that appeared in the
    meantime unless `force` is on.

    yuv420p stores colour for 2x2 pixels, so an odd width or height is padded by repeating the last column or row (as
    ffmpeg's `pad=ceil(iw/2)*2` does, but without its black line): nothing of the photo is lost.

    Frames of synthetic videos get an invisible mark on the way (`mark.spread`); the given arrays stay as they are.

    Colours are stored with the BT.709 matrix, and matrix, primaries and transfer are tagged so in stream and container.
    """

    def __init__(
        self,
        path: Path | str,
        size: tuple[int, int],
        fps: Fraction,
        speech: SoundTrack | None = None,
        comment: str = "",
        force: bool = False,
        threads: int = 0,
        synthetic: bool = True,
        origin: Origin | None = None,
        alpha: bool = False,
        captions: str = "",
    ) -> None:
        """Check everything that can be checked before the first frame is made.

        Args:
            path: its suffix says the format, one of `ffmpeg.SUFFIXES`; GIF and PNG are silent.
            size: width, height of the frames in pixels.
            fps: exact frames per second.
            speech: sound track; None leaves the video silent.
            comment: what made the video, for the tag that says it is synthetic.
            force: replace a file that is there.
            synthetic: False for footage that is only cut out and stored again, which must bear neither tag nor mark.
            origin: what the video was made of and who signs it; if None the local certificate does, where there is one.
            alpha: frames have a fourth channel, for a transparent background.
            captions: SubRip text of a text track.
            threads: of the encoder, 0 as many as the machine suggests. The bytes depend on their number.

        Raises:
            MediaError: wrong suffix, folder missing or not writable, file exists, it is the speech itself, or the size
                is outside H.264's limits.
        """
        self.path = Path(path)
        self.size = size
        self.fps = Fraction(fps)
        self.frames_written = 0
        self._alpha = alpha
        self._synthetic = synthetic
        self._origin = _signing_origin(self.path, origin) if synthetic else Origin()
        self._mark: InvisibleMark | None = None  # made from the first frame
        self._comment = mark_comment(comment) if synthetic else comment
        self._threads = threads
        check_output(self.path, force=force)
        check_not_speech(self.path, speech)
        if not all(WRITE.smallest_side <= side <= WRITE.largest_side for side in size):
            raise MediaError(
                f"a video of {size[0]}x{size[1]} cannot be written: each side must be"
                f" {WRITE.smallest_side} to {WRITE.largest_side}"
            )
        large = size[0] * size[1] > WRITE.large_pixels
        self._format = format_of(self.path.suffix.lower(), alpha=alpha, large=large, captions=bool(captions))
        self._speech = speech if self._format.sound else None
        self._captions = captions
        self._captions_file = self.path
        self._target = followed(self.path)
        self._force = force
        self._files = contextlib.ExitStack()
        # hidden files beside it, once entered
        self._pictures = self._sound = self._whole = self._signed = self.path
        self._encoder: FfmpegProcess | None = None
        self._sound_encoder: FfmpegProcess | None = None

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as files:
            self._signed = files.enter_context(atomic_file(self._target, exclusive=not self._force))
            unsigned = self._origin.credentials is not None
            self._whole = files.enter_context(hidden_file(self._target)) if unsigned else self._signed
            alone = self._speech is None and not self._captions
            if self._captions:
                self._captions_file = files.enter_context(hidden_file(self._target.with_suffix(".srt")))
                self._captions_file.write_text(self._captions, encoding="utf-8")
            self._pictures = self._whole if alone else files.enter_context(hidden_file(self._target))
            files.callback(self._end_encoders)
            self._encoder = FfmpegProcess(self._picture_output(), self.path)
            if self._speech is not None:
                self._sound = files.enter_context(hidden_file(self._target))
                self._start_sound(self._speech)
            self._files = files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._files:
            if error is not None:
                raise error
            self._finish()

    def write(self, frame: Image) -> None:
        """Append one frame `[H, W, 3]` RGB uint8 of the writer's size, `[H, W, 4]` for a transparent video.

        Raises:
            MediaError: the frame is of another size or type, or ffmpeg stopped, as on a full disk.
        """
        raise_if_stopped()
        width, height = self.size
        expected = (height, width, 3 + self._alpha)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise MediaError(f"invalid frame {list(frame.shape)} {frame.dtype}: expected {list(expected)} uint8")
        assert self._encoder is not None, "use the writer in a `with` statement"
        frame = self._marked(frame) if self._synthetic and can_bear(width, height) else frame.copy()  # it waits
        if width % 2 or height % 2:
            frame = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE).astype(np.uint8)
        self._encoder.feed(np.ascontiguousarray(frame).data)
        self.frames_written += 1
        if self._sound_encoder is not None:  # a second at a time, and one behind: a recording has grown as far then
            self._feed_sound(self._sound_encoder, self.frames_written // self.fps - 1)

    def _marked(self, frame: Image) -> Image:
        colour = np.ascontiguousarray(frame[..., :3])
        if self._mark is None:
            self._mark = InvisibleMark(colour, payload_of(colour, self._comment))
        return np.dstack([self._mark(colour), frame[..., 3]]) if self._alpha else self._mark(colour)

    def _finish(self) -> None:
        if self.frames_written == 0:
            raise MediaError(f"no frame for {self.path}: the speech is shorter than one frame at {self.fps} fps")
        assert self._encoder is not None
        self._encoder.finish()
        self._encoder = None
        if self._speech is not None or self._captions:
            self._add_tracks()
        if self._origin.credentials is not None:
            from talkface.media.mark.manifest import KINDS, sign_file

            mark = None if self._mark is None else self._mark.payload
            sign_file(self._whole, self._signed, KINDS[self.path.suffix.lower()], self._origin, mark)

    def _start_sound(self, speech: SoundTrack) -> None:
        self._rate, self._channels = speech.mux_format()
        self._blocks, self._block = iter(speech.mux_blocks()), np.zeros((0, self._channels), np.float32)
        self._samples = 0  # handed over
        pipe = ffmpeg.input("pipe:0", format="f32le", ar=self._rate, ac=self._channels)
        output = pipe.output(f"file:{self._sound}", **self._format.sound)
        self._sound_encoder = FfmpegProcess(output, self.path)

    def _feed_sound(self, encoder: FfmpegProcess, time_s: Fraction | int) -> None:
        """Hand over the sound up to a time, silence where there is no more."""
        while (missing := round(time_s * self._rate) - self._samples) > 0:
            if len(self._block) == 0:
                silence = np.zeros((min(missing, self._rate), self._channels), np.float32)
                self._block = next(self._blocks, silence)
            encoder.feed(np.ascontiguousarray(self._block[:missing]).data)
            self._samples += len(self._block[:missing])
            self._block = self._block[missing:]

    def _add_tracks(self) -> None:
        if self._sound_encoder is not None:
            self._feed_sound(self._sound_encoder, self.frames_written / self.fps)
            self._sound_encoder.finish()
            self._sound_encoder = None
        self._encoder = FfmpegProcess(self._whole_output(), self.path)
        self._encoder.finish()
        self._encoder = None

    def _picture_output(self) -> "ffmpeg.Stream":
        width, height = (side + side % 2 for side in self.size)
        large = width * height > WRITE.large_pixels
        frames = ffmpeg.input(
            "pipe:0",
            format="rawvideo",
            pix_fmt="rgba" if self._alpha else "rgb24",
            video_size=(width, height),
            framerate=str(self.fps),
            thread_queue_size=1 if large else 8,
        )
        threads = {"threads": self._threads} if self._threads else {}
        colours = {**BT709, "color_range": "tv"} if self._format.yuv else {}
        return encoded(frames, self._format).output(
            f"file:{self._pictures}", **self._format.pictures, **colours, **self._container_options(), **threads
        )

    def _whole_output(self) -> "ffmpeg.Stream":
        streams, codecs = [ffmpeg.input(f"file:{self._pictures}").video], {"codec": "copy"}
        if self._speech is not None:
            streams.append(ffmpeg.input(f"file:{self._sound}").audio)
        if self._captions:
            streams.append(ffmpeg.input(f"file:{self._captions_file}", format="srt")["s"])
            codecs |= {"scodec": self._format.subtitles}
        return ffmpeg.output(*streams, f"file:{self._whole}", **codecs, **self._container_options())

    def _container_options(self) -> dict[str, str]:
        options = {"metadata": f"comment={self._comment}"}
        if self._format.quicktime:
            # a time scale that is a multiple of the rate keeps every time stamp exact
            options["movflags"] = "+faststart+write_colr"
            options["video_track_timescale"] = str(self.fps.numerator * max(1, 12_800 // self.fps.numerator))
        return options

    def _end_encoders(self) -> None:
        for encoder in (self._encoder, self._sound_encoder):
            if encoder is not None:
                encoder.kill()
        self._encoder = self._sound_encoder = None


def _signing_origin(path: Path, origin: Origin | None) -> Origin:
    """The given origin, or one that the local certificate signs; one without a signature where that cannot be used."""
    signs = can_sign() if origin is None else origin.credentials is not None
    if not signs:
        return Origin()
    from talkface.media.mark.manifest import KINDS, find_credentials

    if path.suffix.lower() not in KINDS:
        return Origin()
    if origin is not None:
        return origin
    try:
        return Origin(credentials=find_credentials(None, None, None))
    except MediaError:  # a home that may not be written to: the tag and the invisible mark stay
        return Origin()


def check_not_speech(path: Path, speech: SoundTrack | None) -> None:
    """Raises `MediaError` where a video would replace the speech that it is made of."""
    if speech is not None and speech.path is not None and path.exists() and speech.path.samefile(path):
        raise MediaError(f"{path} is the speech itself: write the video to another file")


def followed(path: Path) -> Path:
    """Where to write for a path that a user gave: the target of a symbolic link, so that the link stays one."""
    return path.resolve() if path.is_symlink() else path


def check_output(path: Path, *, force: bool = False, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Refuse an output file before any work is done for it, and remove what killed processes left of it.

    Raises:
        MediaError: wrong suffix, folder missing or not writable, or the file exists and `force` is off.
    """
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise MediaError(f"the name {path.name[:20]}... is too long: give one of at most {LONGEST_NAME} bytes")
    if path.is_dir():
        raise MediaError(f"{path} is a folder: give a file name such as {path / ('speaking' + suffixes[0])}")
    if path.suffix.lower() not in suffixes:
        raise MediaError(f"output {path} must end in {' or '.join(suffixes)}: rename it")
    parent = followed(path).parent
    if not parent.is_dir():
        raise MediaError(f"there is no folder {parent}: make it with mkdir -p, or give another output")
    if path.exists() and not force:
        raise MediaError(f"{path} exists: give another name, or --force (in Python force=True) to replace it")
    if not os.access(parent, os.W_OK):
        raise MediaError(f"nothing may be written to {parent}: change its permissions or give another output")
    sweep(followed(path))
