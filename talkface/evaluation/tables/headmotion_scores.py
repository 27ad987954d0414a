"""Speech of prepared clips -> head motion of several systems -> its distance from real head motion.

The protocol: each system moves a head for as long as a clip lasts, given its speech at most; the coordinates that a
photo can show (pitch, yaw, roll, x, y) are compared with those of the real head. Each clip's mean pose is subtracted
from all systems, since the photo decides where a head rests. Stochastic systems are sampled three times. Baselines:

- `rhythm`: nods on onsets and a slow drift, `landmarks.motion.head_motion`;
- `still`: the photo's pose in every frame;
- `random walk`: steps of the real heads' own size, independent from frame to frame, held inside the limits of a photo;
- `other clip`: the real pose of somebody else, who says something else: as natural as can be, but not of this speech;
- `real`: the clip's own pose, the measure of all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.signal import welch

from talkface.audio.rhythm import Rhythm, speech_rhythm
from talkface.data.samplers.headmotion import clip_track
from talkface.errors import DatasetError
from talkface.evaluation.rows import REAL, Row
from talkface.evaluation.speech_clips import SpokenClips
from talkface.landmarks.head_style import SHOWN, back_and_forth, shown_pose
from talkface.landmarks.motion import head_motion, smooth_activity
from talkface.media.speech import open_speech, speech_level
from talkface.metrics.head import beat_alignment, speech_onsets, turning_points
from talkface.metrics.stats import BOOTSTRAP, UNMEASURED, Score, finite_mean, interval
from talkface.models.headmotion import Headmotion, learned_pose
from talkface.types import FloatArray, HeadPose, Waveform


class Baseline(StrEnum):
    """Systems without a network that a head motion network is compared with."""

    RHYTHM = "rhythm"
    STILL = "still"
    WALK = "random walk"
    OTHER = "other clip"


@dataclass(frozen=True)
class HeadScoreSettings:
    """Spectra, shifts and samples of the head motion table."""

    samples: int = 3  # of each stochastic system
    segment: int = 50  # frames of one spectrum: 0.5 Hz apart at 25 frames/s
    highest_hz: float = 6.0  # above it the detector's jitter outweighs what heads do
    floor_db: float = -30.0  # under the real mean power, added to both spectra, so that a still head has a distance
    shift_s: float = 0.4  # onsets moved by these and more are in time by chance only
    shift_step_s: float = 0.2


HEAD_SCORES = HeadScoreSettings()


@dataclass(frozen=True)
class HeadRow(Row):
    """Motion of one system on one clip, with its scores.

    Scores: `alignment` is `beat_alignment` with the speech's onsets, NaN where nothing is said; `in_time` the same less
    that of onsets at other times, since many beats are near an onset by chance; `extent` the standard deviation of
    pitch, yaw and roll, their mean, in degrees; `speed` the mean angular speed, degrees per second; `variety` the root
    mean square difference of two samples of other seeds, degrees, NaN of deterministic systems.

    Attributes:
        tracks: one `[T, 5]` per sample: pitch, yaw, roll in radians, x, y in outer-eye distances, about their mean.
    """

    tracks: Sequence[FloatArray] = field(repr=False)


def score_heads(clips: SpokenClips, network: Headmotion, name: str) -> Iterator[list[HeadRow]]:
    """All systems clip by clip; clips that show too little of a face are left out.

    Raises:
        DatasetError: none is left, or they are not at the network's 25 frames/s.
    """
    usable = [(index, track) for index in range(len(clips)) if (track := clip_track(clips[index].prepared)) is not None]
    if not usable:
        raise DatasetError("no clip shows a face for a second: prepare longer clips")
    step = np.median([np.abs(np.diff(track[:, : SHOWN.count], axis=0)).mean(0) for _, track in usable], 0)
    for place, (index, track) in enumerate(usable):
        clip = clips[index]
        if clip.fps != 25:
            raise DatasetError(f"clip {clip.key} has {float(clip.fps):g} frames/s: prepare at 25")
        speech = Waveform(clip.prepared.audio)
        stream = open_speech(speech)
        rhythm = speech_rhythm(stream.blocks(), len(track), clip.fps, speech_level(stream))
        onsets = speech_onsets(speech, clip.fps, len(track))
        other = _other_person(usable, clips.speakers, place)
        tracks: dict[str, list[FloatArray]] = {
            name: [_columns(learned_pose(network, rhythm, clip.fps, seed)) for seed in _seeds(place)],
            Baseline.RHYTHM: [_columns(rhythm_pose(rhythm, clip.fps, seed)) for seed in _seeds(place)],
            Baseline.STILL: [np.zeros((len(track), SHOWN.count))],
            Baseline.WALK: [random_walk(len(track), step, seed) for seed in _seeds(place)],
            Baseline.OTHER: [back_and_forth(other, len(track))[:, : SHOWN.count]],
            REAL: [track[:, : SHOWN.count]],
        }
        yield [score_motion(system, clip.key, clip.speaker, made, onsets, clip.fps) for system, made in tracks.items()]


def _seeds(place: int) -> range:
    return range(HEAD_SCORES.samples * place, HEAD_SCORES.samples * (place + 1))


def _columns(pose: HeadPose) -> FloatArray:
    return np.column_stack([pose.rotation, pose.translation])


def rhythm_pose(rhythm: Rhythm, fps: Fraction, seed: int) -> HeadPose:
    """The heuristic as `animate` calls it."""
    rng = np.random.default_rng([seed, 0])
    return head_motion(rhythm.onset, smooth_activity(rhythm.activity, fps), fps, rng)


def random_walk(num_frames: int, step: FloatArray, seed: int) -> FloatArray:
    """`[T, 5]` independent Gaussian steps of mean size `step` `[5]`, softly held inside what a photo may show."""
    steps = np.random.default_rng([seed, 3]).standard_normal((num_frames, len(step))) * step * np.sqrt(np.pi / 2)
    pose = shown_pose(np.cumsum(steps, 0), Fraction(25))
    return _columns(pose)


def _other_person(usable: Sequence[tuple[int, FloatArray]], speakers: Sequence[str], place: int) -> FloatArray:
    """Track of the next clip that is by somebody else; of the next one where there is one person only."""
    me = speakers[usable[place][0]]
    order = [(place + offset) % len(usable) for offset in range(1, len(usable))]
    other = next((index for index in order if speakers[usable[index][0]] != me), (place + 1) % len(usable))
    return usable[other][1]


def score_motion(
    system: str, clip: str, speaker: str, tracks: Sequence[FloatArray], onsets: FloatArray, fps: Fraction
) -> HeadRow:
    """Score one system's samples `[T, 5]` on one clip, whose syllables start at the frames `onsets`."""
    centred = [np.asarray(track, np.float64) - track.mean(0) for track in tracks]
    angles = [np.degrees(track[:, :3]) for track in centred]
    beats = [turning_points(each, fps) for each in angles]
    alignment = float(np.mean([beat_alignment(each, onsets, fps) for each in beats]))
    chance = float(np.mean([chance_alignment(each, onsets, len(centred[0]), fps) for each in beats]))
    speeds = [np.linalg.norm(np.diff(each, axis=0), axis=1).mean() for each in angles]
    differences = [np.sqrt(((first - second) ** 2).mean()) for first, second in pairwise(angles)]
    scores = {
        "alignment": alignment,
        "in_time": alignment - chance,
        "extent": float(np.mean([each.std(0).mean() for each in angles])),
        "speed": float(np.mean(speeds)) * float(fps),
        "variety": finite_mean(differences),
    }
    labels = {"system": system, "clip": clip, "speaker": speaker, "frames": len(centred[0])}
    return HeadRow(labels, scores, centred)


