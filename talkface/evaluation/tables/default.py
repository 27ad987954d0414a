"""Real test clips, portraits and a maker of videos -> the measures that the default networks must reach.

Evaluation makes no video itself: the command line hands in `Maker`s, which call inference. Everything is measured on
encoded videos that are read back, except the inner mouth and SSIM, which are measured on the frames themselves.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from talkface.evaluation.clips import OPEN_SHARE, HeldOutClip, RealClip, load_real_clip, track_video
from talkface.evaluation.tables.lip_motion import MOTION_ROWS, THEVAL_ROWS, LipMotion, lip_motion
from talkface.geometry.resample import cut_patch
from talkface.landmarks.detect import Detector
from talkface.landmarks.layout import INNER_LIP
from talkface.media.read import read_frames
from talkface.metrics.image import FACE_CROP, face_map, polygon_l1, ssim
from talkface.metrics.lag import best_lag, pearson
from talkface.metrics.landmark import most_open_frames, opening_series, percentile_ratio, std_ratio
from talkface.metrics.mouth import MOUTH_MEASURE, InnerMouth, typical_inner_mouth
from talkface.metrics.stats import Bar, Measure, Score, Statistic, average_by_person, mean, median, ratio_score, score
from talkface.types import DEFAULT_FPS, FloatArray, Image, Shot, Waveform


@dataclass(frozen=True)
class DefaultTableSettings:
    """Lag and seed of the default table."""

    max_lag: int = 2  # frames at 25 fps, to either side
    seed: int = 20  # of the bootstrap


DEFAULT_TABLE = DefaultTableSettings()
REAL, STILL = "real", "photo only"

T = TypeVar("T")
Track = Callable[[Sequence[T], str], Iterable[T]]
"""Iterates over items and shows a progress bar with the given words."""


class Maker(Protocol):
    """One system under test."""

    name: str

    def speak(self, photo: Image, speech: Waveform, out: Path, *, natural: bool) -> None:
        """Write a video of `photo` speaking; `natural` adds the default head motion and blinks."""
        ...

    def follow(self, photo: Shot, landmarks: FloatArray) -> Iterator[Image]:
        """Render `photo` with exactly the pixel landmarks `[T, 68, 2]`."""
        ...


@dataclass(frozen=True)
class ClipScore:
    """What one system reached on one clip; see `landmark` and `image` for the definitions."""

    system: str
    clip: str
    person: str
    group: str
    r: float = float("nan")
    r_best: float = float("nan")
    lag: float = float("nan")
    std: float = float("nan")
    p95: float = float("nan")
    sharpness: float = float("nan")
    teeth: float = float("nan")
    mouth_l1: float = float("nan")
    ssim: float = float("nan")
    motion: LipMotion = field(default_factory=LipMotion)


@dataclass(frozen=True)
class Bench:
    """What every measure needs.

    Attributes:
        detector: landmark backend for real and made videos alike.
        folder: where crops and made videos go.
        longest_s: seconds used of longer clips.
        track: progress bar.
    """

    detector: Detector
    folder: Path
    longest_s: float
    track: Track  # type: ignore[type-arg]


@dataclass(frozen=True)
class _Made:
    """What is measured on one made video: `[T, 68, 2]` landmarks, and the inside of its most open mouths."""

    landmarks: FloatArray
    mouth: InnerMouth


def score_clips(
    clips: Sequence[HeldOutClip], makers: Sequence[Maker], bench: Bench, *, natural: bool
) -> Iterator[ClipScore]:
    """Score every system on every clip, the real clip re-encoded among them; clips without a face are left out."""
    for clip in bench.track(clips, "test clips"):
        real = load_real_clip(clip, bench.detector, bench.folder / "real", bench.longest_s)
        if real is None:
            continue
        yield _score_real(real)
        yield _score_still(real)
        for maker in makers:
            yield _score_maker(real, maker, bench, natural=natural)


def clip_measures(scores: Sequence[ClipScore], judged: str) -> list[Measure]:
    """Rows of the table that come from the test clips."""
    people = [one for one in scores if one.group == "people"]
    sentences = [one for one in scores if one.group != "people"]
    rows = [
        _by_person(people, "r", "opening r, lag 0, unseen people", Bar(at_least=0.40), judged),
        _by_person(
            people, "r_best", f"opening r, best lag within ±{DEFAULT_TABLE.max_lag}", Bar(at_least=0.50), judged
        ),
        _by_person(people, "lag", "median best lag", Bar(0, 0), judged, "frames"),
    ]
    if sentences:
        rows.append(_by_clip(sentences, "r", "opening r, lag 0, GRID s1 test sentences", Bar(at_least=0.85), judged))
    rows += [
        _by_person(people, "std", "opening std over the real one's", Bar(0.6, 1.3), judged),
        _by_person(people, "p95", "95th percentile of the opening over the real one's", Bar(0.85, 1.15), judged),
        _by_person(people, "sharpness", "sharpness inside the open mouth over the real one's", Bar(0.8, 1.1), judged),
        _by_person(people, "teeth", "teeth in it over the real one's, where that shows them", Bar(0.6, 1.3), judged),
        *(_by_person(people, name, label, bar, judged) for name, (label, bar) in MOTION_ROWS.items()),
        *(_theval_measure(people, name, label, judged) for name, label in THEVAL_ROWS.items()),
        _mouth_measure(scores, judged),
        _by_person(scores, "mouth_l1", "inner-mouth L1, most open frames", None, judged, "grey levels", mean),
    ]
    return [*rows, *_ssim_measures(scores, judged)]


def _score_real(real: RealClip) -> ClipScore:
    """The real clip after cropping and encoding, measured like a made video: the ceiling of every measure."""
    chosen = set(real.open_frames.tolist())
    frames = [image for index, (image, _) in enumerate(read_frames(real.video, DEFAULT_FPS)) if index in chosen]
    return _clip_score(REAL, real, _Made(real.remeasured, _open_mouth(real.video, real.remeasured)), frames)


def _score_still(real: RealClip) -> ClipScore:
    """The photo itself in every frame: the floor."""
    landmarks = np.repeat(real.photo.landmarks[None], len(real.landmarks), 0)
    made = _Made(landmarks, typical_inner_mouth([real.photo]))
    return _clip_score(STILL, real, made, [real.photo.image] * len(real.open_frames))


def _score_maker(real: RealClip, maker: Maker, bench: Bench, *, natural: bool) -> ClipScore:
    folder = bench.folder / "videos" / maker.name
    folder.mkdir(parents=True, exist_ok=True)
    video = folder / f"{real.clip.key}.mp4"
    maker.speak(real.photo.image, real.speech, video, natural=natural)
    landmarks = track_video(video, bench.detector)
    frames = maker.follow(real.photo, real.landmarks[real.open_frames])
    made = _Made(landmarks, _open_mouth(video, landmarks))
    return _clip_score(maker.name, real, made, list(frames))


def _open_mouth(video: Path, landmarks: FloatArray) -> InnerMouth:
    """What shows between the lips in a video's most open frames."""
    chosen = set(most_open_frames(opening_series(landmarks), OPEN_SHARE).tolist())
    numbered = enumerate(read_frames(video, DEFAULT_FPS))
    return typical_inner_mouth(Shot(image, landmarks[index]) for index, (image, _) in numbered if index in chosen)


