"""The renderer table on renderers whose scores are known beforehand."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from talkface.data.clip import PreparedClip
from talkface.evaluation.people import Person, choose_speakers
from talkface.evaluation.rows import STILL, Row
from talkface.evaluation.tables.renderer import (
    judge_of,
    score_baselines,
    score_renderer,
)
from talkface.evaluation.tables.renderer_grid import GRID_SIZES, renderer_grid
from talkface.evaluation.tables.renderer_measures import (
    ENCODED,
    column_of,
    paired_measures,
    renderer_measures,
)
from talkface.landmarks.detect import load_detector
from talkface.landmarks.layout import mouth_opening
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.metrics.table import system_rows
from talkface.types import Shot

LOWER_LIP = [65, 66, 67]


def clip_of(speaker: str, openings: list[float], lost: tuple[int, ...] = ()) -> PreparedClip:
    """Landmarks of a mean face whose lips part as told; pictures are numbered by their brightness."""
    points = np.repeat((62 * MEAN_FACE + [128, 122])[None], len(openings), 0).astype(np.float32)
    points[:, LOWER_LIP, 1] = points[:, [63, 62, 61], 1] + 62 * np.array(openings, np.float32)[:, None]
    points[list(lost)] = np.nan

    class Numbered(PreparedClip):
        def image(self, index: int) -> np.ndarray:
            return np.full((8, 8, 3), index, np.uint8)

    crops = np.repeat(np.eye(2, 3, dtype=np.float32)[None], len(openings), 0)
    audio = np.zeros(640 * len(openings), np.float32)
    return Numbered("k", speaker, "test", points, crops, audio, 25.0, True, {}, Path(), ())


def numbers(shots: tuple[Shot, ...]) -> list[int]:
    return [int(shot.image[0, 0, 0]) for shot in shots]


def test_the_photo_is_shut_and_targets_go_from_shut_to_wide_open():
    openings = [0.1, 0.02, 0.2, 0.1, 0.3, 0.1, 0.2, 0.1, 0.05, 0.4, 0.1, 0.3, 0.2, 0.25, 0.15, 0.35]
    (person,) = choose_speakers([clip_of("ada", openings), clip_of("bob", openings[:6])], 4, 3, most=5)
    assert person.name == "ada" and len(person.shots) == 4
    assert numbers(person.shots)[0] == 1, "the most closed mouth of the first half"
    assert max(numbers(person.shots)) < 8 <= min(numbers(person.targets))
    assert numbers(person.targets) == [8, 13, 9]
    assert (np.diff(mouth_opening(person.driving)) > 0).all()
    assert numbers(tuple(person.first(1))) == [1]
    assert numbers(tuple(person.first(2))) == [numbers(person.shots)[0], numbers(person.shots)[1]]
    assert person.first(4) == list(person.shots)


def test_heads_that_are_turned_are_targets_only_where_no_others_are_left():
    clip = clip_of("ada", [0.1] * 12)
    clip.landmarks[[7, 10], :, 0] = 128 + 0.5 * (clip.landmarks[[7, 10], :, 0] - 128)  # as a head turned by 60 degrees
    clip.landmarks[7, 27:36, 0] += 20
    clip.landmarks[10, 27:36, 0] += 25
    (person,) = choose_speakers([clip], 1, 4, most=1)
    assert set(numbers(person.targets)) == {6, 8, 9, 11}
    (person,) = choose_speakers([clip], 1, 5, most=1)
    assert set(numbers(person.targets)) == {6, 7, 8, 9, 11}


def test_heard_landmarks_drive_the_frames_that_are_compared():
    heard = np.arange(16 * 68 * 2, dtype=np.float32).reshape(16, 68, 2)
    photos: list[int] = []

    def predict(clip: PreparedClip, photo: Shot) -> np.ndarray:
        photos.append(int(photo.image[0, 0, 0]))
        return heard

    openings = list(np.linspace(0.01, 0.4, 16))
    (person,) = choose_speakers([clip_of("ada", openings)], 1, 2, most=1, predict=predict)
    assert photos == [0]
    np.testing.assert_array_equal(person.driving, heard[[8, 15]])


@dataclass(frozen=True)
class Frame:
    image: np.ndarray


@dataclass(frozen=True)
class Known:
    """Somebody enrolled from so many shots."""

    shots: int
    carried: dict | None = None

    def streaming(self) -> "Known":
        return Known(self.shots, {})


class Truth:
    """Renders the person's real frames, darker by so much; remembers what it was given."""

    def __init__(self, person: Person, darker: float = 1.0) -> None:
        self.person, self.darker = person, darker
        self.enrolled: list[int] = []

    def enroll(self, shots):
        self.enrolled.append(len(shots))
        return Known(len(shots))

    def render(self, identity, landmarks):
        np.testing.assert_array_equal(landmarks, self.person.driving[: len(landmarks)])
        for target in self.person.targets[: len(landmarks)]:
            yield Frame((target.image * self.darker).astype(np.uint8))


