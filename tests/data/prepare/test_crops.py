"""Crop presets against their definitions, on a face of known place."""

import numpy as np
import pytest

from talkface.data.prepare.crops import ATVG_TEMPLATE, CROPPER, CROPS, load_cropper
from talkface.errors import ConfigError
from talkface.geometry.affine import transform
from talkface.landmarks.face import box_of_landmarks
from talkface.landmarks.mean_face import MEAN_FACE

TURN = np.deg2rad(9)


def face(scale: float = 100.0, x: float = 300.0, y: float = 200.0, roll: float = 0.0) -> np.ndarray:
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return (scale * MEAN_FACE @ turn.T + [x, y]).astype(np.float32)


def place(name: str, points: np.ndarray, size: int = 256, frame: tuple[int, int] = (640, 480)) -> np.ndarray:
    return load_cropper(name, size, 1.9).place(points, box_of_landmarks(points)[0], frame, jump=True)


def test_face_is_a_square_around_the_box():
    points = face()
    left, top, right, bottom = box_of_landmarks(points)[0]
    corners = transform(place("face", points), np.array([[left, top], [right, bottom]]))
    margin = 256 * (1 - 1 / 1.9) / 2
    np.testing.assert_allclose(corners, [[margin, margin], [256 - margin, 256 - margin]], atol=1e-4)


def test_squares_follow_slowly_and_jump_at_cuts():
    cropper = load_cropper("face", 256, 1.9)
    boxes = [box_of_landmarks(face(x=x))[0] for x in (300.0, 320.0)]
    start = cropper.place(face(x=300), boxes[0], (640, 480), jump=True)
    still = cropper.place(face(x=320), boxes[1], (640, 480), jump=False)
    cut = cropper.place(face(x=320), boxes[1], (640, 480), jump=True)
    scale = start[0, 0]
    assert still[0, 2] - start[0, 2] == pytest.approx(-scale * CROPPER.follow * 20, rel=1e-3)
    assert cut[0, 2] - start[0, 2] == pytest.approx(-scale * 20, rel=1e-3)


def test_fsth_of_a_square_track_keeps_its_rows_and_columns():
    matrix = place("fsth", face(60, 112, 112), size=224, frame=(224, 224))
    corners = transform(matrix, np.array([[0.1 * 224, 0.2 * 224], [0.9 * 224, 224.0]]))
    np.testing.assert_allclose(corners, [[0, 0], [224, 224]], atol=1e-4)


def test_fsth_of_a_wide_frame_shows_the_same_part_of_the_face_at_every_size():
    near = transform(place("fsth", face(150)), face(150))
    far = transform(place("fsth", face(50, 100, 90)), face(50, 100, 90))
    np.testing.assert_allclose(near, far, atol=0.01)
    assert (near > 0).all() and (near < 256).all()
    eyes_and_chin = near[[36, 45, 8]]
    assert 0.1 < eyes_and_chin[0, 1] / 256 < 0.5 < eyes_and_chin[2, 1] / 256 < 0.95


def test_atvg_lays_nose_and_eyes_onto_the_template():
    points = transform(np.array([[2.0, 0.5, 30], [-0.5, 2.0, 40]]), np.zeros((68, 2)))
    points[27:45] = transform(np.array([[2.0, 0.5, 30], [-0.5, 2.0, 40]]), ATVG_TEMPLATE)
    laid = transform(place("atvg", points, size=128), points)
    np.testing.assert_allclose(laid[27:45], ATVG_TEMPLATE - 1, atol=1e-6)
    np.testing.assert_allclose(transform(place("atvg", points, size=256), points), 2 * laid, atol=1e-6)


def test_atvg_takes_out_the_heads_motion():
    still, moved = face(), face(140, 250, 260, roll=TURN)
    np.testing.assert_allclose(
        transform(place("atvg", still, 128), still), transform(place("atvg", moved, 128), moved), atol=1e-3
    )


def test_atvg_template_is_theirs(shared_data):
    folder = shared_data / "meta" / "ATVGnet_basics"
    for name in ("base_68", "base_68_close"):
        np.testing.assert_array_equal(np.load(folder / f"{name}.npy")[27:45], ATVG_TEMPLATE)


def test_unknown_crop():
    with pytest.raises(ConfigError, match=f"unknown crop 'ffhq': known are {', '.join(CROPS)}"):
        load_cropper("ffhq", 256, 1.9)
