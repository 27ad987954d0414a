"""16 kHz samples as they come -> onset, activity and loudness at 25 frames/s."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from talkface.audio.level import SOUND_LEVEL, RunningLevel
from talkface.audio.rhythm import RHYTHM_FEATURES, onset_strength
from talkface.types import SAMPLE_RATE, FloatArray


@dataclass(frozen=True)
class RhythmStreamSettings:
    """Settings of rhythm in streamed sound."""

    hops: int = 4  # per frame at 25 frames/s
    reach: int = 2  # hops on either side of a frame's middle whose strongest onset is the frame's
    usual_onset: float = 5.0  # dB, mean rise over the bands at a strong syllable
    kept_onsets: int = 1_000  # hops that the strong ones are found among: 10 s
    prior_onsets: float = 100.0


RHYTHM_STREAM = RhythmStreamSettings()


class RhythmStream:
    """As `audio.rhythm.speech_rhythm`, with the level and the strong onsets of the speech so far."""

    def __init__(self) -> None:
        self._level = RunningLevel(SOUND_LEVEL.usual_rms**2)
        self._samples = np.zeros(
            RHYTHM_FEATURES.window + RHYTHM_FEATURES.hop, np.float32
        )  # what a spectrum and the one before it need
        self._hops = np.zeros(
            (RHYTHM_STREAM.reach, 2)
        )  # onset and loudness in dB, from `RHYTHM_STREAM.reach` hops before the next frame's
        self._onsets: deque[float] = deque(maxlen=RHYTHM_STREAM.kept_onsets)

    def push(self, samples: FloatArray) -> FloatArray:
        """`[S]` samples that follow the last ones -> `[n, 3]` of the frames that they complete."""
        joined = np.concatenate([self._samples, samples.astype(np.float32)])
        count = (len(joined) - RHYTHM_FEATURES.window - RHYTHM_FEATURES.hop) // RHYTHM_FEATURES.hop
        if count > 0:
            used = joined[: RHYTHM_FEATURES.window + RHYTHM_FEATURES.hop + count * RHYTHM_FEATURES.hop]
            self._hops = np.concatenate([self._hops, self._measure(used, count)])
            self._samples = joined[count * RHYTHM_FEATURES.hop :]
        else:
            self._samples = joined
        made = [np.zeros((0, 3), np.float32)]
        while len(self._hops) >= RHYTHM_STREAM.hops + 2 * RHYTHM_STREAM.reach:
            made.append(self._frame(self._hops[: RHYTHM_STREAM.hops + 2 * RHYTHM_STREAM.reach])[None])
            self._hops = self._hops[RHYTHM_STREAM.hops :]
        return np.concatenate(made)

    def _measure(self, samples: FloatArray, count: int) -> FloatArray:
        """`[count, 2]` onset and loudness of the hops at the end of `samples`."""
        power = np.square(
            samples[-count * RHYTHM_FEATURES.hop :].reshape(count, RHYTHM_FEATURES.hop), dtype=np.float64
        ).mean(1)
        self._level.push(power)
        level = float(np.sqrt(self._level.value))
        onset = onset_strength((samples / level).astype(np.float32), SAMPLE_RATE)[-count:]
        loudness = 10 * np.log10(power / level**2 + 1e-9)
        self._onsets.extend(float(value) for value in onset[loudness > RHYTHM_FEATURES.activity_floor_db])
        return np.stack([onset, loudness], 1)

    def _frame(self, hops: FloatArray) -> FloatArray:
        heard = len(self._onsets)
        strong = RHYTHM_STREAM.usual_onset
        if heard:
            own = float(np.percentile(self._onsets, 95))
            strong = (heard * own + RHYTHM_STREAM.prior_onsets * RHYTHM_STREAM.usual_onset) / (
                heard + RHYTHM_STREAM.prior_onsets
            )
        middle = hops[RHYTHM_STREAM.reach + 1 : RHYTHM_STREAM.reach + 3, 1].mean()
        peak = hops[1:-1, 0].max()
        return np.array(
            [
                min(peak / strong, 1.5),
                np.clip((middle - RHYTHM_FEATURES.activity_floor_db) / 12, 0, 1),
                np.clip(1 + middle / RHYTHM_FEATURES.loudness_range_db, 0, 1.5),
            ],
            np.float32,
        )
