"""People never seen, a few shots of each, and painters -> how alike their pictures are on other frames.

Every system gets the same shots of a person and the landmarks of other frames, and paints those frames as the few-shot
network frames a face. Evaluation paints nothing itself: the command line hands in `Painter`s.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.samplers.shot_pictures import picture_map
from talkface.geometry.affine import transform
from talkface.geometry.resample import resample
from talkface.landmarks.describe import describe
from talkface.landmarks.detect import Detector
from talkface.landmarks.face import box_of_landmarks
from talkface.metrics.face_id import descriptor_distance
from talkface.metrics.image import psnr, ssim
from talkface.metrics.landmark import lmd
from talkface.metrics.stats import Bar, Measure, Score, average_by_person, mean, score
from talkface.types import FloatArray, Image, Shot

ClipT = TypeVar("ClipT", bound=PreparedClip)


@dataclass(frozen=True)
class FewshotTableSettings:
    """Size, seed and threshold of the few-shot table."""

    judged_size: int = 256  # pixels: every picture, whatever its network's size, is judged at this one
    seed: int = 20  # of the bootstrap
    helped: float = 0.8  # share of people whom fine-tuning must help


FEWSHOT_TABLE = FewshotTableSettings()
QUANTITIES = (
    ("ssim", "SSIM of the face picture", "", True),
    ("psnr", "PSNR", "dB", True),
    ("lmd", "mouth landmark distance", f"pixels of {FEWSHOT_TABLE.judged_size}", False),
    ("identity", "identity distance to the real frame", "", False),
    ("l1", "L1", "grey levels", False),
)
"""Name, label, unit, and whether more is better."""


@dataclass(frozen=True)
class Framing:
    """How the few-shot network frames a face: see `data/samplers/shot_pictures.picture_map`."""

    crop: str
    side: float
    size: int

    def picture(self, image: Image, landmarks: FloatArray) -> Image:
        """`[S, S, 3]` around the face of `image` that has these landmarks."""
        return resample(image, picture_map(landmarks, self.crop, self.side, self.size), self.size)


@dataclass(frozen=True)
class UnseenPerson:
    """Somebody no network was trained on.

    Attributes:
        name: identity.
        shots: what a system may see.
        targets: other frames of that person, with the landmarks that drive.
    """

    name: str
    shots: tuple[Shot, ...]
    targets: tuple[Shot, ...]


class Painter(Protocol):
    """One system under test."""

    name: str

    def paint(self, shots: Sequence[Shot], landmarks: FloatArray) -> list[Image]:
        """The shots' person with `[N, 68, 2]` landmarks, framed by each, `[S, S, 3]` each."""
        ...


@dataclass(frozen=True)
class PersonScore:
    """What one system reached on one person, means over the person's targets."""

    system: str
    person: str
    ssim: float
    psnr: float
    lmd: float
    identity: float
    l1: float


def choose_people(
    clips: Iterable[PreparedClip], shots: int, targets: int, most: int, left_out: Sequence[str] = ()
) -> list[UnseenPerson]:
    """People with enough frames, one clip each: shots from its first half, targets from its second, evenly spread.

    Args:
        clips: of the test split.
        shots: how many a system may see.
        targets: how many are painted.
        most: people at most, spread over the list.
        left_out: names of people who were in training all the same.
    """
    chosen = longest_clips(clips, shots + targets, most, left_out)
    return [_person(clip, found, shots, targets) for clip, found in chosen]


def longest_clips(
    clips: Iterable[ClipT], frames: int, most: int, left_out: Sequence[str] = ()
) -> list[tuple[ClipT, np.ndarray]]:
    """Of each person the clip with the most faces, and the indices of the frames that show one, by the person's name.

    Args:
        clips: of the test split.
        frames: with a face that a clip must have.
        most: people at most, spread over the list.
        left_out: names of people who were in training all the same.
    """
    longest: dict[str, tuple[ClipT, np.ndarray]] = {}
    for clip in clips:
        found = np.flatnonzero(np.isfinite(clip.landmarks).all((1, 2)))
        if clip.speaker in left_out or len(found) < frames:
            continue
        if clip.speaker not in longest or len(found) > len(longest[clip.speaker][1]):
            longest[clip.speaker] = (clip, found)
    names = sorted(longest)
    places = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return [longest[names[place]] for place in places]


