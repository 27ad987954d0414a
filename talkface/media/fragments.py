"""RGB frames and sound as they come -> fragmented MP4 (H.264, AAC) that a browser plays while it grows."""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

from talkface.media.mark.tag import mark_comment
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class FragmentSettings:
    """Rates of live fragments."""

    aac_rate: int = 48_000
    key_every: int = 25  # frames: a second
    # samples of silence that the AAC encoder puts in front, for which as many of the start are left out
    priming: int = 1024


FRAGMENTS = FragmentSettings()


class _Growing:
    """A file that only grows, from which what is new is taken."""

    def __init__(self) -> None:
        self.new = bytearray()

    def write(self, data: bytes) -> int:
        self.new += data
        return len(data)


class FragmentWriter:
    """Frames and sound -> bytes, a fragment per frame or two, marked as synthetic."""

    def __init__(self, size: tuple[int, int], fps: Fraction, rate: int) -> None:
        """Take width and height of the frames, cut to even ones; frames per second; samples per second."""
        self._file, self._fps = _Growing(), fps
        options = {
            "movflags": "empty_moov+default_base_moof",
            "frag_duration": str(round(1_000_000 / fps)),
            "avoid_negative_ts": "disabled",  # which would move all but the first frame
        }
        self._container = av.open(self._file, "w", format="mp4", options=options)
        self._container.metadata["comment"] = mark_comment("live")
        self._width, self._height = (side - side % 2 for side in size)
        coding = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "crf": "23"}
        video = self._container.add_stream("libx264", rate=fps, options=coding)
        video.width, video.height, video.pix_fmt, video.gop_size = (
            self._width,
            self._height,
            "yuv420p",
            FRAGMENTS.key_every,
        )
        video.codec_context.thread_count = 1
        video.codec_context.time_base = 1 / fps
        self._video = video
        self._audio = self._container.add_stream("aac", rate=FRAGMENTS.aac_rate, layout="mono")
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=FRAGMENTS.aac_rate)
        self._fifo, self._rate = AudioFifo(), rate
        self._frames = self._samples = self._encoded = 0
        self._primed = False

    def add(self, image: Image, audio: FloatArray) -> bytes:
        """One frame `[H, W, 3]` and the `[S]` samples heard meanwhile -> the bytes that became complete."""
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image[: self._height, : self._width]), format="rgb24")
        frame.pts, frame.time_base = self._frames, 1 / self._fps
        frame.duration = 1
        self._frames += 1
        for packet in self._video.encode(frame):
            packet.duration = round(1 / (self._fps * packet.time_base))  # else a fragment's length is guessed
            self._container.mux(packet)
        sound = AudioFrame.from_ndarray(np.ascontiguousarray(audio[None], np.float32), format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = self._rate, self._samples, Fraction(1, self._rate)
        self._samples += len(audio)
        for part in self._resampler.resample(sound):
            part.pts = None
            self._fifo.write(part)
        if not self._primed and self._fifo.samples >= FRAGMENTS.priming:
            self._fifo.read(FRAGMENTS.priming)
            self._primed = True
        if self._primed:
            self._encode(self._fifo.read_many(1024))
        return self._taken()

    def finish(self) -> bytes:
        """The last bytes."""
        rest = self._fifo.read(0, partial=True)
        self._encode([] if rest is None else [rest])
        self._container.mux(self._video.encode(None))
        self._container.mux(self._audio.encode(None))
        self._container.close()
        return self._taken()

    def _encode(self, parts: list[AudioFrame]) -> None:
        for part in parts:
            part.pts, part.time_base = self._encoded, Fraction(1, FRAGMENTS.aac_rate)
            self._encoded += part.samples
            self._container.mux(self._audio.encode(part))

    def _taken(self) -> bytes:
        new = bytes(self._file.new)
        self._file.new.clear()
        return new
