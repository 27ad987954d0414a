"""Rhythm frame by frame -> brows, lids and a breathing head, while it is not known what comes next."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from talkface.landmarks.motion import (
    IDLE,
    MOTION,
    MotionSettings,
    blink_starts,
    brow_pulse,
    lid_closure,
    lifted_brows,
)
from talkface.types import FloatArray


@dataclass(frozen=True)
class StreamSettings:
    """Breathing of a head that listens, and how fast lids follow."""

    breath_s: float = 4.2  # a breath of an adult at rest: 14 a minute
    breath_pitch: float = 0.006  # radians and outer-eye distances, half of what a breath moves a head
    breath_shift: float = 0.008
    lid_s: float = 0.5  # within which every blink is over


BREATH = StreamSettings()


class LowPass:
    """First-order low pass, value by value, from rest."""

    def __init__(self, frames: float) -> None:
        """Take the time constant in frames."""
        self._keep = float(np.exp(-1.0 / max(frames, 1e-6)))
        self.value: FloatArray | float = 0.0

    def __call__(self, value: FloatArray | float) -> FloatArray | float:
        """The next input -> the next output."""
        self.value = (1 - self._keep) * value + self._keep * self.value
        return self.value


class Lids:
    """Closure of the lids, as `landmarks.motion.blink_track` has it, without end."""

    def __init__(
        self,
        fps: float,
        rng: np.random.Generator,
        profile: str = "natural",
        pace: float = 1.0,
        settings: MotionSettings = MOTION,
    ) -> None:
        self._settings = settings
        self._fps, self._profile, self._frame = fps, profile, 0
        self._starts = blink_starts(fps, rng, profile, pace, settings)
        self._recent = deque([next(self._starts)], maxlen=4)

    def __call__(self) -> float:
        """Closure in 0..1 of the next frame."""
        time_s = self._frame / self._fps
        self._frame += 1
        while self._recent[-1] <= time_s:
            self._recent.append(next(self._starts))
        phases = time_s - np.array(self._recent)
        return float(lid_closure(phases[phases < BREATH.lid_s], self._profile, self._settings).max(initial=0.0))


class Brows:
    """Brows that follow some emphatic syllables, known `ahead` frames before they are shown.

    So the first `ahead` calls come before the first frame, and what they return is not shown.
    """

    def __init__(self, fps: float, rng: np.random.Generator, ahead: int, settings: MotionSettings = MOTION) -> None:
        self._settings = settings
        self._fps, self._rng, self._ahead = fps, rng, ahead
        self._onsets = deque([0.0, 0.0, 0.0], maxlen=3)
        self._active = deque([0.0] * (ahead + 1), maxlen=ahead + 1)
        self._raise = (-10.0, 0.0)  # when, and how far
        self._wake = LowPass(0.16 * fps)
        self._frame = -ahead

    def __call__(self, onset: float, activity: float) -> FloatArray:
        """Onset and activity of the frame that is `ahead` of the next -> `[68, 2]` displacement of the next."""
        self._onsets.append(onset)
        before, middle, after = self._onsets
        peak_s = (self._frame + self._ahead - 1) / self._fps
        emphatic = (
            middle >= self._settings.brow_onset and middle > before and middle >= after and self._active[-1] >= 0.5
        )
        if (
            emphatic
            and peak_s - self._raise[0] >= self._settings.brow_shortest_s
            and self._rng.random() <= self._settings.brow_chance
        ):
            self._raise = (peak_s, float(self._rng.uniform(0.5, 1.0)))
        self._active.append(activity)
        phase = self._frame / self._fps - self._raise[0]
        self._frame += 1
        height = self._settings.brow_raise * self._raise[1] * brow_pulse(phase, self._settings)
        return lifted_brows(height * self._wake(min(self._active[0], 1.0)))


class Nods:
    """Nods on the beats and a slow drift, as `landmarks.motion.head_motion` has them."""

    def __init__(
        self, fps: float, rng: np.random.Generator, tempo: float = 1.0, settings: MotionSettings = MOTION
    ) -> None:
        self._settings = settings
        self._rng, frames = rng, self._settings.wander_s / tempo * fps
        self._wake = LowPass(self._settings.fade_s * fps)
        self._mean = LowPass(1.5 * fps)
        self._nod = [LowPass(self._settings.nod_s * fps) for _ in range(2)]
        self._drift = [LowPass(frames) for _ in range(3)]
        self._gain = float(np.sqrt(8 / (3 * (1 - np.exp(-1.0 / frames)))))

    def __call__(self, onset: float, activity: float) -> FloatArray:
        """`[5]` pose of the next frame: pitch, yaw, roll, x and y."""
        wake = float(self._wake(activity))
        beat = onset * wake
        nod: FloatArray | float = beat - self._mean(beat)
        slow: FloatArray | float = self._rng.standard_normal(5)
        for low_pass in self._nod:
            nod = low_pass(nod)
        for low_pass in self._drift:
            slow = low_pass(slow)
        pose = (
            slow
            * self._gain
            * (IDLE + (1 - IDLE) * wake)
            * np.array([*self._settings.wander_rad, *self._settings.wander_shift])
        )
        pose[0] -= 2 * self._settings.nod_rad * nod
        return np.asarray(pose)


def breath(time_s: float) -> FloatArray:
    """`[5]` pose that breathing adds: chest and head rise and fall, in quicker than out; 0 at the start."""
    phase = 2 * np.pi * time_s / BREATH.breath_s
    rise = np.sin(phase + 0.35 * np.sin(phase))
    return np.array([BREATH.breath_pitch * rise, 0.0, 0.0, 0.0, -BREATH.breath_shift * rise])