@pytest.fixture(scope="module")
def person(astronaut: np.ndarray) -> Person:
    """Six brightnesses of the portrait, the last two of them targets; where its face is, dlib says."""
    portrait = np.ascontiguousarray(astronaut[:260, 94:354])
    points = load_detector().detect(portrait)[0].landmarks
    shots = tuple(Shot((portrait * (1 - 0.03 * index)).astype(np.uint8), points) for index in range(6))
    return Person("ada", shots[:4], shots[4:], np.stack([points, points]), (points[None],) * 2)


def test_the_truth_scores_full_marks_and_the_photo_less(person: Person):
    people, judges = [person], [judge_of(person, load_detector())]
    (still, _), (real, _) = score_baselines(people, judges)
    assert (still.system, real.system) == (STILL, ENCODED)
    truth = Truth(person)
    ((best, crops),) = score_renderer("truth", truth, [1, 4], people, judges)
    dark, _ = next(score_renderer("dark", Truth(person, 0.5), [1], people, judges))
    assert truth.enrolled == [1, 4], "the row of four shots would be the same"
    assert best["ssim"] == 1 and best["psnr"] == math.inf and best["lmd"] == best["identity"] == 0
    assert column_of(best) == "truth, 1" and column_of(still) == STILL
    assert best["frame_ms"] > 0 and best["enroll_ms"] > 0 and math.isnan(still["frame_ms"])
    assert 0.97 < real["ssim"] < 1 and real["psnr"] > 35 and real["lmd"] < 1 and 0 < real["identity"] < 0.2
    assert still["psnr"] < real["psnr"] and dark["psnr"] < still["psnr"] and dark["ssim"] < still["ssim"]
    assert len(crops) == 2 and crops[0].shape == (256, 256, 3)


def test_a_memory_is_led_to_each_target_and_more_shots_may_matter(person: Person):
    """The picture is as bright as the shots are many and as the frames before were many."""
    sound = Person(
        person.name, person.shots, person.targets, person.driving, (np.zeros((3, 68, 2)), np.zeros((0, 68, 2)))
    )
    runs: list[int] = []

    class Memory(Truth):
        def render(self, identity, landmarks):
            runs.append(len(landmarks))
            for _ in landmarks:
                identity.carried["seen"] = identity.carried.get("seen", 0) + 1
                value = 40 * identity.shots + 10 * identity.carried["seen"]
                yield Frame(np.full_like(self.person.targets[0].image, value))

    rows = [
        crops
        for _, crops in score_renderer("memory", Memory(sound), [1, 3], [sound], [judge_of(sound, load_detector())])
    ]
    assert [[int(crop[0, 0, 0]) for crop in crops] for crops in rows] == [[80, 50], [160, 130]]
    assert runs[:5] == [1, 4, 1, 4, 1], "one frame to find out, then the two runs twice"


def test_a_head_that_stays_elsewhere_costs_nothing(person: Person):
    """Predicted landmarks leave the head where the photo has it: the crop follows it there."""
    moved = [np.roll(target.image, (7, -11), (0, 1)) for target in person.targets]
    elsewhere = Person(person.name, person.shots, person.targets, person.driving + np.float32([-11, 7]), ())

    class Still(Truth):
        def render(self, identity, landmarks):
            yield from (Frame(image) for image in moved[: len(landmarks)])

    judge = judge_of(elsewhere, load_detector())
    score, _ = next(score_renderer("still", Still(elsewhere), [1], [elsewhere], [judge]))
    assert score["ssim"] > 0.95 and score["lmd"] < 0.5 and score["identity"] < 0.1


