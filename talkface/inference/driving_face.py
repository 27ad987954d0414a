"""What a user names as the driver -> its video, its sound and, from demo files, its landmarks and animation."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from talkface.data.quintuple import check_video, is_quintuple, read_ani, read_quintuple
from talkface.errors import ConfigError
from talkface.inference.driving import resample
from talkface.landmarks.align import fit_similarity
from talkface.landmarks.frames import compose_affine
from talkface.landmarks.layout import STABLE
from talkface.types import DEFAULT_FPS, FloatArray, Image, LandmarkSequence


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


class Animation:
    """The photo's face as the user drew it for demo files, laid onto the photo frame by frame.

    Frames are taken once each and in their order; after the last one that one stays.
    """

    def __init__(self, path: Path, landmarks: FloatArray) -> None:
        """Take a video such as `X_ani.mp4` and the `[T, 68, 2]` landmarks in its pixels.

        Raises:
            DatasetError: of another size, rate or length than the demo files.
            MediaError: cannot be read.
        """
        check_video(path, len(landmarks))
        self._frames, self._landmarks = read_ani(path), landmarks
        self._taken = 0
        self._last: Image | None = None

    def next_patch(self, target: FloatArray, to_patch: FloatArray, size: int) -> Image:
        """The next frame as `draw_mesh` would draw it: `[S, S, 4]`, colour and coverage.

        Args:
            target: `[68, 2]` where this frame's landmarks are to lie.
            to_patch: `[2, 3]` from there to pixels of the patch.
            size: S.
        """
        self._last = next(self._frames, self._last)
        assert self._last is not None, "read_frames gives one frame or raises"
        own = self._landmarks[min(self._taken, len(self._landmarks) - 1)]
        self._taken += 1
        onto = compose_affine(to_patch, fit_similarity(own[STABLE], target[STABLE]))
        drawn = np.asarray(cv2.warpAffine(self._last, onto, (size, size), flags=cv2.INTER_LINEAR), np.uint8)
        drawn[..., 3] = np.where(drawn[..., 3] > 127, 255, 0)
        drawn[drawn[..., 3] == 0] = 0
        return drawn


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
    """A video, or the demo files of "Rhythmic Head Motion" (`data.quintuple`): their folder, or FOLDER/X.

    Raises:
        DatasetError: demo files that are incomplete or of another shape.
    """
    if not is_quintuple(place):
        return DrivingFace(place)
    demo = read_quintuple(place)
    return DrivingFace(demo.video, demo.sound, np.asarray(demo.landmarks[..., :2], np.float32))
