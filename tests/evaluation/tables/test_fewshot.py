"""The few-shot table on systems whose scores are known beforehand."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from talkface.evaluation.people import Person, choose_people
from talkface.evaluation.rows import Row
from talkface.evaluation.tables.fewshot import (
    Framing,
    PhotoOnly,
    person_measures,
    score_people,
)
from talkface.landmarks.detect import load_detector
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import Shot

FRAMING = Framing("face", 1.6, 96)


@dataclass(frozen=True)
class DrawnClip:
    """A clip of the portrait at several brightnesses."""

    speaker: str
    count: int
    lost: tuple[int, ...] = ()
    portrait: np.ndarray = field(default_factory=lambda: np.zeros((256, 256, 3), np.uint8))

    @property
    def landmarks(self) -> np.ndarray:
        points = np.repeat((62 * MEAN_FACE + [128, 122])[None], self.count, 0).astype(np.float32)
        points[list(self.lost)] = np.nan
        return points

    def image(self, index: int) -> np.ndarray:
        return (self.portrait * (1 - 0.02 * index)).astype(np.uint8)


class Known:
    """Paints the person's real frames, or a given picture."""

    def __init__(self, name: str, pictures: list[np.ndarray]) -> None:
        self.name = name
        self.pictures = pictures

    def generate(self, shots, landmarks):
        return self.pictures[: len(landmarks)]


def test_people_give_shots_and_targets_that_are_other_frames():
    clips = [
        DrawnClip("ada", 20, lost=(3,)),
        DrawnClip("ada", 12),
        DrawnClip("bob", 11),
        DrawnClip("eve", 30),
        DrawnClip("seen", 30),
    ]
    people = choose_people(clips, 8, 4, most=9, left_out=["seen"])
    assert [person.name for person in people] == ["ada", "eve"]  # bob has too few
    for person in people:
        assert len(person.shots) == 8 and len(person.targets) == 4
        assert np.isfinite([shot.landmarks for shot in (*person.shots, *person.targets)]).all()
    assert len(choose_people(clips, 2, 2, most=1)) == 1
    assert choose_people(clips, 40, 4, most=3) == []


def test_shots_and_targets_never_share_a_frame(astronaut):
    portrait = np.ascontiguousarray(astronaut[:256, 94:350])
    person = choose_people([DrawnClip("ada", 12, portrait=portrait)], 8, 4, most=1)[0]
    shots, targets = ({shot.image.tobytes() for shot in part} for part in (person.shots, person.targets))
    assert len(shots) == 8 and len(targets) == 4 and not shots & targets


@pytest.fixture
def person(astronaut) -> Person:
    portrait = np.ascontiguousarray(astronaut[:256, 94:350])
    return choose_people([DrawnClip("ada", 12, portrait=portrait)], 4, 3, most=1)[0]


def test_the_truth_scores_full_marks_and_a_still_photo_less(person):
    truth = Known("truth", [FRAMING.picture(target.image, target.landmarks) for target in person.targets])
    grey = Known("grey", [np.full((96, 96, 3), 128, np.uint8)] * 3)
    systems = [truth, PhotoOnly(FRAMING), grey]
    scored = list(score_people([person], systems, FRAMING, load_detector()))
    best, still, worst = (each for each, _ in scored)
    assert (
        best["ssim"] == pytest.approx(1)
        and math.isnan(best["psnr"])
        and best["lmd"] == best["identity"] == best["l1"] == 0
    )
    assert 0.9 < still["ssim"] < 1 and 0 < still["identity"] < 0.3 and still["l1"] > 5
    assert worst["ssim"] < 0.6 and worst["l1"] > still["l1"] and worst["psnr"] < still["psnr"]
    assert all(len(pictures) == 3 and pictures[0].shape == (96, 96, 3) for _, pictures in scored)


def test_rows_say_whom_tuning_and_more_shots_helped():
    def row(system: str, person: str, ssim: float, identity: float) -> Row:
        return Row({"system": system, "person": person}, {"ssim": ssim, "identity": identity})

    scores = []
    for index in range(5):
        name = f"person {index}"
        scores += [row("FF 1", name, 0.50, 0.60), row("FF 8", name, 0.55, 0.58)]
        scores += [row("FT 8", name, 0.55 + (0.1 if index else -0.1), 0.58 - (0.1 if index > 1 else -0.1))]
        scores += [row("FT 1", name, 0.50, 0.50)]
    one_shot = {"FF 8": "FF 1", "FT 8": "FT 1"}
    rows = {row.name: row for row in person_measures(scores, "FT 8", "FF 8", one_shot)}
    assert rows["ssim"].scores["FF 8"].value == pytest.approx(0.55)
    assert rows["tuning_ssim"].scores["FT 8"].value == pytest.approx(0.8) and rows["tuning_ssim"].verdict() == "pass"
    assert rows["tuning_identity"].scores["FT 8"].value == pytest.approx(0.6)
    assert rows["tuning_identity"].verdict() == "FAIL"
    assert rows["shots_ssim"].scores["FF 8"].value == pytest.approx(0.05)
    assert rows["shots_identity"].scores["FF 8"].value == pytest.approx(0.02)
    assert rows["shots_ssim"].scores["FT 8"].value == pytest.approx(0.11) and rows["shots_ssim"].verdict() == "pass"
    assert rows["shots_identity"].scores["FT 8"].value == pytest.approx(-0.06)
    assert rows["shots_identity"].verdict() == "FAIL"
    fed = [score for score in scores if score.system.startswith("FF")]
    rows = {row.name: row for row in person_measures(fed, "FT 8", "FF 8", one_shot)}
    assert rows["shots_identity"].judged == "FF 8" and rows["shots_identity"].verdict() == "pass"


def test_shots_keep_their_order(person):
    assert isinstance(person.shots[0], Shot)
    brightness = [shot.image.mean() for shot in person.shots]
    assert brightness == sorted(brightness, reverse=True)
