"""The deformation against what it promises: identity, exact landmarks, a background at rest, no fold, clean cuts."""

import numpy as np
import pytest

from talkface.geometry.affine import fit_similarity, transform
from talkface.landmarks.deform import FaceDeformer
from talkface.landmarks.layout import STABLE, eye_distance
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.motion import close_eyes
from talkface.landmarks.pose import mean_face_3d, project
from talkface.landmarks.retarget import Retargeter
from talkface.types import HeadPose

WHOLE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
SIZE = (400, 460)


@pytest.fixture
def photo() -> np.ndarray:
    """Mean face, 100 pixels between the outer eye corners."""
    return MEAN_FACE * 100 + np.array([200, 220])


def opened(points: np.ndarray, amount: float) -> np.ndarray:
    moved = points.copy()
    moved[[65, 66, 67, 55, 56, 57, 58, 59, 6, 7, 8, 9, 10]] += [0, amount]
    return moved


def sources(target: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """`[H, W, 2]` where each pixel comes from."""
    offsets = FaceDeformer(photo).toward(target).offsets(WHOLE, SIZE)
    grid = np.stack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])), -1)
    return grid + offsets


def at(places: np.ndarray, point: np.ndarray) -> np.ndarray:
    x, y = np.round(point).astype(int)
    return places[y, x] - (np.round(point) - point)


def test_same_landmarks_move_nothing(photo):
    offsets = FaceDeformer(photo).toward(photo).offsets(WHOLE, SIZE)
    assert np.abs(offsets).max() < 1e-3


def test_landmarks_come_from_the_photos_landmarks(photo):
    target = opened(photo, 25)
    places = sources(target, photo)
    for index in (8, 30, 36, 51, 57, 62, 66):
        assert np.linalg.norm(at(places, target[index]) - photo[index]) < 3.0, index


def test_background_is_exactly_still_while_the_head_moves(photo):
    turned = (photo - 200) @ np.array([[np.cos(0.1), np.sin(0.1)], [-np.sin(0.1), np.cos(0.1)]]) + 205
    deformation = FaceDeformer(photo).toward(turned)
    offsets = deformation.offsets(WHOLE, (900, 900))
    left, top = np.floor(deformation.reach()[0]).astype(int)
    right, bottom = np.ceil(deformation.reach()[1]).astype(int)
    inside = np.zeros((900, 900), bool)
    inside[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
    assert not offsets[~inside].any()
    assert offsets[inside].any()


def test_head_moves_rigidly(photo):
    target = photo * 1.02 + [6, -4]
    deformation = FaceDeformer(photo).toward(target)
    expected = transform(deformation.to_photo, target[STABLE]) - target[STABLE]
    assert np.allclose(deformation.smooth_offsets(target[STABLE]), expected, atol=1e-3)


@pytest.mark.parametrize("amount", [-12, 12, 40])
def test_smooth_part_never_folds(photo, amount):
    photo = opened(photo, 12)
    deformation = FaceDeformer(photo).toward(opened(photo, amount))
    grid = np.stack(np.meshgrid(np.arange(0, 400, 3), np.arange(0, 460, 3)), -1).reshape(-1, 2).astype(float)
    places = (grid + deformation.smooth_offsets(grid)).reshape(154, 134, 2)
    across, down = np.diff(places, axis=1)[:-1], np.diff(places, axis=0)[:, :-1]
    assert (across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]).min() > 0


def test_shut_lips_jump_over_the_teeth(photo):
    smiling = opened(photo, 20)
    shut = smiling.copy()
    shut[[67, 66, 65]] = shut[[61, 62, 63]]
    column = sources(shut, smiling)[:, round(shut[62, 0]), 1]
    lip = round(shut[62, 1])
    assert np.diff(column[lip - 30 : lip + 30]).min() > -1e-3  # order is kept
    between = (smiling[62, 1] + 4, smiling[66, 1] - 4)
    shown = column[lip - 30 : lip + 30]
    assert ((shown > between[0]) & (shown < between[1])).sum() <= 1


def test_upper_teeth_stay_with_the_skull_when_the_upper_lip_comes_down(photo):
    smiling = opened(photo, 24)
    lower = smiling.copy()
    lower[[*range(49, 54), 61, 62, 63], 1] += 8
    column = sources(lower, smiling)[:, round(smiling[62, 0]), 1]
    teeth = np.arange(round(lower[62, 1]) + 3, round(lower[66, 1]) - 3)
    assert np.abs(column[teeth] - teeth).max() < 1.5
    raised = smiling.copy()
    raised[[*range(49, 54), 61, 62, 63], 1] -= 4
    column = sources(raised, smiling)[:, round(smiling[62, 0]), 1]
    assert abs(column[round(raised[62, 1]) + 2] - smiling[62, 1] - 2) < 1.5, "a lip that rises bares no gap above them"


def test_shut_eye_shows_skin_only(photo):
    shut = photo.copy()
    shut[[37, 38]] = shut[[41, 40]]
    middle = 0.5 * (photo[37] + photo[38])
    column = sources(shut, photo)[:, round(middle[0]), 1]
    eye = (photo[37, 1] + 1, photo[41, 1] - 1)
    near = column[round(middle[1]) - 40 : round(middle[1]) + 40]
    assert ((near > eye[0]) & (near < eye[1])).sum() <= 1
    assert np.diff(near).min() > -1e-3


def test_nearly_shut_eye_shows_nothing_of_the_eye(photo):
    shut = close_eyes(photo[None], np.array([1.0]))[0]  # lids that leave a twentieth of the opening
    column = sources(shut, photo)[:, round(photo[[37, 38], 0].mean()), 1]
    near = column[round(photo[37, 1]) - 40 : round(photo[37, 1]) + 40]
    assert ((near > photo[37, 1] + 0.5) & (near < photo[41, 1] - 0.5)).sum() <= 1