def _clip_score(system: str, real: RealClip, video: "_Made", open_frames: Sequence[Image]) -> ClipScore:
    made, mouth = opening_series(video.landmarks), video.mouth
    shift = best_lag(made, real.openings, DEFAULT_TABLE.max_lag)
    targets = real.landmarks[real.open_frames]
    pairs = list(zip(open_frames, real.open_images, targets, strict=False))
    own = _open_mouth(real.video, real.remeasured)
    return ClipScore(
        system=system,
        clip=real.clip.key,
        person=real.clip.person,
        group=real.clip.group,
        r=pearson(made, real.openings),
        r_best=shift.r,
        lag=float(shift.lag),
        std=std_ratio(made, real.openings),
        p95=percentile_ratio(made, real.openings, 95),
        sharpness=mouth.sharpness / max(own.sharpness, 1e-6),
        teeth=mouth.teeth / own.teeth if own.teeth > MOUTH_MEASURE.shown_teeth else float("nan"),
        mouth_l1=_mean([polygon_l1(frame, image, points[INNER_LIP]) for frame, image, points in pairs]),
        ssim=_mean([ssim(_face_crop(frame, points), _face_crop(image, points)) for frame, image, points in pairs]),
        motion=lip_motion(video.landmarks, real.remeasured, real.speech),
    )