def chance_alignment(beats: FloatArray, onsets: FloatArray, num_frames: int, fps: Fraction) -> float:
    """Mean beat alignment of onsets that are turned about the clip's length by 0.4 s, 0.6 s and so on."""
    first, step = round(HEAD_SCORES.shift_s * fps), max(1, round(HEAD_SCORES.shift_step_s * fps))
    shifts = range(first, num_frames - first, step)
    moved = [beat_alignment(beats, (np.asarray(onsets) + shift) % num_frames, fps) for shift in shifts]
    return finite_mean(moved)


Distance = Callable[[FloatArray, FloatArray], FloatArray]
"""Made and real means over people -> how far they lie apart."""


def moments(rows: Sequence[HeadRow], people: Sequence[str]) -> FloatArray:
    """First and second moments `[people, 10, 11]` of pose and velocity (per second), every person counting alike."""
    table = []
    for person in people:
        joined = np.concatenate([np.column_stack([track, velocity(track)]) for track in _tracks(rows, person)])
        table.append(np.column_stack([joined.T @ joined / len(joined), joined.mean(0)]))
    return np.stack(table)


def velocity(track: FloatArray) -> FloatArray:
    """Change per second `[T, 5]` of a pose at 25 frames/s."""
    return np.asarray(np.gradient(track, axis=0) * 25.0)


