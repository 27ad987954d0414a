"""Held-out people, a few shots of each, and generators -> similarity of their pictures to other, real frames.

Every system gets the same shots of a person and the landmarks of other frames, and generates those frames as the
few-shot network frames a face. Evaluation generates nothing itself: the command line hands in `FewshotSystem`s.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from talkface.data.samplers.shot_pictures import picture_map
from talkface.evaluation.judge import Judge
from talkface.evaluation.people import Person
from talkface.evaluation.rows import STILL, Row, Scores
from talkface.geometry.affine import compose_affine, transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.detect import Detector
from talkface.metrics.table import Measure, Quantity, Target
from talkface.types import FloatArray, Image, Shot

SSIM = Quantity("ssim", "SSIM of the face picture", better="higher")
IDENTITY = Quantity("identity", "identity distance to the real frame", better="lower")
QUANTITIES = (
    SSIM,
    Quantity("psnr", "PSNR", "dB", better="higher"),
    Quantity("lmd", "mouth landmark distance", "pixels of 256", better="lower"),
    IDENTITY,
    Quantity("l1", "L1", "grey levels", better="lower"),
)


@dataclass(frozen=True)
class Framing:
    """Framing of a face by the few-shot network, see `data/samplers/shot_pictures.picture_map`."""

    crop: str
    side: float
    size: int

    def picture(self, image: Image, landmarks: FloatArray) -> Image:
        """`[S, S, 3]` around the face of `image` that has these landmarks."""
        return cut_patch(image, self.map(landmarks), self.size)

    def map(self, landmarks: FloatArray) -> FloatArray:
        """`[2, 3]` from the photo to the picture."""
        return picture_map(landmarks, self.crop, self.side, self.size)


class FewshotSystem(Protocol):
    """One system under test."""

    name: str

    def generate(self, shots: Sequence[Shot], landmarks: FloatArray) -> list[Image]:
        """The shots' person with `[N, 68, 2]` landmarks, framed by each, `[S, S, 3]` each."""
        ...


def score_people(
    people: Sequence[Person], systems: Sequence[FewshotSystem], framing: Framing, detector: Detector
) -> Iterator[tuple[Row, list[Image]]]:
    """Score every system on every person; with each row come the pictures that were judged."""
    zoom = 256 / framing.size  # every picture, whatever its network's size, is judged at this one
    enlarge = np.array([[zoom, 0, (zoom - 1) / 2], [0, zoom, (zoom - 1) / 2]])
    for person in people:
        points = np.stack([target.landmarks for target in person.targets])
        real = [cut_patch(framing.picture(target.image, target.landmarks), enlarge, 256) for target in person.targets]
        judge = Judge(real, [transform(compose_affine(enlarge, framing.map(each)), each) for each in points], detector)
        for system in systems:
            pictures = system.generate(person.shots, points)
            found = judge([cut_patch(picture, enlarge, 256) for picture in pictures])
            scores = {name: found[name] for name in ("ssim", "psnr", "lmd", "identity", "l1")}
            scores["psnr"] = found["mean_psnr"]
            yield Row({"system": system.name, "person": person.name}, scores), pictures


def person_measures(rows: Sequence[Row], tuned: str, fed: str, one_shot: Mapping[str, str]) -> list[Measure]:
    """Rows of the table: means over people, then what fine-tuning and more shots gain.

    Args:
        rows: of every system on every person.
        tuned: the system that was fine-tuned on all shots.
        fed: the same fed forward.
        one_shot: what each of the two is with the first shot only.
    """
    scores = Scores(rows)
    measures = [scores.measure(quantity) for quantity in QUANTITIES]
    named = ((SSIM, "SSIM"), (IDENTITY, "identity"))
    for quantity, words in named:
        helped = [float(gain > 0) for gain in scores.gains(quantity, tuned, fed)]
        label = f"fine-tuning improves {words} of other frames"
        share = Quantity(f"tuning_{quantity.name}", label, "share of people", Target(at_least=0.8))
        measures.append(Measure(share, {tuned: scores.score(helped)}, tuned))
    for quantity, words in named:
        gains = {system: scores.gains(quantity, system, one_shot[system]) for system in (fed, tuned)}
        scored = {system: scores.score(gain) for system, gain in gains.items() if gain}
        gained = Quantity(f"shots_{quantity.name}", f"{words} gained by all shots over one", "", Target(at_least=0.0))
        measures.append(Measure(gained, scored, tuned if tuned in scored else fed))
    return measures


class PhotoOnly:
    """The floor: the first shot in place of every frame."""

    name = STILL

    def __init__(self, framing: Framing) -> None:
        self._framing = framing

    def generate(self, shots: Sequence[Shot], landmarks: FloatArray) -> list[Image]:
        """The first shot, framed by its own landmarks, as often as asked for."""
        return [self._framing.picture(shots[0].image, shots[0].landmarks)] * len(landmarks)
