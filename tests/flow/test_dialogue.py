"""Two faces of one photo speak in turn: each mouth follows its own speech, the silent one blinks."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.io import wavfile

from talkface.__main__ import run
from talkface.errors import ConfigError, MediaError
from talkface.inference.animator import Animator
from talkface.inference.dialogue import converse, parse_speakers, read_turns, split_channels, split_turns
from talkface.inference.photos import load_people, load_shots
from talkface.inference.request import AnimateOptions
from talkface.media.read import probe_video
from talkface.types import Waveform

RATE = 16_000
BUZZ = 0.2 * sum(np.sin(2 * np.pi * 120 * k * np.arange(RATE) / RATE) / k for k in range(1, 20))
BUZZ = (BUZZ * (np.sin(2 * np.pi * 4 * np.arange(RATE) / RATE) > 0)).astype(np.float32)


@pytest.fixture(scope="module")
def pair(astronaut: np.ndarray) -> np.ndarray:
    face = astronaut[0:260, 100:360]
    return np.concatenate([face, face[:, ::-1]], 1)


@pytest.mark.flow
def test_each_mouth_follows_its_own_speech(pair: np.ndarray) -> None:
    animator = Animator.from_pretrained("warp", "cpu")
    options = AnimateOptions(still=True, blink=False, brow_raise=0.0, head_scale=0.0)
    quiet = np.zeros(RATE, np.float32)
    speeches = {0: Waveform(BUZZ), 1: Waveform(np.concatenate([quiet, BUZZ]))}
    clip = converse(animator, pair, speeches, options)
    frames = list(clip)
    assert len(frames) == 50 and frames[0].shape == pair.shape
    where = {face: float(animator.prepare(pair, face).landmarks[:, 0].mean()) > 260 for face in (0, 1)}
    assert where[0] != where[1]

    def moved(part: slice, face: int) -> float:
        half = slice(260, 520) if where[face] else slice(0, 260)
        seen = np.stack(frames[part])[:, :, half].astype(int)
        return float(np.abs(np.diff(seen, axis=0)).mean())

    early, late = slice(3, 22), slice(30, 48)
    assert moved(early, 0) > 2 * moved(early, 1) and moved(late, 1) > 2 * moved(late, 0)
    assert clip.sound.waveform().samples[:RATE].std() > 0.05 and clip.sound.duration_s == 2


def test_a_photo_of_several_is_searched_once(pair: np.ndarray) -> None:
    animator, seen = Animator.from_pretrained("warp", "cpu"), []

    class Counting:
        def detect(self, image: np.ndarray, effort: str = "photo") -> list:
            seen.append(image.shape)
            return animator.detector.detect(image, effort)

    counted = Counting()
    two = load_people(pair, counted, [0, 1])
    for_two = len(seen)
    second = load_shots(pair, counted, 1)
    assert len(seen) == 2 * for_two
    np.testing.assert_array_equal(two[1].shots[0].landmarks, second.shots[0].landmarks)
    assert two[1].notes == second.notes and not np.allclose(two[0].shots[0].landmarks, two[1].shots[0].landmarks)


@pytest.mark.flow
def test_the_command_takes_speakers_stereo_and_turns(
    pair: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Pillow.fromarray(pair).save(tmp_path / "pair.png")
    samples = (BUZZ[:8000] * 32767).astype(np.int16)
    wavfile.write(tmp_path / "a.wav", RATE, samples)
    wavfile.write(tmp_path / "both.wav", RATE, np.stack([samples, samples[::-1]], 1))
    (tmp_path / "turns.csv").write_text("start,end,speaker\n0,0.2,ada\n0.25,0.5,bea\n")
    photo, common = str(tmp_path / "pair.png"), ["--renderer", "warp", "--no-sign"]
    for index, words in enumerate(
        (
            [photo, "--speaker", f"0={tmp_path}/a.wav", "--speaker", f"1={tmp_path}/a.wav"],
            [photo, f"{tmp_path}/both.wav", "--stereo"],
            [photo, f"{tmp_path}/a.wav", "--turns", f"{tmp_path}/turns.csv"],
        )
    ):
        out = tmp_path / f"{index}.mp4"
        assert run(["animate", *words, "-o", str(out), *common]) == 0
        assert probe_video(out).size == (520, 260) and probe_video(out).has_sound
        said = capsys.readouterr().out
        pace = re.search(r"2 faces found, ([\d.e+]+) frames/s rendered", said)
        assert pace is not None and 0 < float(pace[1]) < 10_000
        assert "--face" not in said  # nobody has to choose
    assert run(["animate", photo, "--stereo", *common]) == 1


def test_channels_and_turns_become_speech_by_face(tmp_path: Path) -> None:
    left, right = BUZZ, 0.5 * BUZZ[::-1]
    wavfile.write(tmp_path / "s.wav", RATE, np.stack([left, right], 1))
    found = split_channels(tmp_path / "s.wav")
    np.testing.assert_allclose(found[0].samples, left, atol=1e-3)
    np.testing.assert_allclose(found[1].samples, right, atol=1e-3)
    (tmp_path / "t.rttm").write_text(
        "SPEAKER x 1 0.5 0.25 <NA> <NA> bea <NA> <NA>\nSPEAKER x 1 0.0 0.5 <NA> <NA> ada <NA> <NA>\n"
    )
    speech = split_turns(Waveform(np.ones(RATE, np.float32)), read_turns(tmp_path / "t.rttm"))
    assert speech[0].samples[9000] == 1 and speech[0].samples[4000] == 0 and speech[1].samples[4000] == 1
    (tmp_path / "t.csv").write_text("start,end,speaker\n0,1,1\n1,2,0\n")
    numbered = split_turns(Waveform(np.ones(2 * RATE, np.float32)), read_turns(tmp_path / "t.csv"))
    assert numbered[1].samples[100:15_000].min() > 0.3 and numbered[0].samples[:15_900].max() == 0


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "m.wav", RATE, BUZZ)
    for words, says in ((["a.wav"], "expected FACE=SPEECH"), ([f"0={tmp_path}/m.wav"] * 2, "given twice")):
        with pytest.raises(ConfigError, match=says):
            parse_speakers(words)
    with pytest.raises(MediaError, match="a stereo dialogue has two"):
        split_channels(tmp_path / "m.wav")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MediaError, match="expected RTTM, or CSV"):
        read_turns(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("start,end,speaker\n2,1,a\n")
    with pytest.raises(MediaError, match="each ending after it starts"):
        read_turns(tmp_path / "t.csv")
    with pytest.raises(ConfigError, match="is for one face"):
        converse(None, np.zeros((9, 9, 3), np.uint8), {0: Waveform(BUZZ)}, AnimateOptions(alpha=True))
