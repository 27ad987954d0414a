"""Faces are found, described and followed."""

import cv2
import numpy as np
import pytest

from talkface.errors import ConfigError
from talkface.geometry.resample import cut_patch
from talkface.landmarks.describe import describe
from talkface.landmarks.detect import FaceTracker, detect_any_rotation, fraction_outside, load_detector
from talkface.landmarks.dlib_backend import DlibDetector
from talkface.landmarks.face import box_of_landmarks, overlap
from talkface.landmarks.layout import interocular, mouth_opening
from talkface.testing.clips import draw_face, draw_person, mouth_motion


@pytest.fixture(scope="module")
def detector():
    return load_detector()


@pytest.fixture(scope="module")
def face(detector, astronaut):
    return detector.detect(astronaut)[0]


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC if side > len(image) else cv2.INTER_AREA)


def test_astronaut_is_found_once_with_her_eyes_in_place(detector, astronaut):
    faces = detector.detect(astronaut)  # the badge on her suit scores 0.12 and is not a face
    assert len(faces) == 1
    right_eye, left_eye = faces[0].landmarks[36:42].mean(0), faces[0].landmarks[42:48].mean(0)
    assert np.linalg.norm(right_eye - [203.2, 100.7]) < 4 and np.linalg.norm(left_eye - [246.2, 103]) < 4
    assert fraction_outside(faces[0].landmarks, astronaut) == 0
    assert overlap(faces[0].box, box_of_landmarks(faces[0].landmarks)[0]) > 0.95


@pytest.mark.parametrize("side", [220, 1024, 4096])
def test_landmarks_do_not_depend_on_the_photo_size(detector, astronaut, face, side):
    scaled = detector.detect(enlarged(astronaut, side))[0]
    apart = np.linalg.norm(scaled.landmarks / (side / 512) - face.landmarks, axis=-1) / interocular(face.landmarks)
    assert apart.mean() < 0.02 and apart.max() < 0.08


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_lying_photos_are_turned_upright(detector, astronaut, face, turns):
    lying = np.ascontiguousarray(np.rot90(astronaut, -turns))
    faces, found = detect_any_rotation(detector, lying)
    assert found == turns
    assert np.abs(faces[0].landmarks - face.landmarks).max() < 1e-3


def test_a_tilted_head_keeps_its_shape(detector, astronaut, face):
    centre = face.landmarks[30]
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), 25, 1.0)
    tilted = detector.detect(cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE))[0]
    expected = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert np.linalg.norm(tilted.landmarks - expected, axis=-1).mean() < 0.03 * interocular(face.landmarks)
    assert box_of_landmarks(tilted.landmarks)[1] == pytest.approx(
        np.deg2rad(-25) + box_of_landmarks(face.landmarks)[1], abs=0.05
    )


def test_no_face_in_a_landscape(detector):
    rng = np.random.default_rng(0)
    noise = cv2.resize(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8), (320, 240))
    assert detect_any_rotation(detector, noise) == ([], 0)


def test_a_face_at_the_border_reports_what_is_cut_off(detector, astronaut, face):
    cut = np.ascontiguousarray(astronaut[:, 195:])
    inside = face.landmarks - [195, 0]
    assert 0.05 < fraction_outside(inside, cut) < 0.5


def test_tracker_follows_mouth_and_head(detector):
    rng = np.random.default_rng(3)
    person = draw_person(rng)
    motion = mouth_motion(rng, 40)
    tracker = FaceTracker(detector)
    faces = [
        tracker.track(draw_face(person, float(o), size=240, shift=(0.8 * i - 16, 6 * np.sin(i / 6))))
        for i, o in enumerate(motion)
    ]
    assert all(face is not None for face in faces)
    points = np.stack([face.landmarks for face in faces])
    assert np.corrcoef(mouth_opening(points), motion)[0, 1] > 0.9
    nose = points[:, 27:36, 0].mean(1)
    assert np.abs((nose - nose[0]) - 0.8 * np.arange(40)).max() < 3


def test_tracker_notices_that_the_face_left_and_came_back(detector):
    person = draw_person(np.random.default_rng(5))
    present, empty = draw_face(person, 0.2), np.full((160, 160, 3), 90, np.uint8)
    tracker = FaceTracker(detector, every=2)
    seen = [tracker.track(image) is not None for image in [present] * 4 + [empty] * 6 + [present] * 4]
    assert all(seen[:4]) and not any(seen[6:10]) and all(seen[12:])


def test_tracker_moves_to_another_place_after_a_cut(detector):
    person = draw_person(np.random.default_rng(6))
    small = draw_face(person, 0.3, size=140)
    left, right = np.full((200, 420, 3), 90, np.uint8), np.full((200, 420, 3), 90, np.uint8)
    left[20:160, 10:150], right[20:160, 270:410] = small, small
    tracker = FaceTracker(detector)
    centres = [tracker.track(image).landmarks[:, 0].mean() for image in [left] * 4 + [right] * 5]
    assert centres[0] < 150 and centres[-1] > 270


