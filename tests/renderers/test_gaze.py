"""Eyes look aside: the dark iris moves between the lids, and nothing else changes."""

import cv2
import numpy as np
import pytest

from talkface.landmarks.detect import load_detector
from talkface.landmarks.layout import LEFT_EYE, RIGHT_EYE
from talkface.landmarks.motion import close_eyes
from talkface.renderers.gaze import shift_gaze


@pytest.fixture(scope="module")
def landmarks(astronaut: np.ndarray) -> np.ndarray:
    return load_detector().detect(astronaut)[0].landmarks


def darkness_centre(frame: np.ndarray, lids: np.ndarray) -> float:
    """Where the dark pixels of an eye lie, 0 at its left end and 1 at its right one."""
    area = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(area, [np.round(lids).astype(np.int32)], 1)
    y, x = np.nonzero(area)
    dark = 255.0 - frame[y, x].mean(-1)
    weight = np.clip(dark - np.percentile(dark, 60), 0, None)
    return float(((x - lids[:, 0].min()) * weight).sum() / weight.sum() / np.ptp(lids[:, 0]))


def test_the_iris_moves_and_all_else_stays(astronaut: np.ndarray, landmarks: np.ndarray) -> None:
    left, straight, right = (shift_gaze(astronaut, landmarks, (across, 0.0)) for across in (-1.0, 0.0, 1.0))
    np.testing.assert_array_equal(straight, astronaut)
    for eye in (RIGHT_EYE, LEFT_EYE):
        places = [darkness_centre(frame, landmarks[eye]) for frame in (left, straight, right)]
        assert places[0] < places[1] - 0.03 < places[1] + 0.03 < places[2]
    right = shift_gaze(astronaut, landmarks, (1.0, 1.0))
    changed = (right != astronaut).any(-1)
    near = np.zeros(changed.shape, np.uint8)
    for eye in (RIGHT_EYE, LEFT_EYE):
        cv2.fillPoly(near, [np.round(landmarks[eye]).astype(np.int32)], 1)
    assert changed.any() and not (changed & (cv2.dilate(near, np.ones((5, 5), np.uint8)) == 0)).any()


def test_the_iris_moves_up_and_down_along_a_tilted_eye() -> None:
    along, up = np.array([0.95, 0.31]), np.array([0.31, -0.95])
    landmarks, frame = np.zeros((68, 2), np.float32), np.full((300, 300, 3), 190, np.uint8)
    across = np.array([-50, -20, 20, 50, 20, -20])
    raised = np.array([0, 18, 18, 0, -18, -18])
    for eye in (RIGHT_EYE, LEFT_EYE):
        landmarks[eye] = 150 + np.multiply.outer(across, along) + np.multiply.outer(raised, up)
    cv2.fillPoly(frame, [np.round(landmarks[RIGHT_EYE]).astype(np.int32)], (255, 255, 255))
    cv2.circle(frame, (150, 150), 8, (0, 0, 0), -1)

    def pupil(gaze: tuple[float, float]) -> np.ndarray:
        y, x = np.nonzero(shift_gaze(frame, landmarks, gaze)[..., 0] < 90)
        return np.array([x.mean(), y.mean()]) - 150

    assert pupil((0.0, 1.0)) @ up > 5 and pupil((0.0, -1.0)) @ up < -5
    assert abs(pupil((0.0, 1.0)) @ along) < 1 and abs(pupil((1.0, 0.0)) @ up) < 1


def test_shut_eyes_do_not_change(astronaut: np.ndarray, landmarks: np.ndarray) -> None:
    shut = close_eyes(landmarks[None].astype(np.float64), np.ones(1))[0]
    change = np.abs(shift_gaze(astronaut, shut, (1.0, 1.0)).astype(int) - astronaut)
    assert change.sum() < 0.35 * np.abs(shift_gaze(astronaut, landmarks, (1.0, 1.0)).astype(int) - astronaut).sum()


@pytest.mark.parametrize("height", [18, 12, 7])
def test_eyes_that_look_up_or_down_are_stretched_and_never_folded(height: int) -> None:
    landmarks = np.zeros((68, 2), np.float32)
    across, raised = np.array([-50, -20, 20, 50, 20, -20]), np.array([0, 1, 1, 0, -1, -1])
    for eye in (RIGHT_EYE, LEFT_EYE):
        landmarks[eye] = 60 + np.stack([across, -height * raised], 1)
    frame = np.repeat(np.repeat(np.arange(120, dtype=np.uint8)[:, None], 120, 1)[..., None], 3, 2)  # rows
    for up in (-1.0, 1.0):
        column = shift_gaze(frame, landmarks, (0.0, up))[60 - height : 60 + height + 1, 60, 0].astype(int)
        assert np.abs(column - np.arange(60 - height, 60 + height + 1)).max() >= 0.18 * 2 * height
        assert (np.diff(column) >= 0).all() and np.bincount(column - column[0]).max() <= 8
