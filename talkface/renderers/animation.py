"""Drawn face video and its landmarks -> the drawn face laid onto the photo, frame by frame."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from talkface.data.interop.quintuple import check_video, read_ani
from talkface.errors import ConfigError
from talkface.geometry.affine import compose_affine, fit_similarity
from talkface.landmarks.layout import STABLE
from talkface.renderers.base import Identity
from talkface.types import FloatArray, Image

Person = TypeVar("Person", bound=Identity)


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


def with_animation(identity: Person, animation: Animation) -> Person:
    """The same person, whose 3-D face is not drawn but taken from the user's own animation, for one video.

    Raises:
        ConfigError: the renderer takes no 3-D face.
    """
    if not identity.takes_animation:
        raise ConfigError(
            "this renderer takes no animation: leave it out, or give --renderer-model of a hybrid network trained with "
            "model.drawn_face or a spade network trained with model.warp_ani"
        )
    changed: Person = replace(identity, animation=animation)  # type: ignore[call-arg]
    return changed
