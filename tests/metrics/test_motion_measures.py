"""Blinks, head motion, flicker, seams and sharpness against motion that was made to order."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from talkface.landmarks.layout import MOUTH, eye_openness
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.motion import close_eyes
from talkface.landmarks.pose import move_head
from talkface.metrics.blinks import find_blinks
from talkface.metrics.flicker import Flicker, Seam, jitter
from talkface.metrics.head import beat_alignment, head_angles, head_diversity, motion_beats, speech_onsets
from talkface.metrics.sharpness import drift, sharpness
from talkface.types import HeadPose, Shot, Waveform

FPS = Fraction(25)
FACE = np.asarray(MEAN_FACE, np.float32) * 120 + np.array([150.0, 130.0], np.float32)


def still_face(frames: int) -> np.ndarray:
    return np.repeat(FACE[None], frames, 0)


def blinking(frames: int, *blinks: tuple[int, int]) -> np.ndarray:
    """A still face whose eyes are shut from each first to each last frame."""
    closure = np.zeros(frames)
    for first, last in blinks:
        closure[first : last + 1] = 0.6
    return close_eyes(still_face(frames), closure)


def test_two_blinks_drawn_are_two_blinks():
    found = find_blinks(blinking(100, (20, 24), (60, 63)), FPS)
    assert len(found) == 2
    np.testing.assert_array_equal(found.starts, [20, 60])
    np.testing.assert_allclose(found.durations_s, [5 / 25, 4 / 25])
    assert found.rate == pytest.approx(2 / 4.0)
    assert found.duration_s == pytest.approx(4.5 / 25)


def test_open_eyes_noise_and_long_closure_are_no_blinks():
    noisy = still_face(200) + np.random.default_rng(0).normal(0, 0.2, (200, 68, 2)).astype(np.float32)
    assert len(find_blinks(noisy, FPS)) == 0
    assert len(find_blinks(blinking(100, (30, 70)), FPS)) == 0
    assert np.isnan(find_blinks(still_face(50), FPS).duration_s)


def test_blinks_that_follow_each_other_at_once_are_two_and_glances_down_are_none():
    closure = np.zeros(100)
    closure[20:33] = [0.2, 0.6, 0.6, 0.5, 0.4, 0.3, 0.2, 0.3, 0.5, 0.6, 0.6, 0.4, 0.2]
    found = find_blinks(close_eyes(still_face(100), closure), FPS)
    assert len(found) == 2 and 24 <= found.starts[1] <= 27
    closure[20:33] = 0.25
    assert len(find_blinks(close_eyes(still_face(100), closure), FPS)) == 0
    closure[20:33] = 0.0
    closure[25] = 0.6
    assert len(find_blinks(close_eyes(still_face(100), closure), FPS)) == 0, "one frame is the detector's"


def test_frames_without_a_face_neither_blink_nor_count():
    points = blinking(100, (20, 24))
    points[50:] = np.nan
    found = find_blinks(points, FPS)
    assert len(found) == 1
    assert found.rate == pytest.approx(1 / 2.0)
    assert np.isnan(find_blinks(points[50:], FPS).rate)


def test_eye_openness_does_not_change_with_size_or_place():
    np.testing.assert_allclose(eye_openness(still_face(1)), eye_openness(still_face(1) * 3 + 40), rtol=1e-5)


def nodding(frames: int, period: int, radians: float) -> np.ndarray:
    """Pitch swings as a sine; it turns around twice per period."""
    pitch = radians * np.sin(2 * np.pi * np.arange(frames) / period)
    pose = HeadPose(np.column_stack([pitch, 0 * pitch, 0 * pitch]), np.zeros((frames, 2)))
    return move_head(np.repeat(np.asarray(MEAN_FACE, np.float64)[None], frames, 0), pose) * 120 + 150


def test_diversity_is_the_deviation_of_the_angles_drawn():
    points = nodding(200, 50, np.radians(6))
    assert head_angles(points)[:, 0].std() == pytest.approx(6 / np.sqrt(2), rel=0.1)
    assert head_diversity(points) == pytest.approx(2 / np.sqrt(2), rel=0.15)  # one axis of three moves
    assert head_diversity(still_face(50)) == pytest.approx(0.0, abs=1e-6)


def test_a_nod_beats_where_it_turns_around():
    beats = motion_beats(nodding(200, 50, 0.1), FPS)
    turns = np.arange(12.5, 200, 25)
    assert len(beats) == len(turns)
    assert np.abs(beats - turns).max() <= 1
    assert len(motion_beats(still_face(100), FPS)) == 0


def test_beat_alignment_falls_with_distance():
    onsets = np.array([20, 45, 70])
    scores = [beat_alignment(onsets + late, onsets, FPS) for late in (0, 3, 6, 12)]
    assert scores[0] == 1.0
    assert scores[1] == pytest.approx(np.exp(-0.5))
    assert scores[1] > scores[2] > scores[3]
    assert beat_alignment(np.zeros(0, int), onsets, FPS) == 0.0
    assert np.isnan(beat_alignment(onsets, np.zeros(0, int), FPS))


def test_onsets_are_where_syllables_start():
    times = np.arange(16_000 * 3) / 16_000
    voice = np.sin(2 * np.pi * 200 * times) + 0.5 * np.sin(2 * np.pi * 600 * times)
    syllables = np.exp(-(times % 0.8) / 0.1)  # each starts at once and dies away
    onsets = speech_onsets(Waveform((0.3 * voice * syllables).astype(np.float32)), FPS, 75)
    for start in (20, 40, 60):
        assert np.abs(onsets - start).min() <= 1
    assert len(onsets) <= 4
    assert len(speech_onsets(Waveform(np.zeros(48_000, np.float32)), FPS, 75)) == 0


def test_frozen_and_evenly_changing_frames_do_not_flicker(astronaut: np.ndarray):
    frozen, fading = Flicker(), Flicker()
    for step in range(6):
        frozen.add(astronaut)
        fading.add(np.full((32, 32, 3), 100 + 4 * step, np.uint8))
    assert frozen.pixels == frozen.brightness == 0.0
    assert fading.pixels == pytest.approx(0.0, abs=1e-9)


def test_alternating_brightness_flickers_by_its_height():
    flicker = Flicker()
    for step in range(7):
        flicker.add(np.full((32, 32, 3), 100 + 6 * (step % 2), np.uint8))
    assert flicker.pixels == pytest.approx(6.0)
    assert flicker.brightness == pytest.approx(6.0)


def test_noise_flickers_in_pixels_not_in_brightness():
    rng, flicker = np.random.default_rng(0), Flicker()
    for _ in range(6):
        flicker.add(np.clip(rng.normal(120, 8, (64, 64, 3)), 0, 255).astype(np.uint8))
    assert flicker.pixels > 3.0
    assert flicker.brightness < 0.5


def test_jitter_is_that_of_the_points_drawn():
    points = still_face(40).astype(np.float64)
    assert jitter(points) == pytest.approx(0.0)
    eyes = float(np.linalg.norm(FACE[45] - FACE[36]))
    points[::2, :, 0] += 0.01 * eyes  # to and fro by 10 thousandths
    assert jitter(points) == pytest.approx(10.0, rel=1e-3)
    assert jitter(still_face(40) + np.arange(40)[:, None, None]) == pytest.approx(0.0, abs=1e-3)  # even motion


def skin(frames: int = 1) -> list[np.ndarray]:
    """Smooth noise, the same in every frame."""
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 60, (300, 300, 3)), (0, 0), 6)
    return [np.clip(150 + noise, 0, 255).astype(np.uint8)] * frames


@pytest.mark.parametrize("shape", ["ellipse", "box"])
@pytest.mark.parametrize("height", [6, 15])
def test_a_pasted_mouth_scores_the_height_of_its_border(shape: str, height: int):
    photo = Shot(skin()[0], FACE)
    centre, half = FACE[MOUTH].mean(0), 120 * 0.5
    mask = np.zeros((300, 300), np.uint8)
    if shape == "ellipse":
        middle = tuple(np.round(centre).astype(int).tolist())
        cv2.ellipse(mask, middle, (round(half), round(0.75 * half)), 0, 0, 360, 1, -1)
    else:
        extent = np.array([half, 0.75 * half])
        (x0, y0), (x1, y1) = centre - extent, centre + extent
        mask[round(y0) : round(y1) + 1, round(x0) : round(x1) + 1] = 1
    clean, pasted = Seam(photo), Seam(photo)
    for image in skin(4):
        clean.add(Shot(image, FACE))
        pasted.add(Shot(np.clip(image + height * mask[..., None].astype(int), 0, 255).astype(np.uint8), FACE))
    assert clean.height == pytest.approx(0.0, abs=1e-6)
    assert pasted.height == pytest.approx(height, rel=0.4)


def test_blur_lowers_sharpness_and_size_does_not(astronaut: np.ndarray):
    image = np.ascontiguousarray(astronaut[:300, :300])
    face, mouth = sharpness(image, FACE)
    soft = np.asarray(cv2.GaussianBlur(image, (0, 0), 2.0))
    assert sharpness(soft, FACE)[0] < 0.6 * face
    double = np.asarray(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
    assert sharpness(double, FACE * 2 + 0.5)[0] == pytest.approx(face, rel=0.15)
    patched = image.copy()
    lips = slice(*np.round([FACE[MOUTH, 1].min() - 8, FACE[MOUTH, 1].max() + 8]).astype(int))
    patched[lips] = soft[lips]
    assert sharpness(patched, FACE)[1] < 0.6 * mouth


def test_drift_is_end_over_start():
    assert drift(np.full(50, 7.0)) == 1.0
    assert drift(np.linspace(10, 5, 50)) == pytest.approx(5.46 / 9.54, rel=0.01)
    assert np.isnan(drift(np.full(50, np.nan)))
