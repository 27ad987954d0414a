"""People never seen, renderers, numbers of shots -> one row for each: how alike other frames of them are painted.

Every renderer gets the same shots of a person, from the first half of a clip, and the landmarks of other frames, from
its second half: the real ones, or those that a speech network heard. Real and made frame are laid over each other by
eyes and nose and compared in the same 256x256 crop, so a head that stays where the photo has it costs nothing.
Evaluation renders nothing itself: the command line hands in `Renderer`s.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.samplers.pairs import POSE_ERROR, pose_error
from talkface.evaluation.tables.fewshot import halves, longest_clips, spread
from talkface.evaluation.tables.renderer_measures import REAL, STILL, RendererScore
from talkface.geometry.affine import compose_affine, fit_similarity, transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.describe import describe
from talkface.landmarks.detect import Detector
from talkface.landmarks.face import box_of_landmarks
from talkface.landmarks.layout import INNER_LIP, STABLE, mouth_opening
from talkface.media.read import read_frames
from talkface.media.write import VideoWriter
from talkface.metrics.cpbd import cpbd
from talkface.metrics.face_id import descriptor_distance
from talkface.metrics.image import FACE_CROP, face_map, mean_squared_error, polygon_l1, psnr_of, ssim
from talkface.metrics.landmark import closed_frame, lmd
from talkface.renderers.base import Renderer
from talkface.types import DEFAULT_FPS, FloatArray, Image, Shot


@dataclass(frozen=True)
class RendererTableSettings:
    """Crop, lead and opening of the renderers' table."""

    side: float = 1.5  # of the compared crop, in dlib boxes: hair to collar, inside the pictures that `prepare` cuts
    lead: int = 8  # frames that a renderer with a memory sees before each target
    open: float = 0.04  # opening in outer-eye distances from which the inside of a mouth has pixels to compare


RENDERER_TABLE = RendererTableSettings()


@dataclass(frozen=True)
class Person:
    """Somebody no network was trained on.

    Attributes:
        name: identity.
        shots: what a renderer may see; the first one, whose mouth is most closed, is the picture that moves.
        targets: other, later frames of the clip.
        driving: `[N, 68, 2]` landmarks to render for each of them, pixels of target or first shot.
        lead: of each target, `[<= 8, 68, 2]` the same for the frames before it.
    """

    name: str
    shots: tuple[Shot, ...]
    targets: tuple[Shot, ...]
    driving: FloatArray
    lead: tuple[FloatArray, ...]

    def first(self, count: int) -> list[Shot]:
        """The picture that moves and further shots, spread over the others."""
        places = spread(np.arange(1, len(self.shots)), count - 1)
        return [self.shots[0], *(self.shots[place] for place in places)]


Hear = Callable[[PreparedClip, Shot], FloatArray]
"""Clip and photo -> `[T, 68, 2]` landmarks of the photo speaking the clip's sound."""


def choose_people(
    clips: Iterable[PreparedClip],
    shots: int,
    targets: int,
    most: int,
    left_out: Sequence[str] = (),
    hear: Hear | None = None,
) -> list[Person]:
    """People with enough frames, one clip each, shots from its first half and targets from its second.

    Targets are spread over how far the mouth opens, from shut to widest, among frames whose head is turned as the
    photo's is: beyond `POSE_ERROR` a landmark means another place of the face.

    Args:
        clips: of the test split.
        shots: how many a renderer may see.
        targets: how many are painted.
        most: people at most, spread over the list.
        left_out: names of people who were in training all the same.
        hear: what drives; the targets' own landmarks if not given.
    """
    return [
        _person(clip, found, shots, targets, hear)
        for clip, found in longest_clips(clips, shots + targets, most, left_out)
    ]


def _person(clip: PreparedClip, found: np.ndarray, shots: int, targets: int, hear: Hear | None) -> Person:
    first, second = halves(found, shots, targets)
    photo = first[closed_frame(clip.landmarks[first])]
    seen = [photo, *spread(first[first != photo], shots - 1)]
    turned = np.array([pose_error(clip.landmarks[photo], clip.landmarks[i]) for i in second])
    near = second[turned <= max(POSE_ERROR, np.sort(turned)[targets - 1])]
    wanted = spread(near[np.argsort(mouth_opening(clip.landmarks[near]), kind="stable")], targets)
    own, others = ([Shot(clip.image(int(i)), clip.landmarks[i]) for i in part] for part in (seen, wanted))
    driving = clip.landmarks if hear is None else hear(clip, own[0])
    before = (driving[max(0, i - RENDERER_TABLE.lead) : i] for i in wanted)
    lead = tuple(points[np.isfinite(points).all((1, 2))] for points in before)
    return Person(clip.speaker, tuple(own), tuple(others), driving[wanted], lead)


