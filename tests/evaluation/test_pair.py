"""The whole comparison of two videos, on videos drawn here around one real face."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkface.errors import MediaError, NoFaceError
from talkface.evaluation.bench import Bench
from talkface.evaluation.footage import compared_crops, load_footage
from talkface.evaluation.pair import Pair, score_pair
from talkface.evaluation.report.scores import summarise, write_scores
from talkface.evaluation.rows import REAL, STILL
from talkface.landmarks.detect import load_detector
from talkface.media.speech import SpeechStream, open_speech
from talkface.media.write import VideoWriter
from talkface.types import Image, Waveform

FRAMES = 16


def talking(photo: Image, openings: np.ndarray) -> list[Image]:
    """The portrait with its chin lowered by each of `openings` pixels, and a dark gap between the lips."""
    pictures = []
    for drop in np.round(openings).astype(int):
        image = photo.copy()
        image[127 + drop : 187 + drop, 95:151] = photo[127:187, 95:151]
        cv2.ellipse(image, (123, int(127 + drop // 2)), (17, int(2 + drop // 2)), 0, 0, 360, (60, 15, 20), -1)
        pictures.append(image)
    return pictures


def babble(frames: int) -> np.ndarray:
    """Irregular openings between 2 and 12 pixels, the same for every length."""
    noise = np.random.default_rng(4).uniform(-4, 18, 200)
    return np.clip(np.convolve(noise, [0.25, 0.5, 0.25], "same"), 2, 12)[8 : 8 + frames]


def tone(seconds: float) -> SpeechStream:
    times = np.arange(round(16_000 * seconds)) / 16_000
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * times)
    return open_speech(Waveform((0.2 * loud * np.sin(2 * np.pi * 180 * times)).astype(np.float32)))


def write(path: Path, frames: list[Image], fps: int = 25, *, sound: bool = True) -> Path:
    height, width = frames[0].shape[:2]
    speech = tone(len(frames) / fps) if sound else None
    with VideoWriter(path, (width, height), Fraction(fps), speech, force=True) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Image:
    """The astronaut's head and shoulders, `[240, 240, 3]`."""
    return np.ascontiguousarray(astronaut[20:260, 100:340])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def real(face: Image, folder: Path) -> Path:
    return write(folder / "real.mp4", talking(face, babble(FRAMES)))


@pytest.fixture(scope="module")
def bench(folder: Path) -> Bench:
    return Bench(load_detector(), folder)


def scores_of(made: Path, real: Path, bench: Bench, **options: object) -> dict[str, dict[str, float]]:
    result = score_pair(Pair(made, real, name="made", **options), bench)  # type: ignore[arg-type]
    return {row.system: row.scores for row in result.rows}


def test_the_same_video_is_perfect_and_its_photo_is_not(real: Path, bench: Bench):
    found = scores_of(real, real, bench)
    same, still, again = found["made"], found[STILL], found[REAL]
    assert same["lmd_mean"] == same["lmd_sum"] == same["lmd_norm"] == same["f_lmd"] == 0.0
    assert same["lvd"] == 0.0 and same["lip_distance_r"] == pytest.approx(1.0)
    assert same["ssim"] == pytest.approx(1.0)
    assert same["psnr"] == float("inf")
    assert (same["opening_r"], same["opening_lag"]) == (pytest.approx(1.0), 0)
    assert same["opening_std"] == pytest.approx(1.0)
    assert same["faceless"] == 0.0
    assert again["ssim"] > 0.96 > still["ssim"]
    assert again["opening_r"] > 0.9
    for name in ("opening_r", "flicker", "jitter", "head_diversity"):
        assert still[name] == pytest.approx(0.0, abs=1e-9), name
    assert still["identity_distance"] == pytest.approx(0.0, abs=1e-6)
    assert still["csim_dlib"] == pytest.approx(1.0)
    assert still["lmd_norm"] > 3 * again["lmd_norm"]
    assert still["lmd_sum"] == pytest.approx(20 * still["lmd_mean"])
    assert same["flicker"] > 0.1


@pytest.mark.parametrize("late", [-2, 3])
def test_a_made_video_that_is_late_by_k_frames_has_lag_k(face: Image, folder: Path, bench: Bench, late: int):
    openings = babble(60)
    original = write(folder / "original.mp4", talking(face, openings[10:40]))
    shifted = write(folder / "shifted.mp4", talking(face, openings[10 - late : 40 - late]))
    made = scores_of(shifted, original, bench)["made"]
    assert made["opening_lag"] == late
    assert made["opening_r_best"] > 0.9 > made["opening_r"]


