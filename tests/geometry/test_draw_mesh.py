import time

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkface.geometry.draw_mesh import draw_mesh
from talkface.landmarks.mesh import FaceMesh
from talkface.landmarks.pose import mean_face_3d

STILL = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def grid(depth) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Square of 9 x 9 vertices from (20, 20) to (100, 100): places, posed with `depth(x, y)`, triangles."""
    x, y = np.meshgrid(np.linspace(20, 100, 9), np.linspace(20, 100, 9))
    places = np.stack([x, y], -1).reshape(-1, 2)
    corner = np.array([row * 9 + column for row in range(8) for column in range(8)])
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + 9], 1), np.stack([corner + 1, corner + 10, corner + 9], 1)]
    )
    return places, np.column_stack([places, depth(x, y).ravel()]), triangles.astype(np.int32)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (30, 30, 3), np.uint8)
    return cv2.resize(noise, (120, 120), interpolation=cv2.INTER_CUBIC)


def test_the_surface_where_it_was_shows_the_photo_and_nothing_outside(picture):
    places, posed, triangles = grid(lambda x, y: 0 * x)
    drawn = draw_mesh(picture, places, posed, triangles, STILL, 128)
    inside = np.zeros((128, 128), bool)
    inside[20:101, 20:101] = True
    np.testing.assert_array_equal(drawn[..., 3] > 0, inside)
    assert not drawn[~inside].any()
    assert np.abs(drawn[20:101, 20:101, :3].astype(int) - picture[20:101, 20:101]).max() <= 1


def test_the_matrix_places_and_scales_the_picture(picture):
    places, posed, triangles = grid(lambda x, y: 0 * x)
    matrix = np.array([[1.5, 0.3, -20], [-0.3, 1.5, 10]])
    drawn = draw_mesh(picture, places, posed, triangles, matrix, 200)
    expected = cv2.warpAffine(picture, matrix, (200, 200), flags=cv2.INTER_LINEAR)
    covered = drawn[..., 3] > 0
    assert np.abs(drawn[covered][:, :3].astype(int) - expected[covered]).mean() < 1.0
    outline = np.array([[20, 20], [100, 20], [100, 100], [20, 100]]) @ matrix[:, :2].T + matrix[:, 2]
    area = cv2.contourArea(outline.astype(np.float32))
    assert covered.sum() == pytest.approx(area, rel=0.03)


def test_near_hides_far_and_a_side_seen_from_behind_is_left_out(picture):
    """A half cylinder that turns: what has come round to the back must not show, and the front must."""
    places, posed, triangles = grid(lambda x, y: np.sqrt(np.maximum(40.0**2 - (x - 60) ** 2, 0)))
    turn = np.deg2rad(50)
    x, depth = posed[:, 0] - 60, posed[:, 2].copy()
    posed[:, 0], posed[:, 2] = 60 + np.cos(turn) * x + np.sin(turn) * depth, np.cos(turn) * depth - np.sin(turn) * x
    left, right = np.zeros_like(picture), np.zeros_like(picture)
    left[:, :60], right[:, 60:] = 255, 255
    drawn = draw_mesh(
        np.where(left > 0, (255, 0, 0), (0, 0, 255)).astype(np.uint8), places, posed, triangles, STILL, 128
    )
    row = drawn[60]
    seam = 60 + np.sin(turn) * 40
    red, blue = np.flatnonzero(row[:, 0] > 128), np.flatnonzero(row[:, 2] > 128)
    assert red.max() == pytest.approx(seam, abs=1.5) and blue.min() == pytest.approx(seam, abs=1.5)
    assert blue.max() == pytest.approx(100, abs=1.5), "the outline of the cylinder, not the far edge folded back"


def test_order_follows_depth_not_the_list(picture):
    places, posed, triangles = grid(lambda x, y: 0 * x)
    red_then_blue = np.concatenate([places, places])
    photo = np.zeros((120, 240, 3), np.uint8)
    photo[:, :120, 0], photo[:, 120:, 2] = 255, 255
    red_then_blue[len(places) :, 0] += 120
    for nearer, channel in ((1.0, 0), (-1.0, 2)):
        both = np.concatenate([posed + np.array([0, 0, nearer]), posed])
        drawn = draw_mesh(photo, red_then_blue, both, np.concatenate([triangles, triangles + len(places)]), STILL, 128)
        assert drawn[60, 60, channel] == 255 and drawn[60, 60, 2 - channel] == 0


def test_a_much_smaller_picture_is_free_of_aliasing():
    stripes = np.zeros((960, 960, 3), np.uint8)
    stripes[:, ::2] = 255
    places, posed, triangles = grid(lambda x, y: 0 * x)
    drawn = draw_mesh(stripes, 8 * places, posed * [8, 8, 1], triangles, STILL / 8, 128)
    middle = drawn[30:90, 30:90, :3]
    assert 120 < middle.mean() < 135 and middle.std() < 4


def test_nothing_in_view_is_black(picture):
    places, posed, triangles = grid(lambda x, y: 0 * x)
    assert not draw_mesh(picture, places, posed + np.array([500, 0, 0]), triangles, STILL, 64).any()


def turned_face(angle) -> np.ndarray:
    """`[68, 2]` mean face turned sideways by `angle` radians, in the middle of a 256-pixel picture."""
    return 100 * Rotation.from_rotvec([0, angle, 0]).apply(mean_face_3d())[:, :2] + [128, 115]


def test_a_face_in_its_own_pose_is_the_photo_itself(astronaut):
    photo = np.ascontiguousarray(astronaut[:256, 100:356])
    mesh = FaceMesh(turned_face(0.3))
    drawn = draw_mesh(photo, mesh.places, mesh.toward(turned_face(0.3)), mesh.triangles, STILL, 256)
    covered = drawn[..., 3] > 0
    assert 0.2 < covered.mean() < 0.6 and not drawn[~covered].any()
    difference = np.abs(drawn[..., :3].astype(int) - photo)[covered]
    assert difference.mean() < 0.1 and np.quantile(difference, 0.99) <= 1


def test_a_turned_face_hides_its_far_cheek():
    photo = np.zeros((256, 256, 3), np.uint8)
    photo[:, :128, 0], photo[:, 128:, 2] = 255, 255
    mesh = FaceMesh(turned_face(0))
    shares = []
    for angle in (-0.9, 0.0, 0.9):
        drawn = draw_mesh(photo, mesh.places, mesh.toward(turned_face(angle)), mesh.triangles, STILL, 256)
        covered = drawn[..., 3] > 0
        red, blue = (drawn[..., :3].argmax(-1) == channel for channel in (0, 2))
        shares.append((red & covered).sum() / covered.sum())
        at_nose = drawn[int(mesh.places[30, 1])]
        sides = np.flatnonzero(at_nose[:, 3])
        assert np.diff(at_nose[sides, 2].astype(int) > 128).sum() <= 1, "no far cheek beside the near one's edge"
        assert (blue & covered).any()
    assert shares[1] == pytest.approx(0.5, abs=0.02)
    assert shares[0] < 0.35 and shares[2] > 0.65
    assert shares[0] + shares[2] == pytest.approx(1.0, abs=0.03)


def test_it_is_quick(picture):
    places, posed, triangles = grid(lambda x, y: 0 * x)
    times = []
    for _ in range(15):
        start = time.process_time()
        draw_mesh(picture, places, posed, triangles, np.array([[2.5, 0, 0], [0, 2.5, 0]]), 256)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.025
