"""Sound and landmarks -> how many frames the sound is late or early, and how sure that is.

A lag is the number of frames by which sound must be moved so that it fits the picture: negative, the sound is late
and must come earlier. `metrics.lag.best_lag` of the mouth's opening against the sound's level has the same sign: a
picture that comes n frames after its sound has the lag n. A prediction from that sound, scored against the mouth's real
opening, is early: it has the lag -n.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from talkface.landmarks.layout import mouth_opening
from talkface.landmarks.mean_face import to_canonical
from talkface.types import SAMPLE_RATE, SILENT_LEVEL, FloatArray


@dataclass(frozen=True)
class SyncSettings:
    """Settings of the estimate of the offset between lips and sound."""

    max_lag: float = 8.0  # frames at 25 fps searched to either side
    lag_step: float = 0.5
    prior_frames: float = 3.0  # standard deviation of offsets met in 74 clips of eight corpora
    correlated_frames: float = 6.0  # neighbouring frames' openings are alike: T frames are worth T / 6 independent ones
    near_frames: float = 1.5  # confidence is the probability that the lag is right to this
    shortest_frames: int = 15
    foreign_frames: int = 25  # from which a clip's own sound counts as another one
    mels_per_frame: int = 4  # log-mel frames of 10 ms in a video frame of 40 ms


SYNC = SyncSettings()

FILTER = (
    np.array(
        [
            [-5, -4, -6, -7, -6, -8, -8, -7, -5, -8, -7, -8, -10, -9, -5, -5],
            [-7, -6, -5, -5, -4, -5, -5, -4, -1, -5, -3, -4, -7, -7, -4, -7],
            [-11, -9, -2, -0, 2, 1, -0, 1, 6, 3, 6, 4, 0, -1, -1, -7],
            [-12, -10, 5, 9, 12, 10, 8, 11, 18, 17, 21, 18, 13, 8, 4, -4],
            [-12, -11, 8, 16, 17, 14, 13, 17, 25, 26, 30, 28, 21, 14, 8, -1],
            [-12, -12, 4, 13, 14, 11, 10, 14, 21, 22, 25, 25, 18, 12, 6, -1],
            [-11, -13, -2, 5, 6, 5, 3, 6, 11, 11, 14, 14, 8, 5, 1, -2],
            [-8, -10, -6, -1, 0, 1, -1, 0, 3, 3, 4, 5, 0, 0, -2, -2],
            [-2, -5, -5, -3, -1, 1, -1, -2, -1, -0, 0, 0, -3, -1, -2, 1],
        ],
        np.float64,
    )
    / 1000
)
"""`[9, 16]`: weight of each mel band (80-7000 Hz) at -4..4 video frames in the mouth's opening.

