"""Microphone -> mono samples as they come."""

import queue
import sys
import threading
from types import TracebackType

import av
import numpy as np
from av.audio.resampler import AudioResampler

from talkface.errors import MediaError
from talkface.types import FloatArray


class Microphone:
    """Context manager around one microphone; a thread listens."""

    def __init__(self, rate: int, device: str | None = None) -> None:
        """Open it.

        Args:
            rate: samples per second that are given.
            device: as ffmpeg calls it; the system's own if not given.

        Raises:
            MediaError: there is none, or it cannot be opened.
        """
        # where ffmpeg finds a microphone: the name of the system's interface, and of the device
        systems = {"linux": ("alsa", "default"), "darwin": ("avfoundation", ":0"), "win32": ("dshow", "audio=default")}
        system, usual = systems.get(sys.platform, systems["linux"])
        try:
            self._container = av.open(device or usual, format=system)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            hint = "give --source DEVICE, or --speech FILE"
            raise MediaError(f"the microphone cannot be opened ({why}): {hint}") from error
        self._resampler = AudioResampler(format="flt", layout="mono", rate=rate)
        self._heard: queue.SimpleQueue[FloatArray] = queue.SimpleQueue()
        self._end = False
        self._thread = threading.Thread(target=self._listen, name="microphone", daemon=True)

    def __enter__(self) -> "Microphone":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end = True
        self._thread.join(timeout=2)
        self._container.close()

    def take(self) -> FloatArray:
        """`[S]` float32 that was heard since the last call, perhaps none."""
        parts = [np.zeros(0, np.float32)]
        while not self._heard.empty():
            parts.append(self._heard.get())
        return np.concatenate(parts).astype(np.float32)

    def _listen(self) -> None:
        for frame in self._container.decode(audio=0):
            if self._end:
                return
            for part in self._resampler.resample(frame):
                self._heard.put(part.to_ndarray().reshape(-1).astype(np.float32))