def test_half_shut_eye_is_covered_not_squeezed(photo):
    half = close_eyes(photo[None], np.array([0.5]))[0]
    at = round(photo[[37, 38], 0].mean())
    column = sources(half, photo)[:, at, 1]
    rows = np.arange(int(half[37, 1]) + 2, int(half[41, 1]) - 1)
    assert len(rows) >= 2
    lower_lid = half[41, 1] - photo[41, 1]
    np.testing.assert_allclose(column[rows], rows - lower_lid, atol=0.5)  # the eyeball stands still
    wide = photo.copy()
    wide[[37, 38]] -= [0, 4]
    shown = sources(wide, photo)[round(wide[37, 1]) + 1 : round(wide[41, 1]), at, 1]
    assert shown.min() > photo[37, 1] - 2  # an eye opened wider is stretched, not filled with lid


@pytest.mark.parametrize("lift", [-9.0, 9.0])
@pytest.mark.parametrize("shut", [0.0, 0.4])
def test_brows_leave_the_eye_below_where_it_is(photo, lift: float, shut: float):
    """The smooth part between brow and cheek would take the eyeball along, and tear it at the lid's edge."""
    blinking = close_eyes(photo[None], np.array([shut]))[0]
    target = blinking.copy()
    target[17:27, 1] -= lift
    before, after = sources(blinking, photo), sources(target, photo)
    for eye in (range(36, 42), range(42, 48)):
        outline = blinking[list(eye)]
        middle = outline.mean(0)
        for point in 0.75 * (outline - middle) + middle:
            assert np.linalg.norm(at(after, point) - at(before, point)) < 0.6


def test_rims_of_glasses_above_a_shutting_lid_stay(photo):
    shut = close_eyes(photo[None], np.array([1.0]))[0]
    at = round(photo[[37, 38], 0].mean())
    length = np.linalg.norm(photo[39] - photo[36])
    rim = round(photo[37, 1] - 0.3 * length)
    np.testing.assert_allclose(sources(shut, photo)[:rim, at, 1], np.arange(rim), atol=0.05)


def test_crossing_inner_lips_do_no_harm(photo):
    crossed = photo.copy()
    crossed[[61, 62, 63]] += [0, 6]
    places = sources(crossed, photo)
    assert np.isfinite(places).all()
    assert np.diff(places[:, round(photo[62, 0]), 1]).min() > -0.5


def test_any_size_gives_the_same_motion(photo):
    target = opened(photo, 20)
    small = FaceDeformer(photo).toward(target).offsets(WHOLE, SIZE)
    large = FaceDeformer(photo * 4).toward(target * 4).offsets(WHOLE, (1600, 1840))
    assert np.abs(large[::4, ::4] / 4 - small).mean() < 0.02


def test_eye_distance_does_not_shrink_with_a_turned_head(photo):
    turned = (photo - 200) * [0.5, 1] + 200
    assert eye_distance(turned) > 0.65 * eye_distance(photo)


def test_speech_alone_does_not_move_the_head(photo):
    target = opened(photo, 25)
    target[[0, 1, 15, 16]] += [0, 2]  # the ends of the jaw's outline move a little with it
    deformation = FaceDeformer(photo).toward(target)
    np.testing.assert_allclose(deformation.to_photo, [[1, 0, 0], [0, 1, 0]], atol=1e-9)
    assert deformation.moved == 0


def test_hair_follows_a_head_that_turns_in_depth():
    """The outline of the hair lies behind the face, so a turn shifts it against the eyes; a flat warp would not."""
    camera = np.array([[100.0, 0, 0, 200], [0, 100, 0, 220]])
    yaw = 0.3
    turned = camera.copy()
    turned[:, :3] = camera[:, :3] @ np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    photo, target = project(camera, mean_face_3d()), project(turned, mean_face_3d())
    deformer = FaceDeformer(photo)
    hair = deformer.scalp[3:6]
    offsets = deformer.toward(target).smooth_offsets(project(turned, hair), rigid=True)
    reached = project(turned, hair) + offsets
    missed = np.linalg.norm(reached - project(camera, hair), axis=1)
    flat = transform(fit_similarity(target[STABLE], photo[STABLE]), project(turned, hair))
    assert missed.max() < 0.5 * np.linalg.norm(flat - project(camera, hair), axis=1).min()


def test_a_face_without_extent_is_no_division_by_zero(photo):
    deformation = FaceDeformer(photo).toward(np.full((68, 2), 50.0))
    assert np.isfinite(deformation.smooth_offsets(photo)).all()


@pytest.mark.parametrize(
    ("turn", "shift"), [((0, 3, 0), (0, 0)), ((0, 0, 3), (0, 0)), ((3, 0, 0), (0, 0)), ((0, 0, 0), (0.05, 0))]
)
def test_hair_beside_a_moving_head_hardly_stretches(photo, turn, shift):
    pose = HeadPose(np.radians([turn]).astype(np.float32), np.array([shift], np.float32))
    places = sources(Retargeter(photo)(np.zeros((1, 68, 2), np.float32), pose)[0], photo)
    across, down = (np.gradient(places, axis=axis) for axis in (1, 0))
    least = np.linalg.svd(np.stack([across, down], -1), compute_uv=False)[..., 1]
    grid = np.stack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])), -1).reshape(-1, 2)
    outline = transform(FaceDeformer(photo).ellipse, grid.astype(np.float64)).reshape(places.shape)
    radius = np.linalg.norm(outline, axis=-1)
    hair = (radius > 0.95) & (radius < 1.12) & (outline[..., 1] < 0)
    assert hair.sum() > 500
    assert np.percentile(1 / least[hair], 95) < 1.15
