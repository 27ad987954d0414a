"""Measures of a made video, on videos whose faults were put there."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkface.landmarks.detect import load_detector
from talkface.media.speech import open_speech
from talkface.media.write import VideoWriter
from talkface.metrics.made_video import USUAL, measure_made, out_of_range
from talkface.types import Image, Shot, Waveform

FRAMES = 50
FPS = 25


def openings(frames: int) -> np.ndarray:
    """A mouth that opens three times a second, with irregular height."""
    height = np.random.default_rng(3).uniform(5, 12, frames // 4 + 2)
    return np.interp(np.arange(frames) / 4, np.arange(len(height)), height * (np.arange(len(height)) % 2)) + 1


def talking(photo: Image, drops: np.ndarray) -> list[Image]:
    pictures = []
    for drop in np.round(drops).astype(int):
        image = photo.copy()
        image[127 + drop : 187 + drop, 95:151] = photo[127:187, 95:151]
        cv2.ellipse(image, (123, int(127 + drop // 2)), (17, int(2 + drop // 2)), 0, 0, 360, (60, 15, 20), -1)
        pictures.append(image)
    return pictures


def voice(drops: np.ndarray, late: int = 0) -> Waveform:
    """A tone as loud as the mouth is open, `late` frames later."""
    times = np.arange(len(drops) * 640) / 16_000
    loud = np.interp(times * FPS, np.arange(len(drops)) + late, drops / 12)
    return Waveform((0.3 * loud * np.sin(2 * np.pi * 180 * times)).astype(np.float32))


def write(path: Path, frames: list[Image], speech: Waveform | None) -> Path:
    height, width = frames[0].shape[:2]
    sound = open_speech(speech) if speech is not None else None
    with VideoWriter(path, (width, height), Fraction(FPS), sound, force=True) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def photo(astronaut: np.ndarray) -> Shot:
    image = np.ascontiguousarray(astronaut[20:260, 100:340])
    return Shot(image, load_detector().detect(image)[0].landmarks)


@pytest.fixture(scope="module")
def made(photo: Shot, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """A talking video whose voice comes two frames after the mouth."""
    path = tmp_path_factory.mktemp("made") / "made.mp4"
    drops = openings(FRAMES)
    return measure_made(write(path, talking(photo.image, drops), voice(drops, late=2)), photo, load_detector())


def test_lips_and_voice_are_found_apart_by_what_they_are(made: dict[str, float]):
    assert made["opening_energy_lag"] == -2  # the mouth is early
    assert made["opening_energy_r"] > 0.7
    assert made["opening_range"] > 0.02
    assert made["frames_measured"] == FRAMES


def test_the_photo_itself_is_what_it_is_compared_with(made: dict[str, float]):
    assert made["identity_distance"] < 0.45  # the drawn mouth is not hers
    assert made["sharpness"] == pytest.approx(1.0, abs=0.4)  # the drawn edges add to it
    assert made["sharpness_drift"] == pytest.approx(1.0, abs=0.15)
    assert made["faceless"] == made["blink_rate"] == 0.0
    assert made["unblinking"] == 2.0
    assert made["head_diversity"] < 2.0
    assert set(made) == {*USUAL, "frames_measured"}


def test_a_blurred_flickering_silent_video_is_warned_of(photo: Shot, made: dict[str, float], tmp_path: Path):
    soft = [np.asarray(cv2.GaussianBlur(image, (0, 0), 3.0)) for image in talking(photo.image, openings(16))]
    flashing = [np.clip(image.astype(int) + 9 * (n % 2), 0, 255).astype(np.uint8) for n, image in enumerate(soft)]
    found = measure_made(write(tmp_path / "bad.mp4", flashing, None), photo, load_detector())
    assert found["sharpness"] < 0.5 * made["sharpness"]
    assert found["brightness_flicker"] > 4.0
    assert np.isnan(found["opening_energy_lag"])
    lines = out_of_range(found)
    for name in ("sharpness", "flicker", "brightness flicker"):
        assert any(line.startswith(f"{name} is ") for line in lines), lines
    assert not any("energy" in line for line in lines)  # what was not measured is not warned of


def test_a_video_without_its_face_says_so(photo: Shot, tmp_path: Path):
    blank = write(tmp_path / "blank.mp4", [np.full_like(photo.image, 120)] * 6, None)
    found = measure_made(blank, photo, load_detector())
    assert found["faceless"] == 1.0
    assert np.isnan(found["identity_distance"])
    assert any("no face is found" in line for line in out_of_range(found))


def test_long_videos_are_looked_at_in_windows(photo: Shot, tmp_path: Path):
    drops = openings(500)
    path = write(tmp_path / "long.mp4", talking(photo.image, drops), voice(drops, late=1))
    found = measure_made(path, photo, load_detector())
    assert found["frames_measured"] <= 200
    assert found["opening_energy_lag"] == -1
    assert found["opening_energy_r"] > 0.7


def test_values_inside_their_range_are_not_warned_of():
    usual = {name: each.low if each.low is not None else each.high for name, each in USUAL.items()}
    assert out_of_range({name: value for name, value in usual.items() if value is not None}) == []
    (line,) = out_of_range({"identity_distance": 0.6})
    assert line == "identity distance is 0.6, usual is at most 0.35: the face may not look like the photo"
