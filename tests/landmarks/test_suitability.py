"""Reasons against a photo, from constructed landmarks and covers drawn over a free mouth."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from talkface.landmarks.detect import Face, detect_any_rotation, load_detector
from talkface.landmarks.layout import LEFT_EYE, MOUTH, RIGHT_EYE
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import mean_face_3d
from talkface.landmarks.suitability import COVER, cover_score, head_turn, unsuited
from talkface.media.read import read_photo


@pytest.fixture(scope="module")
def portrait(astronaut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    faces, turns = detect_any_rotation(load_detector(), astronaut)
    assert turns == 0
    return astronaut, faces[0].landmarks.astype(np.float64)


def test_a_free_mouth_and_open_eyes_are_not_remarked_on(portrait: tuple[np.ndarray, np.ndarray]) -> None:
    assert unsuited(*portrait) == []


@pytest.mark.parametrize("colour", [(20, 20, 22), (205, 150, 130), (150, 190, 215)], ids=["dark", "hand", "mask"])
def test_a_covered_mouth_is_named(portrait: tuple[np.ndarray, np.ndarray], colour: tuple[int, int, int]) -> None:
    image, points = portrait
    covered = image.copy()
    centre, reach = points[MOUTH].mean(0), 0.42 * np.linalg.norm(points[45] - points[36])
    cv2.circle(covered, (round(centre[0]), round(centre[1])), round(reach), colour, -1, cv2.LINE_AA)
    assert cover_score(image, points) < 0 < COVER.covered < cover_score(covered, points)
    assert "the mouth seems to be covered" in unsuited(covered, points)
    gaping = points.copy()
    gaping[[65, 66, 67], 1] += 0.3 * np.linalg.norm(points[45] - points[36])
    assert not any("wide open" in reason for reason in unsuited(covered, gaping)), "guessed landmarks are no reason"


def test_shut_eyes_and_wide_mouths_are_named(portrait: tuple[np.ndarray, np.ndarray]) -> None:
    image, points = portrait
    shut = points.copy()
    for eye in (RIGHT_EYE, LEFT_EYE):
        corners = points[eye[[0, 3]]].mean(0)
        shut[eye[[1, 2, 4, 5]], 1] = corners[1] + 0.3 * (points[eye[[1, 2, 4, 5]], 1] - corners[1])
    assert any("eyes are shut" in reason for reason in unsuited(image, shut))
    gaping = points.copy()
    gaping[[65, 66, 67], 1] += 0.3 * np.linalg.norm(points[45] - points[36])
    assert any("wide open" in reason for reason in unsuited(image, gaping))


@pytest.mark.parametrize("degrees", [0, 20, 45, -45, 60])
def test_the_turn_of_a_head_is_measured(degrees: float) -> None:
    angle = np.radians(degrees)
    turned = (
        mean_face_3d() @ np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]).T
    )
    points = 200 * turned[:, :2] + 300
    assert abs(abs(head_turn(points)) - abs(degrees)) < 3
    assert any("turned aside" in reason for reason in unsuited(np.full((600, 600, 3), 128, np.uint8), points)) == (
        abs(degrees) > 18.5
    )


class Turned:
    """A detector that finds what it was given: faces by the brightness of the upper left corner."""

    def __init__(self, faces: dict[int, list[tuple[float, int]]]) -> None:
        self.faces = faces
        self.looks = 0

    def detect(self, image: np.ndarray, effort: str = "photo") -> list[Face]:
        self.looks += 1
        points = MEAN_FACE.astype(np.float32)
        found = self.faces.get(int(image[0, 0, 0]), []) if effort == "photo" else []
        return [Face((0, 0, width, width), points, score) for score, width in found]


@pytest.mark.parametrize(
    ("faces", "turns", "looks"),
    [
        ({0: [(2.4, 200)], 2: [(3.0, 220)]}, 0, 1),  # sure and large: no other turn is searched
        ({0: [(0.5, 224)], 2: [(3.4, 187)]}, 2, 4),  # a strong face elsewhere
        ({0: [(0.08, 37)], 3: [(2.7, 386)]}, 3, 4),
        ({0: [(0.5, 224)], 2: [(0.4, 224)]}, 0, 4),
        ({0: [(1.9, 50)], 2: [(0.3, 300)]}, 0, 4),  # small but sure
        ({0: [(1.1, 40)], 1: [(2.6, 300)]}, 1, 4),  # a face on a wall behind somebody lying
        ({1: [(0.2, 300)]}, 0, 8),  # a weak face in a turned photo is none
    ],
)
def test_turns_are_compared_by_score_and_size(faces: dict, turns: int, looks: int) -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    for corner, turn in (((0, -1), 1), ((-1, -1), 2), ((-1, 0), 3)):  # what `rot90` brings to the upper left
        image[corner] = turn
    detector = Turned(faces)
    found, took = detect_any_rotation(detector, image)
    assert (took, detector.looks) == (turns, looks)
    assert [(face.score, face.width) for face in found] == faces.get(turns, [])


@pytest.mark.data
@pytest.mark.parametrize(("name", "turns"), [("upside_down_400.jpg", 2), ("sideways_900.jpg", 3)])
def test_collected_turned_photos_are_turned_upright(shared_bugs: Path, name: str, turns: int) -> None:
    faces, found = detect_any_rotation(load_detector(), read_photo(shared_bugs / name))
    assert found == turns
    assert len(faces) == 1 and faces[0].score > 1


@pytest.mark.data
@pytest.mark.parametrize("name", ["mouth_behind_hand.jpg", "mouth_behind_microphone.jpg", "ordinary_portrait.jpg"])
def test_collected_covered_mouths_are_named(shared_bugs: Path, name: str) -> None:
    image = read_photo(shared_bugs / name)
    faces, _ = detect_any_rotation(load_detector(), image)
    covered = "the mouth seems to be covered" in unsuited(image, faces[0].landmarks)
    assert covered == name.startswith("mouth_behind")