def test_photo_landmarks_are_steadier_than_the_bare_predictor(detector, astronaut, face):
    """Shifting the photo by a pixel must shift the landmarks by that pixel and nothing else."""
    import dlib

    from talkface.landmarks.dlib_backend import shape_predictor

    ours, bare = [], []
    for shift in range(8):
        moved = np.roll(astronaut, shift, axis=1)
        ours.append(detector.detect(moved)[0].landmarks - [shift, 0])
        box = dlib.get_frontal_face_detector()(moved, 1)[0]
        points = np.array([(p.x, p.y) for p in shape_predictor()(moved, box).parts()], float)
        bare.append(points - [shift, 0])
    assert np.std(ours, axis=0).mean() < 0.6 * np.std(bare, axis=0).mean()


def test_an_even_number_of_boxes_comes_as_near_as_an_odd_one(astronaut, face):
    box, _ = box_of_landmarks(face.landmarks)
    boxes = [tuple(np.array(box) + shift * (box[2] - box[0])) for shift in np.linspace(-0.06, 0.06, 9)]
    best = np.mean([DlibDetector(9).landmarks(astronaut, each) for each in boxes], axis=0)
    away = {}
    for starts in (1, 4, 5):
        found = np.array([DlibDetector(starts).landmarks(astronaut, each) for each in boxes])
        away[starts] = np.linalg.norm(found - best, axis=-1).mean()
    assert away[4] < 0.7 * away[1] and away[4] < 1.2 * away[5], away


def test_patch_samples_what_the_map_says():
    ramp = np.zeros((600, 800, 3), np.uint8)
    ramp[..., 0] = np.arange(800)[None] * 255 // 799
    for scale, turn in [(0.11, 0.0), (0.4, 0.5), (2.0, -0.3)]:
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
        matrix[:, 2] = 32 - matrix[:, :2] @ [400, 300]
        patch = cut_patch(ramp, matrix, 64)
        spots = np.array([[20, 20], [32, 32], [44, 25]])
        source = (spots - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        expected = source[:, 0] * 255 / 799
        assert np.abs(patch[spots[:, 1], spots[:, 0], 0] - expected).max() < 1.6


def test_descriptors_tell_people_apart(detector, astronaut, face):
    again = enlarged(astronaut, 400)
    same = np.linalg.norm(describe(astronaut, face.landmarks) - describe(again, detector.detect(again)[0].landmarks))
    drawn = draw_face(draw_person(np.random.default_rng(1)), 0.1, size=300)
    other = np.linalg.norm(describe(astronaut, face.landmarks) - describe(drawn, detector.detect(drawn)[0].landmarks))
    assert same < 0.25 and other > 0.5


def test_unknown_backend_is_named():
    with pytest.raises(ConfigError, match="dlib, face-alignment"):
        load_detector("mediapipe")


@pytest.mark.data
def test_real_portraits(shared_data, detector):
    """One face in each of these, or none; found by hand."""
    from talkface.media.photo import read_photo

    hard = shared_data / "portraits" / "hard"
    expected = {
        "derived_025_two_faces.jpg": 2,
        "derived_025_dark.jpg": 1,
        "derived_025_rot30.jpg": 1,
        "rgba_32bit.png": 1,
    }
    for name, count in expected.items():
        assert len(detector.detect(read_photo(hard / name))) == count, name
    for name in ("dog.jpg", "no_face_flower.jpg"):
        photo = read_photo(hard / name)
        assert detector.detect(photo) == [] and detector.detect(photo, "hard") == [], name
    cut = read_photo(hard / "partial_face.jpg")
    assert fraction_outside(detector.detect(cut)[0].landmarks, cut) > 0.05


def test_a_half_hidden_profile_is_no_face_and_the_track_comes_back(detector, astronaut, face):
    """The trees give each starting box another answer on what they do not know; squeezing a face makes it one."""
    left, top, right, bottom = face.box
    squeezed = astronaut.copy()
    narrow = cv2.resize(
        astronaut[top:bottom, left:right], ((right - left) // 4, bottom - top), interpolation=cv2.INTER_AREA
    )
    squeezed[top:bottom, left:right] = 128
    squeezed[top:bottom, left : left + narrow.shape[1]] = narrow
    tracker = FaceTracker(detector, every=12)
    found = [tracker.track(image) for image in (astronaut, astronaut, squeezed, squeezed, astronaut)]
    assert [each is not None for each in found] == [True, True, False, False, True]
    assert np.abs(found[-1].landmarks - found[1].landmarks).max() < 2
