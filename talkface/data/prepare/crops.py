"""Landmarks of one frame after the other -> affine maps to the face crop, by preset.

| preset | what the crop is | from |
|---|---|---|
| `face` | square around the detector's box, `side` times its side, following the head slowly | this package |
| `fsth` | square track as in VoxCeleb2, without its top 20 % of rows and outer 10 % of columns on each side | FSTH |
| `atvg` | similarity of nose and eyes (points 27..44) to a template, 128x128, every frame for itself | ATVGnet |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from talkface.errors import ConfigError
from talkface.geometry.affine import fit_similarity, invert
from talkface.landmarks.face import Box
from talkface.landmarks.layout import LEFT_EYE, OUTER_LIP, RIGHT_EYE
from talkface.types import FloatArray

CROPS = ("face", "fsth", "atvg")


@dataclass(frozen=True)
class CropperSettings:
    """Settings by which crops follow a face, as the published systems cut them."""

    follow: float = 0.2  # share of the way that a square goes towards the face in each frame
    fsth_top: float = 0.2  # shares of the square track that are cut off above and on each side
    fsth_side: float = 0.1
    track_eyes: float = 2.0  # half the track's side over the eyes' distance and over eyes to mouth
    track_mouth: float = 1.8
    track_down: float = 0.1  # of the way from eyes to mouth, where the track is centred
    track_border: float = 1.2  # with a tenth of the side added around it
    atvg_size: int = 128  # pixels that the template was made for
    atvg_corner: float = 1.0  # the 128x128 crop is rows and columns 1 to 128 of that image


CROPPER = CropperSettings()
ATVG_TEMPLATE = np.array(
    [
        [65, 37], [65, 47], [65, 57], [66, 68], [54, 75], [60, 77], [66, 78], [71, 76], [77, 75],
        [28, 39], [35, 35], [43, 35], [50, 40], [43, 42], [34, 42], [79, 40], [86, 34], [94, 34],
    ],
    np.float64,
)  # fmt: skip
"""Points 27..44 of ATVGnet's `basics/base_68.npy`, in its 163x163 image. Its second template, for closed eyes, has the
same numbers here, so the choice between them that its `demo.py` makes changes nothing."""


class Cropper(Protocol):
    """Places the crop of each frame; holds what the last frame's crop was."""

    def place(self, points: FloatArray, box: Box, frame_size: tuple[int, int], jump: bool) -> FloatArray:
        """`[2, 3]` affine map from frame to crop pixels.

        Args:
            points: `[68, 2]`, pixels of the frame.
            box: detector's box of the face.
            frame_size: width, height of the frame.
            jump: the frame does not follow on the last one: nothing of it is kept.
        """
        ...


def load_cropper(name: str, size: int, side: float) -> Cropper:
    """Cropper by name.

    Args:
        name: one of `CROPS`.
        size: side of the crop in pixels.
        side: of `face`: side of the crop over the side of the detector's box.

    Raises:
        ConfigError: unknown name.
    """
    if name == "atvg":
        return AlignedCropper(size)
    if name in CROPS:
        return SquareCropper(size, side, fsth=name == "fsth")
    raise ConfigError(f"unknown crop {name!r}: known are {', '.join(CROPS)}")


class SquareCropper:
    """An upright square that follows the head slowly, so that the head's own motion stays in the picture."""

    def __init__(self, size: int, side: float, fsth: bool) -> None:
        self._size, self._side, self._fsth = size, side, fsth
        self._window: FloatArray | None = None  # centre x, centre y, side

    def place(self, points: FloatArray, box: Box, frame_size: tuple[int, int], jump: bool) -> FloatArray:
        """See `Cropper`."""
        goal = _fsth_window(points, frame_size) if self._fsth else _face_window(box, self._side)
        last = self._window
        self._window = goal if last is None or jump else last + CROPPER.follow * (goal - last)
        return window_map(self._window, self._size)


class AlignedCropper:
    """Nose and eyes laid onto ATVGnet's template, which takes out all motion of the head but its turning."""

    def __init__(self, size: int) -> None:
        self._size = size

    def place(self, points: FloatArray, box: Box, frame_size: tuple[int, int], jump: bool) -> FloatArray:
        """See `Cropper`. The fit goes from template to face and is inverted, as ATVGnet's `tf.warp` does."""
        matrix = invert(fit_similarity(ATVG_TEMPLATE, points[27:45]))
        matrix[:, 2] -= CROPPER.atvg_corner
        return np.asarray(matrix * (self._size / CROPPER.atvg_size))


def window_map(window: Sequence[float] | FloatArray, size: int) -> FloatArray:
    """`[2, 3]` map of a square (centre x, centre y, side) to `size` pixels."""
    scale = size / window[2]
    return np.array([[scale, 0, size / 2 - scale * window[0]], [0, scale, size / 2 - scale * window[1]]])


def _face_window(box: Box, side: float) -> FloatArray:
    return np.array([0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3]), side * (box[2] - box[0])])


def _fsth_window(points: FloatArray, frame_size: tuple[int, int]) -> FloatArray:
    """Window of FSTH's crop of a face track: the whole of a square frame, else a square around the face."""
    width, height = frame_size
    if width == height:
        x, y, side = width / 2, height / 2, float(width)
    else:
        eyes = np.array([points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)])
        to_mouth = points[OUTER_LIP[[0, 6]]].mean(0) - eyes.mean(0)
        half = max(CROPPER.track_eyes * np.hypot(*(eyes[1] - eyes[0])), CROPPER.track_mouth * np.hypot(*to_mouth))
        x, y = eyes.mean(0) + CROPPER.track_down * to_mouth
        side = float(2 * half * CROPPER.track_border)
    return np.array([x, y + 0.5 * CROPPER.fsth_top * side, (1 - 2 * CROPPER.fsth_side) * side])