class Bench:
    """Measures frames of the same people again and again: what the real frames show is looked at once."""

    def __init__(self, people: Sequence[Person], detector: Detector) -> None:
        self.people = people
        self._judges = [_Judge(person, detector) for person in people]

    def baselines(self) -> Iterator[tuple[RendererScore, list[Image]]]:
        """The photo in place of every frame, then the real frames through the encoder of made videos."""
        for person, judge in zip(self.people, self._judges, strict=True):
            still = person.shots[0]
            count = len(person.targets)
            yield judge(STILL, 0, [still.image] * count, np.repeat(still.landmarks[None], count, 0))
        for person, judge in zip(self.people, self._judges, strict=True):
            points = np.stack([target.landmarks for target in person.targets])
            yield judge(REAL, 0, _encoded([target.image for target in person.targets]), points)

    def score(
        self, system: str, renderer: Renderer, shots: Sequence[int]
    ) -> Iterator[tuple[RendererScore, list[Image]]]:
        """Score a renderer on everybody with each number of shots; with each score come the crops that were judged.

        A renderer that paints the same with more shots gets no row for them.
        """
        before: list[list[Image]] = []
        for count in shots:
            made = [_paint(renderer, person, count) for person in self.people]
            frames = [one.frames for one in made]
            if before and all(all(map(np.array_equal, *pair)) for pair in zip(frames, before, strict=True)):
                return
            before = frames
            for person, judge, one in zip(self.people, self._judges, made, strict=True):
                yield judge(system, count, one.frames, person.driving, (one.frame_s, one.enroll_s))


@dataclass(frozen=True)
class _Painted:
    """A person's frames, and the seconds that one of them and enrolling took."""

    frames: list[Image]
    frame_s: float
    enroll_s: float


def _paint(renderer: Renderer, person: Person, shots: int) -> _Painted:
    """Enrol and render a person; a renderer with a memory comes to each target through the frames before it."""
    start = _clocks()
    identity = renderer.enroll(person.first(shots))
    enroll_s = _since(start)
    streamed = identity.streaming()
    deque(renderer.render(streamed, person.driving[:1]), maxlen=0)
    runs = [person.driving]
    if streamed.carried:
        runs = [np.concatenate([lead, one[None]]) for lead, one in zip(person.lead, person.driving, strict=True)]
    for _ in range(2):  # a person's first frames do things that are done only once: the second round is timed
        start = _clocks()
        made = [[frame.image for frame in renderer.render(identity.streaming(), run)] for run in runs]
        frame_s = _since(start) / sum(map(len, runs))
    return _Painted([run[-1] for run in made] if streamed.carried else made[0], frame_s, enroll_s)


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> float:
    """Seconds by the clock; by the processor where other programs made this one wait, so that loads differ little."""
    return min(now - then for now, then in zip(_clocks(), start, strict=True))


class _Judge:
    """Compares frames with one person's real ones."""

    def __init__(self, person: Person, detector: Detector) -> None:
        self._person, self._detector = person, detector
        self._maps = [face_map(target.landmarks, RENDERER_TABLE.side) for target in person.targets]
        self._points = [transform(m, t.landmarks) for m, t in zip(self._maps, person.targets, strict=True)]
        self._real = [
            cut_patch(t.image, m, FACE_CROP.face_size) for m, t in zip(self._maps, person.targets, strict=True)
        ]
        looks = [self._look(crop, points) for crop, points in zip(self._real, self._points, strict=True)]
        self._seen = np.stack([seen for seen, _ in looks])
        self._described = [who for _, who in looks]
        self._known: dict[tuple[int, bytes], dict[str, Any]] = {}

    def __call__(
        self,
        system: str,
        shots: int,
        frames: Sequence[Image],
        driving: FloatArray,
        times: tuple[float, float] = (float("nan"), float("nan")),
    ) -> tuple[RendererScore, list[Image]]:
        crops = [self._crop(i, frame, points) for i, (frame, points) in enumerate(zip(frames, driving, strict=True))]
        found = [self._measure(index, crop) for index, crop in enumerate(crops)]
        means = {name: _mean([one[name] for one in found]) for name in ("ssim", "cpbd", "identity", "mouth_l1")}
        one = RendererScore(
            system,
            shots,
            self._person.name,
            **means,
            psnr=psnr_of(_mean([one["error"] for one in found])),
            lmd=lmd(np.stack([one["seen"] for one in found]), self._seen),
            frame_ms=1000 * times[0],
            enroll_ms=1000 * times[1],
        )
        return one, crops

    def _crop(self, index: int, frame: Image, driven: FloatArray) -> Image:
        """A made frame's face where the real one's is."""
        onto = fit_similarity(driven[STABLE], self._person.targets[index].landmarks[STABLE])
        return cut_patch(frame, compose_affine(self._maps[index], onto), FACE_CROP.face_size)

    def _measure(self, index: int, crop: Image) -> dict[str, Any]:
        """Scores of one crop; the same pixels, as of a renderer that needs one shot only, are measured once."""
        key = (index, hashlib.blake2b(crop.tobytes()).digest())
        if key not in self._known:
            real, points = self._real[index], self._points[index]
            seen, who = self._look(crop, points)
            opened = mouth_opening(points) >= RENDERER_TABLE.open
            self._known[key] = {
                "ssim": ssim(crop, real),
                "error": mean_squared_error(crop, real),
                "seen": seen,
                "cpbd": cpbd(crop),
                "identity": descriptor_distance(who, self._described[index]),
                "mouth_l1": polygon_l1(crop, real, points[INNER_LIP]) if opened else float("nan"),
            }
        return self._known[key]

    def _look(self, crop: Image, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Landmarks and descriptor, sought where the face should be, in a real and in a made crop alike."""
        return self._detector.landmarks(crop, *box_of_landmarks(points)), describe(crop, points)


def _encoded(images: Sequence[Image]) -> list[Image]:
    """The same pictures after H.264, as made videos have them."""
    height, width = images[0].shape[:2]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "real.mp4"
        with VideoWriter(
            path, (width, height), DEFAULT_FPS, comment="real frames, re-encoded", synthetic=False
        ) as writer:
            for image in images:
                writer.write(image)
        return [image for image, _ in read_frames(path)]


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
