"""Path given as the driver -> its video, its sound and, from demo files, its landmarks and animation."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.data.interop.quintuple import is_quintuple, read_quintuple
from talkface.errors import ConfigError
from talkface.inference.driving import resample
from talkface.renderers.animation import Animation
from talkface.types import DEFAULT_FPS, FloatArray, LandmarkSequence


@dataclass(frozen=True)
class DrivingFace:
    """A driver on disk.

    Attributes:
        video: its pictures.
        sound: file with its sound; None where that is the video's own.
        landmarks: `[T, 68, 2]` pixels at 25 frames/s; None where they have to be found in the video.
    """

    video: Path
    sound: Path | None = None
    landmarks: FloatArray | None = None

    def landmarks_at(self, fps: Fraction) -> FloatArray | None:
        """The landmarks at another frame rate."""
        if self.landmarks is None:
            return None
        return resample(LandmarkSequence(self.landmarks, DEFAULT_FPS), fps)


def open_animation(path: Path, driver: DrivingFace, fps: Fraction) -> Animation:
    """The user's own animation for a driver.

    Raises:
        ConfigError: a driver that is no demo files, or another frame rate.
        DatasetError, MediaError: as `Animation`.
    """
    if driver.landmarks is None:
        raise ConfigError(f"animation {path} lies on the landmarks of demo files: give FOLDER/X as the driver, or none")
    if fps != DEFAULT_FPS:
        raise ConfigError(f"animation {path} has 25 frames/s, the video is to have {float(fps):g}: leave out fps")
    return Animation(path, driver.landmarks)


def open_driver(place: Path) -> DrivingFace:
    """A video, or the demo files of "Rhythmic Head Motion" (`data.interop.quintuple`): their folder, or FOLDER/X.

    Raises:
        DatasetError: demo files that are incomplete or of another shape.
    """
    if not is_quintuple(place):
        return DrivingFace(place)
    demo = read_quintuple(place)
    return DrivingFace(demo.video, demo.sound, np.asarray(demo.landmarks[..., :2], np.float32))
