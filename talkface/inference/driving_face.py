"""What a user names as the driver -> its video, its sound and, from demo files, its landmarks."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.data.quintuple import is_quintuple, read_quintuple
from talkface.inference.driving import resample
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
        return resample(LandmarkSequence(self.landmarks, "pixel", DEFAULT_FPS), fps)


def open_driver(place: Path) -> DrivingFace:
    """A video, or the demo files of "Rhythmic Head Motion" (`data.quintuple`): their folder, or FOLDER/X.

    Raises:
        DatasetError: demo files that are incomplete or of another shape.
    """
    if not is_quintuple(place):
        return DrivingFace(place)
    demo = read_quintuple(place)
    return DrivingFace(demo.video, demo.sound, np.asarray(demo.landmarks[..., :2], np.float32))
