"""Every knob moves its own part of the face and nothing else."""

import numpy as np
import pytest

import talkface
from talkface.cli.demo import DEMO_SPEECH
from talkface.inference.animator import Animator
from talkface.landmarks.layout import JAW, LEFT_BROW, LEFT_EYE, MOUTH, RIGHT_BROW, RIGHT_EYE, eye_openness
from talkface.media.speech import open_speech
from talkface.types import FloatArray

EYES, BROWS = [*RIGHT_EYE, *LEFT_EYE], [*RIGHT_BROW, *LEFT_BROW]


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator.from_pretrained("warp", "cpu")


@pytest.fixture(scope="module")
def landmarks(animator: Animator, face: np.ndarray):
    subject = animator.prepare(face)
    track = animator.track_speech(open_speech(DEMO_SPEECH), talkface.AnimateOptions().fps, subject)

    def made(**options: object) -> FloatArray:
        return np.concatenate(list(animator.landmarks(subject, track, talkface.AnimateOptions(**options))))

    return made


@pytest.mark.parametrize(
    ("knob", "value", "moved"),
    [
        ("blink_rate", 3.0, EYES),
        ("blink", False, EYES),
        ("brow_raise", 1.0, BROWS),
        ("mouth_opening", 0.4, [*MOUTH, *JAW]),
        ("mouth_width", 1.8, [*MOUTH]),
        ("gaze", (1.0, 0.0), []),
        ("gaze", (0.0, -1.0), EYES),
        ("head_style", "lively", []),
    ],
)
def test_a_knob_moves_its_own_part_alone(landmarks, knob: str, value: object, moved: list[int]) -> None:
    plain, turned = landmarks(still=True), landmarks(still=True, **{knob: value})
    far = np.abs(turned - plain).max((0, 2))
    others = np.setdiff1d(np.arange(68), moved)
    assert not far[others].any()
    assert not moved or far[moved].max() > 0.5  # pixels


def test_a_head_style_leaves_blinks_where_they_are(landmarks) -> None:
    plain, lively = landmarks(), landmarks(head_style="lively")
    assert np.abs(plain - lively).max() > 1
    shut = [eye_openness(points) < 0.6 * np.median(eye_openness(points)) for points in (plain, lively)]
    assert shut[0].any() and (shut[0] != shut[1]).mean() < 0.03


def test_numbers_of_motion_are_set_by_name(animator: Animator, face: np.ndarray, landmarks) -> None:
    wild = Animator.from_pretrained("warp", "cpu", set=["motion.brow_raise=0.3", "motion.blink_mean_s=0.5"])
    subject, options = wild.prepare(face), talkface.AnimateOptions(still=True)
    track = wild.track_speech(open_speech(DEMO_SPEECH), options.fps, subject)
    far = np.abs(np.concatenate(list(wild.landmarks(subject, track, options))) - landmarks(still=True)).max((0, 2))
    moved = [*EYES, *BROWS]
    assert not far[np.setdiff1d(np.arange(68), moved)].any()
    assert far[EYES].max() > 0.5 and far[BROWS].max() > 0.5
