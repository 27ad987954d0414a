"""Scores of photos and speech fall with each fault that was put there, and its own finding says so."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.io import wavfile

from talkface.__main__ import run
from talkface.inference.photos import Shots
from talkface.inference.suitability import judge_photo, judge_speech, ramp, score_of
from talkface.landmarks.detect import load_detector
from talkface.landmarks.motion import close_eyes
from talkface.media.speech import open_speech
from talkface.types import Shot, Waveform


@pytest.fixture(scope="module")
def shot(astronaut: np.ndarray) -> Shot:
    return Shot(astronaut, load_detector().detect(astronaut)[0].landmarks)


def worst(findings) -> str:
    return min(findings, key=lambda finding: finding.score).name


def photo(shot: Shot):
    return judge_photo(Shots([shot], 1, []))


def test_a_fault_of_the_photo_is_named(shot: Shot) -> None:
    clean = {finding.name: finding.score for finding in photo(shot)}
    dark = replace(shot, image=(shot.image // 12).astype(np.uint8))
    blurred = replace(shot, image=np.asarray(cv2.GaussianBlur(shot.image, (0, 0), 4), np.uint8))
    small = Shot(cv2.resize(shot.image, (128, 128), interpolation=cv2.INTER_AREA), shot.landmarks / 4)
    half = shot.image.copy()
    half[:, : int(shot.landmarks[30, 0])] //= 8
    shut = replace(
        shot, landmarks=close_eyes(shot.landmarks[None].astype(np.float64), np.ones(1))[0].astype(np.float32)
    )
    for name, changed in {
        "light": dark,
        "sharpness": blurred,
        "size": small,
        "shadow": replace(shot, image=half),
        "eyes": shut,
    }.items():
        scores = {finding.name: finding.score for finding in photo(changed)}
        assert scores[name] < 0.5 < clean[name], (name, scores)


def test_a_fault_of_the_speech_is_named() -> None:
    rng = np.random.default_rng(0)
    talk = (rng.standard_normal(48_000) * np.repeat([1, 0.005, 1, 0.005, 1, 0.005], 8000) * 0.1).astype(np.float32)
    assert score_of(judge_speech(open_speech(Waveform(talk)))) == 100
    noisy = talk + 0.07 * rng.standard_normal(len(talk)).astype(np.float32)
    for name, samples in {"noise": noisy, "loudness": talk / 300, "length": talk[:4800]}.items():
        assert worst(judge_speech(open_speech(Waveform(samples)))) == name
    assert worst(judge_speech(open_speech(Waveform(np.clip(30 * talk, -1, 1))))) == "overdrive"


def test_a_ramp_runs_either_way() -> None:
    assert [ramp(value, 10, 20) for value in (5, 15, 25)] == [0, 0.5, 1]
    assert [ramp(value, 20, 10) for value in (5, 15, 25)] == [1, 0.5, 0]


def test_doctor_prints_both(tmp_path, astronaut: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), astronaut[..., ::-1])
    assert run(["doctor", str(tmp_path / "a.png")]) == 0
    said = capsys.readouterr().out
    assert "of 100" in said and "sharpness" in said and "note:" not in said
    silent = tmp_path / "silent.wav"
    wavfile.write(silent, 16_000, np.zeros(16_000, np.int16))
    assert run(["doctor", str(tmp_path / "a.png"), str(silent)]) == 0
    said = capsys.readouterr().out
    assert f"note: nothing can be heard in {silent}" in said and "120 dB below full scale" in said
    assert run(["doctor", str(tmp_path / "none.png")]) == 1
