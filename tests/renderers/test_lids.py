"""A shut lid has skin, texture and lashes, whatever it was stretched from; an eye that was shut stays so."""

import cv2
import numpy as np
import pytest

from talkface.landmarks.layout import LEFT_EYE, RIGHT_EYE
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.motion import close_eyes
from talkface.renderers.canvas import Canvas
from talkface.renderers.lids import lash_colour
from talkface.types import Shot

SIZE = 400
SKIN = np.array([200.0, 150.0, 120.0])


def face_photo(tone: float = 1.0, grain: float = 3.0) -> Shot:
    """Skin with grain; eyes are white with a dark iris, a dark upper edge and a shadow above it."""
    points = (MEAN_FACE * 140 + [SIZE / 2, SIZE / 2]).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, grain, (SIZE, SIZE, 1))
    picture = np.clip(np.tile(tone * SKIN, (SIZE, SIZE, 1)) + noise, 0, 255).astype(np.uint8)
    for eye in (RIGHT_EYE, LEFT_EYE):
        outline = np.round(points[eye]).astype(np.int32)
        shadow = outline[[0, 1, 2, 3]] - [0, 4]
        cv2.polylines(picture, [shadow], False, tuple(0.3 * tone * SKIN), 4)
        cv2.fillPoly(picture, [outline], (235, 235, 235))
        cv2.circle(picture, tuple(outline.mean(0).astype(int)), 4, (30, 30, 40), -1)
        cv2.polylines(picture, [outline[[0, 1, 2, 3]]], False, (40, 25, 20), 2)
    return Shot(picture, points)


def shut(shot: Shot, closure: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    points = close_eyes(shot.landmarks[None], np.array([closure], np.float32))[0]
    canvas = Canvas(shot)
    return canvas.warp(canvas.deform(points)), points


def eye_box(points: np.ndarray, grow: float = 0.3) -> tuple[slice, slice]:
    eye = points[RIGHT_EYE]
    length = float(np.linalg.norm(eye[3] - eye[0]))
    low, high = eye.min(0) - grow * length, eye.max(0) + grow * length
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def edges(picture: np.ndarray) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)).mean())


@pytest.mark.parametrize("tone", [1.0, 0.35])
def test_a_shut_lid_is_skin_with_grain_and_a_lash_line(tone: float) -> None:
    shot = face_photo(tone)
    frame, points = shut(shot)
    upper, lower = points[[37, 38]], points[[41, 40]]
    x = round(float(points[RIGHT_EYE, 0].mean()))
    edge = round(float(np.concatenate([upper, lower])[:, 1].mean()))
    column = frame[edge - 12 : edge + 6, x - 4 : x + 5].astype(np.float32).mean((1, 2))
    assert 9 <= column.argmin() <= 15  # the lashes lie where the lids meet
    assert column.min() < 0.75 * tone * SKIN.mean()
    lid = frame[edge - 9 : edge - 5, x - 6 : x + 7].reshape(-1, 3).astype(np.float32)
    assert (lid.mean(0) > 0.7 * tone * SKIN).all() and (lid.mean(0) < tone * SKIN + 6).all()
    assert 1.0 < lid.std(0).mean() < 12  # grain, neither a flat patch nor streaks
    before, after = (edges(picture[eye_box(shot.landmarks)]) for picture in (shot.image, frame))
    assert after > 0.2 * before


def test_a_lid_has_the_colour_of_the_skin_though_a_grey_shadow_was_stretched_into_it() -> None:
    shot = face_photo(grain=0)
    for eye in (RIGHT_EYE, LEFT_EYE):  # make-up
        outline = np.round(shot.landmarks[eye]).astype(np.int32)[[0, 1, 2, 3]] - [0, 5]
        cv2.polylines(shot.image, [outline], False, (90, 90, 90), 6)
    frame, points = shut(shot)
    x, edge = (round(float(value)) for value in points[[37, 38, 41, 40]].mean(0))
    lid = frame[edge - 8 : edge - 5, x - 5 : x + 6].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(lid, 0.94 * SKIN, rtol=0.06)


def test_an_eye_behind_hair_gets_no_light_lid() -> None:
    shot = face_photo(grain=0)
    rows, columns = eye_box(shot.landmarks, 0.8)
    shot.image[rows, columns] = 30
    x, below = (round(float(value)) for value in shot.landmarks[[41, 40]].mean(0))
    shot.image[below + 2 : rows.stop, x - 7 : x + 2] = 220  # a lit strand
    frame, points = shut(shot)
    edge = round(float(points[[37, 38, 41, 40], 1].mean()))
    assert frame[edge - 9 : edge - 5, x - 6 : x + 7].max() < 45


def test_what_shows_of_the_eye_lies_in_the_lid_s_shadow() -> None:
    shot = face_photo(grain=0)
    frame, points = shut(shot, 0.6)
    inside = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(inside, [np.round(points[RIGHT_EYE]).astype(np.int32)], 1)
    inside = cv2.erode(inside, np.ones((3, 3), np.uint8))
    assert frame[inside > 0].max() < 235


def test_an_eye_that_is_shut_in_the_photo_stays_as_it_is() -> None:
    shot = face_photo()
    wink = shot.landmarks.copy()
    wink[[37, 38], 1] = wink[[41, 40], 1] - 2
    canvas = Canvas(Shot(shot.image, wink))
    points = close_eyes(wink[None], np.ones(1, np.float32))[0]
    np.testing.assert_array_equal(points[RIGHT_EYE], wink[RIGHT_EYE])
    assert np.abs(points[LEFT_EYE] - wink[LEFT_EYE]).max() > 3
    box = eye_box(wink)
    np.testing.assert_array_equal(canvas.warp(canvas.deform(points))[box], shot.image[box])


def test_open_eyes_are_not_redrawn() -> None:
    shot = face_photo(grain=0)
    frame, _ = shut(shot, 0.15)
    below = slice(int(shot.landmarks[41, 1]) + 8, None)
    np.testing.assert_allclose(frame[below].astype(float), shot.image[below], atol=2)


def test_the_lash_colour_is_that_of_the_dark_edge() -> None:
    shot = face_photo()
    colour = lash_colour(shot.image, shot.landmarks[36:40], 140.0)
    np.testing.assert_allclose(colour, [40, 25, 20], atol=25)
    assert lash_colour(shot.image, np.full((4, 2), -50.0), 140.0).shape == (3,)