def scored(system: str, shots: int, *ssims: float) -> list[Row]:
    return [
        Row(
            {"system": system, "shots": shots, "person": f"person {i}"},
            {"ssim": value, "psnr": 20.0, "lmd": 3.0, "cpbd": 0.4, "identity": 0.5}
            | {"mouth_l1": 10 * (1 - value), "frame_ms": 5.0 + 95 * (i == 2)},
        )
        for i, value in enumerate(ssims)
    ]


SCORES = [
    *scored(STILL, 0, 0.5, 0.6, 0.7),
    *scored("warp", 1, 0.6, 0.7, 0.8),
    *scored("base", 1, 0.7, 0.7, 0.7),
    *scored("base", 4, 0.8, 0.8, 0.8),
    *scored("other", 1, 0.71, 0.72, 0.73),
    *scored("other", 4, 0.75, 0.75, 0.75),
]


def test_rows_are_means_over_people_and_the_mouth_is_measured_by_the_warps():
    measures = {measure.name: measure for measure in renderer_measures(SCORES)}
    ssim = measures["ssim"].scores
    assert list(ssim) == [STILL, "warp, 1", "base, 1", "base, 4", "other, 1", "other, 4"]
    assert ssim["warp, 1"].value == pytest.approx(0.7) and ssim["warp, 1"].count == 3
    assert measures["frame_ms"].scores["base, 1"].value == 5.0, "one slow person does not count"
    mouth = measures["mouth_l1_ratio"].scores
    assert mouth["warp, 1"].value == pytest.approx(1.0) and mouth["base, 4"].value == pytest.approx(2 / 3)
    assert measures["mouth_l1_ratio"].details["base, 1"]["person 0"] == pytest.approx(3.0)
    rows = system_rows(list(measures.values()), "renderer")
    assert [row["renderer"] for row in rows] == list(ssim)
    assert rows[1]["ssim"] == pytest.approx(0.7) and rows[1]["ssim_low"] < rows[1]["ssim"] < rows[1]["ssim_high"]


def test_gains_are_taken_over_as_many_shots_of_the_other_renderer():
    gains = {measure.name: measure.scores for measure in paired_measures(SCORES, "base")}
    ssim = {row: gain.value for row, gain in gains["ssim_gain"].items()}
    assert ssim == pytest.approx(
        {STILL: -0.1, "warp, 1": 0.0, "base, 4": 0.1, "other, 1": 0.02, "other, 4": -0.05}, abs=1e-9
    )
    assert gains["mouth_l1_gain"]["other, 1"].value == pytest.approx(0.2), "less is better"
    assert "cpbd_gain" not in gains and "frame_ms_gain" not in gains
    low_spread = gains["ssim_gain"]["other, 4"]
    assert low_spread.low == pytest.approx(low_spread.high), "the same for everybody"


def test_tiles_stand_where_their_person_and_renderer_say():
    black, grey = (
        np.zeros((GRID_SIZES.tile, GRID_SIZES.tile, 3), np.uint8),
        np.full((GRID_SIZES.tile, GRID_SIZES.tile, 3), 99, np.uint8),
    )
    grid = renderer_grid(
        ["ada", "bob"], {"photo": {"ada": black, "bob": grey}, "a very long name of a run": {"bob": black}}
    )
    assert grid.shape == (GRID_SIZES.head + 2 * GRID_SIZES.tile, 2 * GRID_SIZES.tile, 3)
    assert (grid[GRID_SIZES.head : GRID_SIZES.head + GRID_SIZES.tile, : GRID_SIZES.tile] == 0).all() and (
        grid[GRID_SIZES.head + GRID_SIZES.tile :, : GRID_SIZES.tile] == 99
    ).all()
    assert (grid[GRID_SIZES.head : GRID_SIZES.head + GRID_SIZES.tile, GRID_SIZES.tile :] == 255).all() and (
        grid[GRID_SIZES.head + GRID_SIZES.tile :, GRID_SIZES.tile :] == 0
    ).all()
    assert (grid[: GRID_SIZES.head, : GRID_SIZES.tile] < 128).any() and (
        grid[: GRID_SIZES.head, GRID_SIZES.tile :] < 128
    ).any(), "names are written"