def _tracks(rows: Sequence[HeadRow], person: str) -> list[FloatArray]:
    return [track for row in rows if row.person == person for track in row.tracks]


def frechet_distance(made: FloatArray, real: FloatArray) -> FloatArray:
    """Frechet distance of two Gaussians (Dowson and Landau 1982; the FID of Heusel et al. 2017 on pose and velocity).

    |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)), each dimension over the real one's standard deviation.

    Args:
        made: `[..., D, D + 1]` second and, in the last column, first moments.
        real: the same.

    Returns:
        `[...]`, no unit; D is what a head that stays in the mean pose gets.
    """
    (mean_a, cov_a), (mean_b, cov_b) = (_gaussian(each) for each in (made, real))
    unit = 1 / np.sqrt(np.maximum(np.diagonal(cov_b, axis1=-2, axis2=-1), 1e-12))
    scale = unit[..., :, None] * unit[..., None, :]
    cov_a, cov_b = cov_a * scale, cov_b * scale
    root_b = _root(cov_b)
    cross = np.sqrt(np.linalg.eigvalsh(root_b @ cov_a @ root_b).clip(0)).sum(-1)
    trace = np.trace(cov_a + cov_b, axis1=-2, axis2=-1)
    return np.asarray(np.maximum(np.sum(((mean_a - mean_b) * unit) ** 2, -1) + trace - 2 * cross, 0.0))


def _gaussian(moment: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = moment[..., -1]
    return mean, moment[..., :-1] - mean[..., :, None] * mean[..., None, :]


def _root(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(values.clip(0))[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def spectra(rows: Sequence[HeadRow], people: Sequence[str]) -> FloatArray:
    """`[people, F, 5]` power of the velocity from 0.5 to 6 Hz, Welch's mean over two-second stretches.

    NaN for people whose clips are all shorter.
    """
    table, segment = [], HEAD_SCORES.segment
    for person in people:
        tracks = [track for track in _tracks(rows, person) if len(track) > segment]
        powers = [welch(velocity(track), fs=25.0, nperseg=segment, axis=0)[1] for track in tracks]
        table.append(np.mean(powers, 0)[_band()] if powers else np.full((int(_band().sum()), SHOWN.count), np.nan))
    return np.stack(table)


def band_hz() -> FloatArray:
    """`[F]` frequencies of `spectra`."""
    return np.fft.rfftfreq(HEAD_SCORES.segment, 1 / 25.0)[_band()]


def _band() -> npt.NDArray[np.bool_]:
    hz = np.fft.rfftfreq(HEAD_SCORES.segment, 1 / 25.0)
    return np.asarray((hz > 0) & (hz <= HEAD_SCORES.highest_hz))


def spectrum_distance(made: FloatArray, real: FloatArray) -> FloatArray:
    """Root mean square difference of two velocity spectra `[..., F, 5]` in decibels, -> `[...]`."""
    floor = 10 ** (HEAD_SCORES.floor_db / 10) * real.mean(-2, keepdims=True)
    difference = 10 * np.log10((made + floor) / (real + floor))
    return np.asarray(np.sqrt((difference**2).mean((-2, -1))))


def pooled_score(
    made: FloatArray, real: FloatArray, distance: Distance, minus: FloatArray | None = None, seed: int = 40
) -> Score:
    """A distance between means over people, with its bootstrap interval over people.

    Args:
        made: `[people, ...]`; people with NaN in any array are left out.
        real: the same people.
        distance: of two means.
        minus: another system's, whose distance is taken off: the same people are drawn for both.
        seed: of the bootstrap.
    """
    given = [made, real] if minus is None else [made, real, minus]
    known = np.all([np.isfinite(each.reshape(len(each), -1)).all(1) for each in given], 0)
    count = int(known.sum())
    if count == 0:
        return UNMEASURED
    given = [each[known] for each in given]

    def value(chosen: npt.NDArray[np.integer]) -> FloatArray:
        means = [each[chosen].mean(1) for each in given]
        found = distance(means[0], means[1])
        return found if minus is None else found - distance(means[2], means[1])

    rng = np.random.default_rng(seed)
    drawn = np.concatenate([value(rng.integers(0, count, (100, count))) for _ in range(BOOTSTRAP.draws // 100)])
    return Score(float(value(np.arange(count)[None])[0]), *interval(drawn), count)


def by_system(rows: Sequence[HeadRow]) -> dict[str, list[HeadRow]]:
    """Rows of each system, in the order of the columns."""
    groups: dict[str, list[HeadRow]] = {}
    for row in rows:
        groups.setdefault(row.system, []).append(row)
    return groups