def test_blur_lowers_what_measures_sharpness(face: Image, real: Path, folder: Path, bench: Bench):
    soft = [np.asarray(cv2.GaussianBlur(image, (0, 0), 2.0)) for image in talking(face, babble(FRAMES))]
    found = scores_of(write(folder / "soft.mp4", soft), real, bench)
    made, again = found["made"], found[REAL]
    for name in ("cpbd", "sharpness", "mouth_sharpness", "ssim", "psnr"):
        assert made[name] < 0.9 * again[name], name


def test_another_size_and_frame_rate_compare_by_place_and_time(face: Image, real: Path, folder: Path, bench: Bench):
    slow = [np.asarray(cv2.resize(image, (320, 320))) for image in np.repeat(talking(face, babble(FRAMES)), 2, 0)]
    result = score_pair(Pair(write(folder / "slow.mp4", slow, fps=50), real, name="made"), bench)
    made = result.rows[0]
    assert made.alignment == "frame"
    assert made.scores["opening_r"] > 0.9
    assert made.scores["ssim"] > 0.9
    assert made.scores["lmd_norm"] < 0.02
    assert any("50 frames/s" in note for note in result.notes)
    assert any("resized" in note for note in result.notes)


def test_another_framing_is_laid_over_by_eyes_and_nose(astronaut: np.ndarray, real: Path, folder: Path, bench: Bench):
    wide = np.ascontiguousarray(astronaut[:300, :480])
    video = write(folder / "wide.mp4", [wide] * 20)
    result = score_pair(Pair(video, real, name="made"), bench)
    assert result.rows[0].alignment == "face"
    assert any("eyes and nose" in note for note in result.notes)
    assert any("0.80 s" in note for note in result.notes)
    to_made, to_real, _ = compared_crops(result.footages["made"], result.footages["source"])
    noses = [
        matrix[:, :2] @ footage.landmarks[3, 30] + matrix[:, 2]
        for matrix, footage in ((to_made, result.footages["made"]), (to_real, result.footages["source"]))
    ]
    np.testing.assert_allclose(noses[0], noses[1], atol=6)


def test_a_panel_is_no_made_video(face: Image, real: Path, folder: Path, bench: Bench):
    four = [
        np.hstack([face, np.zeros_like(face), np.zeros_like(face), frame]) for frame in talking(face, babble(FRAMES))
    ]
    notes = score_pair(Pair(write(folder / "panel.mp4", four), real), bench).notes
    assert "4.0 times as wide" in notes[0] and "without --panel" in notes[0]


def test_sound_is_needed_unless_said_otherwise(face: Image, folder: Path, bench: Bench):
    mute = write(folder / "mute.mp4", talking(face, babble(FRAMES)), sound=False)
    with pytest.raises(MediaError, match="--silent"):
        scores_of(mute, mute, bench)
    quiet = Bench(bench.detector, folder, silent=True)
    assert "energy_lag" not in scores_of(mute, mute, quiet)["made"]


def test_what_cannot_be_measured_is_said_in_one_line(face: Image, real: Path, folder: Path, bench: Bench):
    empty = write(folder / "empty.mp4", [np.full((128, 128, 3), 90, np.uint8)] * 12)
    for made, photo, error, words in (
        (folder / "nothing.mp4", None, MediaError, "nothing.mp4"),
        (empty, None, NoFaceError, "no face found in .*empty.mp4"),
        (write(folder / "short.mp4", [face] * 4), None, MediaError, "0.16 s"),
    ):
        with pytest.raises(error, match=words):
            score_pair(Pair(made, real, photo), bench)
    blank = folder / "blank.png"
    cv2.imwrite(str(blank), np.zeros((100, 100, 3), np.uint8))
    with pytest.raises(NoFaceError, match=r"blank\.png"):
        score_pair(Pair(real, real, blank), bench)


def test_frames_without_a_face_are_counted(face: Image, folder: Path, bench: Bench):
    frames = talking(face, babble(40))
    frames[20:30] = [np.full_like(face, 120)] * 10
    found = load_footage(write(folder / "gap.mp4", frames), bench)
    missing = 1 - found.seen().mean()
    assert 6 / 40 <= missing <= 14 / 40


def test_tables_hold_every_row_and_interval(real: Path, bench: Bench, tmp_path: Path):
    rows = [row for clip in ("a", "b") for row in score_pair(Pair(real, real, clip=clip), bench).rows]
    measures = summarise(rows)
    assert list(measures[0].scores) == ["made", STILL, REAL]
    assert measures[0].scores["made"].count == 2
    write_scores(tmp_path, rows, measures)
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert sum(line["kind"] == "clip" for line in lines) == 6
    psnr = next(line for line in lines if line.get("measure") == "psnr")
    assert psnr["scores"]["made"]["value"] is None  # infinite
    table = (tmp_path / "scores.csv").read_text().splitlines()
    assert len(table) == 7
    assert "inf" in table[1].split(",")
