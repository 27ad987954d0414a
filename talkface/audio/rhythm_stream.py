"""16 kHz samples as they come -> onset, activity and loudness at 25 frames/s."""

from collections import deque

import numpy as np

from talkface.audio.level import USUAL_RMS, RunningLevel
from talkface.audio.rhythm import ACTIVITY_FLOOR_DB, HOP, LOUDNESS_RANGE_DB, WINDOW, onset_strength
from talkface.types import SAMPLE_RATE, FloatArray

HOPS = 4  # per frame at 25 frames/s
REACH = 2  # hops on either side of a frame's middle whose strongest onset is the frame's
USUAL_ONSET = 5.0  # dB, mean rise over the bands at a strong syllable
KEPT_ONSETS = 1_000  # hops that the strong ones are found among: 10 s
PRIOR_ONSETS = 100.0


class RhythmStream:
    """As `audio.rhythm.speech_rhythm`, with the level and the strong onsets of the speech so far."""

    def __init__(self) -> None:
        self._level = RunningLevel(USUAL_RMS**2)
        self._samples = np.zeros(WINDOW + HOP, np.float32)  # what a spectrum and the one before it need
        self._hops = np.zeros((REACH, 2))  # onset and loudness in dB, from `REACH` hops before the next frame's
        self._onsets: deque[float] = deque(maxlen=KEPT_ONSETS)

    def push(self, samples: FloatArray) -> FloatArray:
        """`[S]` samples that follow the last ones -> `[n, 3]` of the frames that they complete."""
        joined = np.concatenate([self._samples, samples.astype(np.float32)])
        count = (len(joined) - WINDOW - HOP) // HOP
        if count > 0:
            used = joined[: WINDOW + HOP + count * HOP]
            self._hops = np.concatenate([self._hops, self._measure(used, count)])
            self._samples = joined[count * HOP :]
        else:
            self._samples = joined
        made = [np.zeros((0, 3), np.float32)]
        while len(self._hops) >= HOPS + 2 * REACH:
            made.append(self._frame(self._hops[: HOPS + 2 * REACH])[None])
            self._hops = self._hops[HOPS:]
        return np.concatenate(made)

    def _measure(self, samples: FloatArray, count: int) -> FloatArray:
        """`[count, 2]` onset and loudness of the hops at the end of `samples`."""
        power = np.square(samples[-count * HOP :].reshape(count, HOP), dtype=np.float64).mean(1)
        self._level.push(power)
        level = float(np.sqrt(self._level.value))
        onset = onset_strength((samples / level).astype(np.float32), SAMPLE_RATE)[-count:]
        loudness = 10 * np.log10(power / level**2 + 1e-9)
        self._onsets.extend(float(value) for value in onset[loudness > ACTIVITY_FLOOR_DB])
        return np.stack([onset, loudness], 1)

    def _frame(self, hops: FloatArray) -> FloatArray:
        heard = len(self._onsets)
        strong = USUAL_ONSET
        if heard:
            own = float(np.percentile(self._onsets, 95))
            strong = (heard * own + PRIOR_ONSETS * USUAL_ONSET) / (heard + PRIOR_ONSETS)
        middle = hops[REACH + 1 : REACH + 3, 1].mean()
        peak = hops[1:-1, 0].max()
        return np.array(
            [
                min(peak / strong, 1.5),
                np.clip((middle - ACTIVITY_FLOOR_DB) / 12, 0, 1),
                np.clip(1 + middle / LOUDNESS_RANGE_DB, 0, 1.5),
            ],
            np.float32,
        )