def halves(found: np.ndarray, shots: int, targets: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames that shots come from and later ones that targets come from; none is in both, each has enough."""
    share = max(shots, min(len(found) - targets, len(found) // 2))
    return found[:share], found[share:]


def _person(clip: PreparedClip, found: np.ndarray, shots: int, targets: int) -> UnseenPerson:
    first, second = halves(found, shots, targets)
    parts = (spread(first, shots), spread(second, targets))
    seen, driven = (tuple(Shot(clip.image(int(i)), clip.landmarks[i]) for i in part) for part in parts)
    return UnseenPerson(clip.speaker, seen, driven)


def spread(frames: np.ndarray, count: int) -> np.ndarray:
    """`count` of the frames, evenly over the list, first and last among them."""
    return np.asarray(frames[np.linspace(0, len(frames) - 1, count).round().astype(int)])


def score_people(
    people: Sequence[UnseenPerson], painters: Sequence[Painter], framing: Framing, detector: Detector
) -> Iterator[tuple[PersonScore, list[Image]]]:
    """Score every system on every person; with each score come the pictures that were judged."""
    for person in people:
        real = [framing.picture(target.image, target.landmarks) for target in person.targets]
        judge = _Judge(person, real, framing, detector)
        points = np.stack([target.landmarks for target in person.targets])
        for painter in painters:
            pictures = painter.paint(person.shots, points)
            yield judge(painter.name, pictures), pictures


class _Judge:
    """Compares pictures with a person's real frames, all at one size."""

    def __init__(self, person: UnseenPerson, real: Sequence[Image], framing: Framing, detector: Detector) -> None:
        self._person, self._detector = person, detector
        self._real = [_judged(picture) for picture in real]
        zoom = FEWSHOT_TABLE.judged_size / framing.size
        self._points = [
            (
                (transform(picture_map(t.landmarks, framing.crop, framing.side, framing.size), t.landmarks) + 0.5)
                * zoom
                - 0.5
            )
            for t in person.targets
        ]
        self._seen = [
            self._landmarks(picture, points) for picture, points in zip(self._real, self._points, strict=True)
        ]
        self._described = [describe(p, points) for p, points in zip(self._real, self._points, strict=True)]

    def __call__(self, system: str, pictures: Sequence[Image]) -> PersonScore:
        made = [_judged(picture) for picture in pictures]
        pairs = list(zip(made, self._real, strict=True))
        seen = [self._landmarks(picture, points) for picture, points in zip(made, self._points, strict=True)]
        who = [
            descriptor_distance(describe(picture, points), real)
            for picture, points, real in zip(made, self._points, self._described, strict=True)
        ]
        return PersonScore(
            system,
            self._person.name,
            ssim=_mean(ssim(a, b) for a, b in pairs),
            psnr=_mean(psnr(a, b) for a, b in pairs),
            lmd=lmd(np.stack(seen), np.stack(self._seen)),
            identity=_mean(who),
            l1=_mean(float(np.abs(a.astype(np.float64) - b).mean()) for a, b in pairs),
        )

    def _landmarks(self, picture: Image, points: FloatArray) -> FloatArray:
        """What the detector sees where the face should be, in a real and in a made picture alike."""
        return self._detector.landmarks(picture, *box_of_landmarks(points))


def _judged(picture: Image) -> Image:
    size = len(picture)
    zoom = FEWSHOT_TABLE.judged_size / size
    return resample(
        picture, np.array([[zoom, 0, (zoom - 1) / 2], [0, zoom, (zoom - 1) / 2]]), FEWSHOT_TABLE.judged_size
    )


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def person_measures(scores: Sequence[PersonScore], tuned: str, fed: str, one_shot: Mapping[str, str]) -> list[Measure]:
    """Rows of the table: means over people, then what fine-tuning and more shots gain.

    Args:
        scores: of every system on every person.
        tuned: the system that was fine-tuned on all shots.
        fed: the same fed forward.
        one_shot: what each of the two is with the first shot only.
    """
    systems = list(dict.fromkeys(one.system for one in scores))
    values = {name: {system: _by_person(scores, system, name) for system in systems} for name, *_ in QUANTITIES}
    rows = [
        Measure(
            name,
            label,
            {
                system: score(values[name][system].values(), np.random.default_rng(FEWSHOT_TABLE.seed), mean)
                for system in systems
            },
            unit=unit,
            details=values[name],
        )
        for name, label, unit, _ in QUANTITIES
    ]
    for name, words in (("ssim", "SSIM"), ("identity", "identity")):
        better = _gains(values[name], tuned, fed, more=name == "ssim")
        label = f"fine-tuning improves {words} of other frames"
        rows.append(
            Measure(
                f"tuning_{name}",
                label,
                {tuned: _share(better)},
                Bar(at_least=FEWSHOT_TABLE.helped),
                tuned,
                "share of people",
            )
        )
    for name, words in (("ssim", "SSIM"), ("identity", "identity")):
        gains = {system: _gains(values[name], system, one_shot[system], more=name == "ssim") for system in (fed, tuned)}
        scored = {
            system: score(gain, np.random.default_rng(FEWSHOT_TABLE.seed), mean)
            for system, gain in gains.items()
            if gain
        }
        label, judged = f"{words} gained by all shots over one", tuned if tuned in scored else fed
        rows.append(Measure(f"shots_{name}", label, scored, Bar(at_least=0.0), judged))
    return rows


def _by_person(scores: Sequence[PersonScore], system: str, name: str) -> dict[str, float]:
    return average_by_person((one.person, asdict(one)[name]) for one in scores if one.system == system)


def _gains(values: dict[str, dict[str, float]], system: str, over: str, *, more: bool) -> list[float]:
    """How much better one system is than another, person by person, above 0 for better."""
    mine, theirs = values.get(system, {}), values.get(over, {})
    sign = 1 if more else -1
    return [sign * (mine[person] - theirs[person]) for person in sorted(mine.keys() & theirs.keys())]


def _share(gains: Sequence[float]) -> Score:
    return score([float(gain > 0) for gain in gains], np.random.default_rng(FEWSHOT_TABLE.seed), mean)


class PhotoOnly:
    """The floor: the first shot in place of every frame."""

    name = "photo only"

    def __init__(self, framing: Framing) -> None:
        self._framing = framing

    def paint(self, shots: Sequence[Shot], landmarks: FloatArray) -> list[Image]:
        """The first shot, framed by its own landmarks, as often as asked for."""
        return [self._framing.picture(shots[0].image, shots[0].landmarks)] * len(landmarks)