def _face_crop(image: Image, landmarks: FloatArray) -> Image:
    return cut_patch(image, face_map(landmarks), FACE_CROP.face_size)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def flat_row(clip_score: ClipScore) -> dict[str, Any]:
    """Every quantity by name, as one JSON line holds them."""
    row = asdict(clip_score)
    motion = row.pop("motion")
    return {**row, **motion}


def _systems(scores: Iterable[ClipScore]) -> list[str]:
    """Made systems first, in the order they came; then the photo and the real clip."""
    names = list(dict.fromkeys(one.system for one in scores))
    return [*(name for name in names if name not in (STILL, REAL)), STILL, REAL]


def _people(scores: Iterable[ClipScore], system: str, quantity: str) -> dict[str, float]:
    return average_by_person((one.person, flat_row(one)[quantity]) for one in scores if one.system == system)


def _by_person(
    scores: Sequence[ClipScore],
    quantity: str,
    label: str,
    bar: Bar | None,
    judged: str,
    unit: str = "",
    statistic: Statistic = median,
) -> Measure:
    """Each person's clips are averaged first; then median (or mean) and interval over people."""
    values = {system: _people(scores, system, quantity) for system in _systems(scores)}
    columns = {s: score(v.values(), np.random.default_rng(DEFAULT_TABLE.seed), statistic) for s, v in values.items()}
    return Measure(f"people_{quantity}", label, columns, bar, judged, unit, values)


def _by_clip(scores: Sequence[ClipScore], quantity: str, label: str, bar: Bar, judged: str) -> Measure:
    values = {s: {one.clip: flat_row(one)[quantity] for one in scores if one.system == s} for s in _systems(scores)}
    columns = {s: score(v.values(), np.random.default_rng(DEFAULT_TABLE.seed), median) for s, v in values.items()}
    return Measure(f"grid_{quantity}", label, columns, bar, judged, details=values)


def _theval_measure(scores: Sequence[ClipScore], quantity: str, label: str, judged: str) -> Measure:
    """Mean over people of a THEval value, over the same of the real clips; its published score is 1 - |this - 1|."""
    values, columns = _over_means(scores, quantity, REAL)
    bar = Bar(0.8, 1.2)
    return Measure(f"people_{quantity}", f"THEval {label}, over the real ones'", columns, bar, judged, details=values)


def _mouth_measure(scores: Sequence[ClipScore], judged: str) -> Measure:
    """Mean over people of the inner-mouth L1, over the same of `warp`."""
    _, columns = _over_means(scores, "mouth_l1", "warp")
    return Measure("mouth_l1_ratio", "inner-mouth L1 over warp's, most open frames", columns, Bar(at_most=0.68), judged)


def _over_means(
    scores: Sequence[ClipScore], quantity: str, reference: str
) -> tuple[dict[str, dict[str, float]], dict[str, Score]]:
    """By system: each person's value, and their mean over the mean of one system on the same people."""
    values = {system: _people(scores, system, quantity) for system in _systems(scores)}
    floor = values.get(reference, {})
    columns: dict[str, Score] = {}
    for system, people in values.items():
        common = sorted(people.keys() & floor.keys())
        pairs = [people[name] for name in common], [floor[name] for name in common]
        columns[system] = ratio_score(*pairs, np.random.default_rng(DEFAULT_TABLE.seed))
    return values, columns


def _ssim_measures(scores: Sequence[ClipScore], judged: str) -> list[Measure]:
    """SSIM against its fixed bar, and its paired advantage over `warp`."""
    absolute = _by_person(
        scores, "ssim", "SSIM of the 256² crop, most open frames", Bar(at_least=0.80), judged, "", mean
    )
    people: Mapping[str, Mapping[str, float]] = absolute.details  # type: ignore[assignment]
    floor = people.get("warp", {})
    gains = {
        system: score(
            [values[name] - floor[name] for name in sorted(values.keys() & floor.keys())],
            np.random.default_rng(DEFAULT_TABLE.seed),
            mean,
        )
        for system, values in people.items()
        if system not in (STILL, REAL)
    }
    return [absolute, Measure("ssim_gain", "the same minus warp's", gains, Bar(at_least=0.0), judged)]
