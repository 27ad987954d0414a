"""Frames and landmarks over time -> what flickers, trembles, or shows the border of a generated part."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.landmarks.layout import MOUTH, STABLE, interocular
from talkface.metrics.image import luma
from talkface.metrics.sharpness import SHARPNESS, face_patch
from talkface.metrics.stats import finite_mean, nanmean
from talkface.types import FloatArray, Image, Shot


@dataclass(frozen=True)
class FlickerSettings:
    """Rings around the mouth in which flicker is measured."""

    angles: int = 96  # samples of the contours around the mouth
    radii: int = 64
    innermost: float = 0.35  # their half width in outer-eye distances: from beside the lips to the jaw
    outermost: float = 0.75
    aspect: float = 0.75  # their height over their width
    beside: int = 6  # samples beside a contour that show how much the picture changes there anyway
    radial_step: int = 5  # samples across which a step is measured: 2.3 pixels of the patch


FLICKER = FlickerSettings()


class Flicker:
    """Frames one by one -> how much each differs from the mean of its neighbours.

    For a pixel x over time, |x[t] - (x[t-1] + x[t+1]) / 2|: motion and light that change evenly cost nothing, what
    jumps to and fro does. In grey levels of luma; a frozen video has 0. Crop: the frames given, as they are.

    - `pixels`: mean over pixels and frames: noise, crawling texture, and the motion that every face has.
    - `brightness`: the same of each frame's mean luma: frames that were scaled one by one flash, real light does not.
    """

    def __init__(self) -> None:
        self._last: list[FloatArray] = []
        self._pixels: list[float] = []
        self._brightness: list[float] = []

    def add(self, image: Image) -> None:
        """Take the next frame; all are of one size."""
        self._last = [*self._last[-2:], luma(image)]
        if len(self._last) == 3:
            before, now, after = self._last
            jump = now - (before + after) / 2
            self._pixels.append(float(np.abs(jump).mean()))
            self._brightness.append(abs(float(jump.mean())))

    @property
    def pixels(self) -> float:
        """Mean over pixels and frames, grey levels; NaN below three frames."""
        return float(np.mean(self._pixels)) if self._pixels else float("nan")

    @property
    def brightness(self) -> float:
        """Mean over frames of the mean luma's jump, grey levels; NaN below three frames."""
        return float(np.mean(self._brightness)) if self._brightness else float("nan")


def jitter(landmarks: FloatArray) -> float:
    """Tremble of eye corners and nose: mean |p[t] - (p[t-1] + p[t+1]) / 2| in thousandths of the outer-eye distance.

    Detector noise is in it: real video of a calm head has about 2 with dlib.

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN where no face was found.
    """
    points = np.asarray(landmarks, np.float64)
    jumps = np.linalg.norm((points[1:-1] - (points[:-2] + points[2:]) / 2)[:, STABLE], axis=-1).mean(-1)
    return 1000 * finite_mean(jumps / interocular(points[1:-1]))


class Seam:
    """Frames one by one -> the height of the step at the border of a generated part, in grey levels.

    Generated mouths end somewhere between lips and jaw. Here ellipses and rectangles of growing size are laid around
    the mouth, in the upright face patch of `sharpness.face_patch`; along each, the step of luma across the contour is
    averaged over time, so that a border that stays counts and noise does not, and the photo's own step there (wrinkles,
    beards) is taken off. The score is the largest mean absolute step of a contour beyond that of its neighbours. A
    pasted region that is n grey levels brighter scores about n; the photo itself scores 0.
    """

    def __init__(self, photo: Shot) -> None:
        """Take the photo whose own steps do not count."""
        self._own = _steps(photo)
        self._sum: FloatArray | None = None
        self._count = 0

    def add(self, shot: Shot) -> None:
        """Take the next frame."""
        steps = _steps(shot)
        self._sum = steps if self._sum is None else self._sum + steps
        self._count += 1

    @property
    def height(self) -> float:
        """Largest excess step over all contours, grey levels; NaN without a frame."""
        if self._sum is None:
            return float("nan")
        return max(float(np.nanmax(_excess(self._sum / self._count - self._own))), 0.0)


def _steps(shot: Shot) -> FloatArray:
    """Signed steps of luma across every contour, `[families, angles, radii]`; NaN beyond the patch."""
    patch, points = face_patch(shot.image, shot.landmarks)
    centre = points[MOUTH].mean(0)
    families = []
    for across, down in _contours():
        columns, rows = (centre[0] + across).astype(np.float32), (centre[1] + down).astype(np.float32)
        values = cv2.remap(patch.astype(np.float32), columns, rows, cv2.INTER_LINEAR).astype(np.float64)
        values[(rows < 0) | (rows > patch.shape[0] - 1) | (columns < 0) | (columns > patch.shape[1] - 1)] = np.nan
        families.append(values[:, FLICKER.radial_step :] - values[:, : -FLICKER.radial_step])
    return np.stack(families)


def _excess(steps: FloatArray) -> FloatArray:
    """Excess of each contour's mean absolute step over that beside it, `[families, radii]`."""
    size = nanmean(np.abs(steps), axis=1)  # NaN for contours that lie beyond the patch altogether
    beside = (size[:, : -2 * FLICKER.beside] + size[:, 2 * FLICKER.beside :]) / 2
    return np.asarray(size[:, FLICKER.beside : -FLICKER.beside] - beside)


def _contours() -> list[tuple[FloatArray, FloatArray]]:
    """Offsets from the mouth's centre, x and y `[angles, radii]` in patch pixels: ellipses, then rectangles."""
    angles = np.linspace(0, 2 * np.pi, FLICKER.angles, endpoint=False)[:, None]
    radii = np.linspace(FLICKER.innermost, FLICKER.outermost, FLICKER.radii)[None] * SHARPNESS.eye_distance
    cos, sin = np.cos(angles), np.sin(angles) * FLICKER.aspect
    square = 1 / np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))
    return [(cos * radii, sin * radii), (cos * square * radii, sin * square * radii)]