Ridge regression on 194 clips of 75 people, refitted seven times to the offsets that the previous fit measured. The
zero lies halfway between the median of 120 clips of GRID speaker 1 and that of the other people, who differ by 0.9.
`scripts/fit_sync_filter.py` fits such a filter. On 106 prepared clips of 83 people its weights correlate by 0.974 with
these. On people that it was not fitted to, its correlation with the opening is 0.429 (these: 0.430), and 71 % (73 %) of
known shifts of 3 and 5 frames are found within one frame.
"""


@dataclass(frozen=True)
class SpeechOffset:
    """Sound-picture offset of a clip.

    Attributes:
        lag: frames at 25 fps, negative when the sound is late.
        confidence: probability that `lag` is right to 1.5 frames.
        in_sync: probability that the true offset is within one frame of 0.
        correlation: of predicted and real opening at that lag.
    """

    lag: float
    confidence: float
    in_sync: float
    correlation: float


def measure_offset(samples: FloatArray, points: FloatArray, weights: FloatArray = FILTER) -> SpeechOffset | None:
    """Offset of 16 kHz `samples` against `[T, 68, 2]` landmarks at 25 fps that start at the same time.

    None where the clip is too short, the sound silent or the mouth still. `weights` `[9, 16]` are those of `FILTER`.
    """
    opening = _measurable_opening(samples, points)
    if opening is None:
        return None
    predicted = _bands(samples, len(opening))
    lags = _lags(SYNC.max_lag)
    real = _levelled(opening)
    shifted = (_shift(predicted, lag) for lag in lags)
    return _offset(
        np.array([_correlation(rows.reshape(len(real), -1) @ weights.ravel(), real) for rows in shifted]),
        lags,
        len(real),
    )


def filter_rows(samples: FloatArray, points: FloatArray, lag: float = 0.0) -> tuple[FloatArray, FloatArray] | None:
    """`[T, 9 * 16]` bands around each frame of sound moved by `lag` frames, and `[T]` levelled opening to predict.

    A filter is fitted to these (`scripts/fit_sync_filter.py`). None where `measure_offset` gives none.
    """
    opening = _measurable_opening(samples, points)
    if opening is None:
        return None
    return _shift(_bands(samples, len(opening)), lag).reshape(len(opening), -1), _levelled(opening)


def mismatch_p(samples: FloatArray, points: FloatArray) -> float | None:
    """Probability that a sound that does not belong to the face would fit it as well as this one does.

    Foreign sounds are the clip's own: backwards, and, in clips of 3 s and more, forwards by a second and more, both
    moved round in a circle. Every sound is tried at five lags from -2 to 2 frames, the clip's own as well, so that
    the best of many lags is compared with its like. None where there is nothing to measure.
    """
    opening = _measurable_opening(samples, points)
    if opening is None:
        return None
    real = _standard(_levelled(opening))
    count = len(real)
    straight, backward = (
        _standard(_shift(_bands(sound, count), 0.0).reshape(count, -1) @ FILTER.ravel())
        for sound in (samples, np.ascontiguousarray(samples[::-1]))
    )
    own = _best_nearby(_around(straight, real))
    far = slice(SYNC.foreign_frames, count - SYNC.foreign_frames) if count >= 3 * SYNC.foreign_frames else slice(0)
    foreign = np.concatenate([_best_nearby(_around(backward, real)), own[far]])
    return round(float((1 + (foreign >= own[0]).sum()) / (1 + len(foreign))), 4)


def _measurable_opening(samples: FloatArray, points: FloatArray) -> FloatArray | None:
    """`[T]` opening; None where the clip is too short, the sound silent or the mouth still."""
    opening = mouth_opening(to_canonical(points)[0])
    silent = np.max(np.abs(samples), initial=0.0) < SILENT_LEVEL
    if len(opening) < SYNC.shortest_frames or np.std(opening) < 1e-4 or silent:
        return None
    return opening


def _around(sound: FloatArray, real: FloatArray) -> FloatArray:
    """`[T]` correlation of `real` with `sound` moved round by 0, 1, 2... frames."""
    spectrum = np.conj(np.fft.rfft(sound)) * np.fft.rfft(real)
    return np.asarray(np.fft.irfft(spectrum, len(real)) / len(real))


def _best_nearby(correlations: FloatArray) -> FloatArray:
    """`[T]` the largest within two frames."""
    return np.asarray(np.max([np.roll(correlations, lag) for lag in range(-2, 3)], axis=0))


def shift_samples(samples: FloatArray, start: int, count: int) -> FloatArray:
    """`samples[start : start + count]`, silent where that is before the beginning or after the end."""
    result = np.zeros(count, np.float32)
    low, high = max(start, 0), min(start + count, len(samples))
    if low < high:
        result[low - start : high - start] = samples[low:high]
    return result


def _lags(max_lag: float) -> FloatArray:
    steps = round(max_lag / SYNC.lag_step)
    return np.arange(-steps, steps + 1) * SYNC.lag_step


def _offset(scores: FloatArray, lags: FloatArray, num_frames: int) -> SpeechOffset:
    """Posterior over lags from their correlations, each as likely as a Gaussian residual of that size."""
    worth = num_frames / SYNC.correlated_frames
    cost = 0.5 * worth * np.log(1 - np.clip(scores, 0, 0.999) ** 2) + 0.5 * (lags / SYNC.prior_frames) ** 2
    posterior = np.exp(cost.min() - cost)
    posterior /= posterior.sum()
    best = int(posterior.argmax())
    near = np.abs(lags - lags[best]) <= SYNC.near_frames
    confidence = float(posterior[near].sum())
    in_sync = float(posterior[np.abs(lags) <= 1].sum())
    return SpeechOffset(float((posterior * lags)[near].sum() / confidence), confidence, in_sync, float(scores[best]))


def _levelled(opening: FloatArray) -> FloatArray:
    """Opening without its slow drift and single-frame noise, in standard deviations."""
    smooth = gaussian_filter1d(np.asarray(opening, np.float64), 0.6)
    return _standard(smooth - 0.7 * gaussian_filter1d(smooth, 12))


def _standard(values: FloatArray) -> FloatArray:
    return np.asarray((values - values.mean(0)) / (values.std(0) + 1e-6))


def _correlation(a: FloatArray, b: FloatArray) -> float:
    return float(np.mean(_standard(a) * _standard(b)))


@dataclass(frozen=True)
class _Bands:
    """Standardised log-mel bands, `[N, 16]` at 100 Hz, and the number of video frames they belong to."""

    values: FloatArray
    num_frames: int


def _bands(samples: FloatArray, num_frames: int) -> _Bands:
    import librosa  # takes a second to import; only workers that meet sound need it

    power = librosa.feature.melspectrogram(
        y=samples, sr=SAMPLE_RATE, n_fft=512, hop_length=SAMPLE_RATE // 100, n_mels=16, fmin=80, fmax=7000, power=1.0
    )
    log_mel = np.log(power + 1e-4 * power.max() + 1e-7).T
    return _Bands(uniform_filter1d(_standard(log_mel), SYNC.mels_per_frame, axis=0, mode="nearest"), num_frames)


def _shift(bands: _Bands, lag: float) -> FloatArray:
    """`[T, 9, 16]` bands around each video frame of sound moved by `lag` frames."""
    taps = np.arange(len(FILTER)) - len(FILTER) // 2
    times = (np.arange(bands.num_frames)[:, None] + 0.5 - lag + taps) * SYNC.mels_per_frame - 0.5
    times = np.clip(times, 0, len(bands.values) - 1)
    low = np.floor(times).astype(int)
    part = (times - low)[..., None]
    return np.asarray((1 - part) * bands.values[low] + part * bands.values[np.minimum(low + 1, len(bands.values) - 1)])
