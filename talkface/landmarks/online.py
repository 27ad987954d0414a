"""Landmarks one frame at a time -> steady landmarks, held and faded where no face was found."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from talkface.geometry.spline import smooth_step
from talkface.landmarks.driver import DriverFace, fit_driver
from talkface.landmarks.layout import MOUTH, interocular
from talkface.types import FloatArray


@dataclass(frozen=True)
class OnlineSettings:
    """Settings by which live landmarks are smoothed, held and faded."""

    slow_hz: float = 1.2  # cut-off for a point at rest, where jitter shows as a swimming face
    slow_lip_hz: float = 4.0  # lips close within two frames
    opened_by: float = 8.0  # Hz that the cut-off rises per outer-eye distance per second: a moving point must not lag
    speed_hz: float = 2.0  # cut-off of the speed itself
    fade_s: float = 0.8  # then: how long it takes to come to rest
    return_s: float = 0.24  # how long it takes back into motion
    learn_frames: int = 150  # that a driver's resting face is learnt from
    learn_every: int = 10
    approach: float = 0.1  # share of the way to a newly learnt face that is gone per frame, so that nothing jumps


ONLINE = OnlineSettings()

HOLD_S = 0.4  # how long a face that is lost keeps its last expression


class OneEuroFilter:
    """Low pass whose cut-off rises with speed: still points stand still, quick ones hardly lag (Casiez et al. 2012)."""

    def __init__(self, fps: Fraction | float) -> None:
        self._fps = float(fps)
        self._lowest = np.full((68, 1), ONLINE.slow_hz)
        self._lowest[MOUTH] = ONLINE.slow_lip_hz
        self._points: FloatArray | None = None
        self._speed = np.zeros((68, 2))

    def reset(self) -> None:
        """Forget the past, as after frames without a face."""
        self._points = None
        self._speed = np.zeros((68, 2))

    def __call__(self, points: FloatArray) -> FloatArray:
        """`[68, 2]` of the next frame -> the same, steadied, float32."""
        points = np.asarray(points, np.float64)
        if self._points is None:
            self._points = points
            return points.astype(np.float32)
        unit = max(float(interocular(points)), 1e-3)
        speed = (points - self._points) * self._fps / unit
        self._speed += self._share(np.float64(ONLINE.speed_hz)) * (speed - self._speed)
        cutoff = self._lowest + ONLINE.opened_by * np.linalg.norm(self._speed, axis=1, keepdims=True)
        self._points = self._points + self._share(cutoff) * (points - self._points)
        return self._points.astype(np.float32)

    def _share(self, cutoff_hz: FloatArray | np.float64) -> FloatArray | np.float64:
        """Weight of a new value in a first-order low pass."""
        return 1 / (1 + self._fps / (2 * np.pi * cutoff_hz))


class MissingDriver:
    """Motion of a face whose driver is out of sight: held for a moment, faded to rest, eased back in.

    Attributes:
        missing: frames so far in which the driver had no face.
    """

    def __init__(self, rest: FloatArray, fps: Fraction | float) -> None:
        """Take the face's landmarks at rest `[68, 2]`."""
        self._rest = np.asarray(rest, np.float64)
        self._last = self._rest
        self._rate = float(fps)
        self._share: float | None = None  # None until the first frame, which has nothing to ease in from
        self._since = 0
        self.missing = 0

    def __call__(self, points: FloatArray | None) -> FloatArray:
        """Landmarks of the next frame, `None` where there are none -> landmarks to show, `[68, 2]` float32."""
        if points is None:
            self.missing += 1
            self._since += 1
            if self._since > HOLD_S * self._rate:
                self._share = max(0.0, (self._share or 0.0) - 1 / (ONLINE.fade_s * self._rate))
        else:
            self._last, self._since = np.asarray(points, np.float64), 0
            self._share = 1.0 if self._share is None else min(1.0, self._share + 1 / (ONLINE.return_s * self._rate))
        share = self._share or 0.0
        return np.asarray(self._rest + smooth_step(share) * (self._last - self._rest), np.float32)


class DriverLearner:
    """A driver's face at rest, learnt from the first seconds before a camera while it is used already."""

    def __init__(self) -> None:
        self._seen: list[FloatArray] = []
        self._goal: DriverFace | None = None
        self._face: DriverFace | None = None

    def __call__(self, points: FloatArray) -> DriverFace:
        """The resting face as known after one more frame `[68, 2]`."""
        if len(self._seen) < ONLINE.learn_frames:
            self._seen.append(points)
            if self._goal is None or len(self._seen) % ONLINE.learn_every == 0:
                self._goal = fit_driver(np.stack(self._seen))
        assert self._goal is not None
        old, goal = self._face or self._goal, self._goal
        self._face = DriverFace(
            *(
                before + ONLINE.approach * (after - before)
                for before, after in ((old.neutral, goal.neutral), (old.usual, goal.usual), (old.lids, goal.lids))
            )
        )
        return self._face
