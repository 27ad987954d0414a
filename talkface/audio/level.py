"""Power of sound as it comes -> how loud its speech is, known from the first syllable on."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from talkface.audio.features import MEL, reference_power
from talkface.types import FloatArray


@dataclass(frozen=True)
class LevelSettings:
    """Settings of the level estimate of live speech."""

    usual_rms: float = 10 ** (-26 / 20)  # of speech, full scale 1: the level that ITU-T P.56 tests are set to
    kept_steps: int = 300  # of 100 ms: half a minute of speech
    floor_steps: int = 50  # of 100 ms, speech or not, that the noise is measured in: 5 s
    floor_percentile: float = 10.0
    over_floor: float = 4.0  # power over the noise from which a step counts as speech
    least_share: float = 10 ** (-30 / 10)  # of the usual power, below which nothing counts as speech
    prior_steps: float = 2.0  # weight of the usual level among the steps that were measured


SOUND_LEVEL = LevelSettings()


class RunningLevel:
    """Level of the speech so far, in bounded memory; a usual one where nothing was said yet."""

    def __init__(self, usual: float, measure: Callable[[FloatArray], float] = reference_power) -> None:
        """Take the power that speech usually has.

        Args:
            usual: power of speech at -26 dBFS, in the unit of what is pushed.
            measure: power of every 10 ms of speech -> its level, as the same unit.
        """
        self._usual, self._measure = usual, measure
        self._waiting = np.zeros(0)
        self._speech: deque[float] = deque(maxlen=SOUND_LEVEL.kept_steps)
        self._all: deque[float] = deque(maxlen=SOUND_LEVEL.floor_steps)
        self.value = usual
        self.noise = 0.0

    def push(self, power: FloatArray) -> None:
        """Take `[n]` power of the 10 ms steps that follow the last ones; sets `value` and `noise`."""
        waiting = np.concatenate([self._waiting, power])
        count = len(waiting) // MEL.loud_step
        self._waiting = waiting[count * MEL.loud_step :]
        for step in waiting[: count * MEL.loud_step].reshape(count, MEL.loud_step).mean(1, dtype=np.float64):
            self._all.append(float(step))
            # a noise is only known once it was heard for a while: speech at once is no noise
            known = len(self._all) >= SOUND_LEVEL.floor_steps // 2
            self.noise = float(np.percentile(self._all, SOUND_LEVEL.floor_percentile)) if known else 0.0
            if step > max(SOUND_LEVEL.over_floor * self.noise, SOUND_LEVEL.least_share * self._usual):
                self._speech.append(float(step))
        if count and self._speech:
            found, heard = self._measure(np.repeat(self._speech, MEL.loud_step)), len(self._speech)
            shares = heard * np.log(found) + SOUND_LEVEL.prior_steps * np.log(self._usual)
            self.value = float(np.exp(shares / (heard + SOUND_LEVEL.prior_steps)))
