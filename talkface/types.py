"""Values that flow between the rooms: Waveform, LandmarkSequence, HeadPose, Shot, Clip."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
Image = npt.NDArray[np.uint8]
"""RGB uint8 `[H, W, 3]`; BGR never leaves the function that called OpenCV."""
Progress = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""


SAMPLE_RATE = 16_000  # Hz, of every waveform that reaches a network
SILENT_LEVEL = 1e-4  # RMS (-80 dBFS) below which sound is digital silence
DEFAULT_FPS = Fraction(25)  # video frames per second of every corpus and of the default output


def _expect(right: bool, name: str, expected: str, given: npt.NDArray[Any]) -> None:
    """Refuse an array of another shape or type, also where Python leaves assertions out."""
    if not right:
        raise ValueError(f"invalid {name} of shape {list(given.shape)}, {given.dtype}: expected {expected}")


def num_frames(duration_s: float, fps: Fraction) -> int:
    """Count of video frames that cover `duration_s` seconds: `round(duration_s * fps)`."""
    return round(Fraction(duration_s).limit_denominator(10**9) * fps)


@dataclass(frozen=True)
class Waveform:
    """Mono sound.

    Attributes:
        samples: `[S]` float32, nominally in [-1, 1].
        rate: samples per second.
    """

    samples: FloatArray
    rate: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples)
        _expect(samples.ndim == 1 and samples.dtype == np.float32, "samples", "[S] float32", samples)
        if not self.rate > 0:
            raise ValueError(f"invalid rate {self.rate!r}: expected samples per second above 0")

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class LandmarkSequence:
    """68 points per video frame.

    Attributes:
        points: `[T, 68, 2]` float32 pixels of a photo or frame, x right and y down.
        fps: frames per second, exact.
    """

    points: FloatArray
    fps: Fraction = DEFAULT_FPS

    def __post_init__(self) -> None:
        _expect(self.points.ndim == 3 and self.points.shape[1:] == (68, 2), "points", "[T, 68, 2]", self.points)

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class HeadPose:
    """Rigid motion of the head per video frame, relative to the photo.

    Attributes:
        rotation: `[T, 3]` rotation vectors in radians: pitch (positive looks up), yaw, roll.
        translation: `[T, 2]` in outer-eye distances, x right and y down.
    """

    rotation: FloatArray
    translation: FloatArray

    def __post_init__(self) -> None:
        _expect(self.rotation.ndim == 2 and self.rotation.shape[1] == 3, "rotation", "[T, 3]", self.rotation)
        _expect(self.translation.shape == (len(self.rotation), 2), "translation", "[T, 2]", self.translation)

    def __len__(self) -> int:
        return len(self.rotation)


@dataclass(frozen=True)
class Shot:
    """One photo (or video frame) of a person, whole, with its landmarks.

    Attributes:
        image: `[H, W, 3]` RGB uint8.
        landmarks: `[68, 2]` float32, pixel space of `image`.
    """

    image: Image
    landmarks: FloatArray

    def __post_init__(self) -> None:
        image = self.image
        _expect(image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8, "image", "[H, W, 3] uint8", image)
        _expect(self.landmarks.shape == (68, 2), "landmarks", "[68, 2]", self.landmarks)


@dataclass(frozen=True)
class Clip:
    """One talking clip of a corpus, as its adapter found it; nothing is decoded yet.

    Attributes:
        key: unique name inside the corpus, letters, digits, `_` and `-` only.
        video: file with the pictures.
        audio: file with the sound where the corpus keeps it apart, else the video itself.
        speaker: identity; a split never shares one.
        split: `train`, `val` or `test`.
        transcript: spoken text where the corpus has it.
        info: anything else worth keeping (licence, word times), JSON-serialisable.
    """

    key: str
    video: Path
    audio: Path
    speaker: str
    split: str
    transcript: str | None = None
    info: dict[str, object] = field(default_factory=dict)
