"""Photo, speech and what moves the head -> video, through the public door and the command."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import talkface
from talkface.__main__ import run
from talkface.errors import ConfigError, MediaError, NoFaceError
from talkface.inference.animator import Animator
from talkface.inference.batch.options import BatchOptions
from talkface.inference.batch.rows import make_rows
from talkface.inference.batch.run import batch
from talkface.inference.driving import follow_head
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import Track
from talkface.inference.tracking import track_head
from talkface.landmarks.layout import STABLE
from talkface.landmarks.retarget import Retargeter
from talkface.media.speech import open_speech
from talkface.media.write import VideoWriter
from talkface.types import HeadPose, Shot, Waveform

soundfile = pytest.importorskip("soundfile")

pytestmark = pytest.mark.flow

FPS = Fraction(25)
FRAMES = 40


@pytest.fixture(scope="module")
def yaw() -> np.ndarray:
    """`[40]` radians: to one side, the other, and back."""
    return (0.12 * np.sin(np.arange(FRAMES) / FRAMES * 2 * np.pi)).astype(np.float32)


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory, animator: Animator, face: np.ndarray, yaw: np.ndarray) -> Path:
    """A video of a head that turns as `yaw` says."""
    own = animator.detector.detect(face)[0].landmarks
    rotation = np.column_stack([np.zeros(FRAMES), yaw, np.zeros(FRAMES)]).astype(np.float32)
    pose = HeadPose(rotation, np.zeros((FRAMES, 2), np.float32))
    points = Retargeter(own)(np.zeros((FRAMES, 68, 2), np.float32), pose)
    path = tmp_path_factory.mktemp("turning") / "driver.mp4"
    with VideoWriter(path, (300, 300), FPS, None) as writer:
        for each in animator.renderer.render(animator.renderer.enroll([Shot(face, own)]), points):
            writer.write(each.image)
    return path


@pytest.fixture(scope="module")
def words(hum: Waveform) -> Waveform:
    """2.4 s of humming."""
    return Waveform(np.tile(hum.samples, 4)[: round(2.4 * 16_000)])


class Here:
    """Works on a batch in this process."""

    same_disk = True

    def run(self, next_task, function, on_wait=None, limit_s=None):
        while (task := next_task()) is not None:
            yield task, function(task)


def nose(animator: Animator, photo: np.ndarray, speech: Waveform, **options: object) -> np.ndarray:
    """`[T, 2]` where the middle of eyes and nose is, in pixels."""
    chosen = AnimateOptions(blink=False, **options)
    subject = animator.prepare(photo)
    track = animator.track_speech(open_speech(speech), chosen.fps, subject)
    return np.concatenate(list(animator.landmarks(subject, track, chosen)))[:, STABLE].mean(1)


def test_the_head_moves_by_its_seed_and_still_is_still(animator: Animator, face, words):
    moved, same, other = (nose(animator, face, words, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(moved, same)
    assert np.ptp(moved, axis=0).max() > 1 and np.abs(moved - other).max() > 0.5
    still = nose(animator, face, words, still=True)
    assert np.ptp(still, axis=0).max() < 1e-3
    np.testing.assert_array_equal(still, nose(animator, face, words, head_scale=0))
    np.testing.assert_allclose(moved[0], still[0], atol=1e-3)  # the first frame is the photo's own pose


def test_rhythm_and_network_move_it_otherwise(animator: Animator, face, words, untrained):
    by_rhythm = talkface.Animator.from_pretrained("warp", "cpu", speech_model=untrained, head_model="rhythm")
    assert np.abs(nose(animator, face, words) - nose(by_rhythm, face, words)).max() > 0.5


def test_the_track_of_a_turning_head_is_found(animator: Animator, turning, yaw):
    track = track_head(turning, FPS, animator.detector)
    assert track.shape == (FRAMES, 6)
    assert np.corrcoef(track[:, 1], yaw)[0, 1] > 0.95
    assert 0.5 < np.ptp(track[:, 1]) / np.ptp(yaw) < 1.6


def test_a_still_photo_moves_no_head(tmp_path, animator: Animator, face):
    Pillow.fromarray(face).save(tmp_path / "still.png")
    with pytest.raises(MediaError, match=r"still\.png is not a video"):
        track_head(tmp_path / "still.png", FPS, animator.detector)


def test_a_head_follows_the_one_in_a_video(animator: Animator, face, words, turning, yaw):
    subject = animator.prepare(face)
    spoken = animator.track_speech(open_speech(words), FPS, subject)
    followed = follow_head(spoken, turning, AnimateOptions(), animator.detector)

    def place(track: Track, seed: int) -> np.ndarray:
        options = AnimateOptions(blink=False, seed=seed)
        return np.concatenate(list(animator.landmarks(subject, track, options)))[:, STABLE].mean(1)[:, 0]

    after, again, before = place(followed, 0), place(followed, 1), place(spoken, 0)
    assert len(after) == 60, "the speech's length, not the video's"
    np.testing.assert_array_equal(after, again)  # a seed has no say in it
    assert np.abs(after - before).max() > 1
    expected = yaw[np.minimum(np.arange(60) % 78, 78 - np.arange(60) % 78)]
    assert np.corrcoef(after[15:], expected[15:])[0, 1] > 0.9


def test_what_contradicts_is_one_line(tmp_path, animator: Animator, face, words, turning):
    wall = tmp_path / "wall.mp4"
    with VideoWriter(wall, (64, 64), FPS, None) as writer:
        for _ in range(3):
            writer.write(np.full((64, 64, 3), 90, np.uint8))
    saved = tmp_path / "own.npz"
    word = Waveform(words.samples[:3840])
    talkface.animate(face, word, tmp_path / "first.mp4", animator=animator, save_landmarks=saved)
    cases = [
        (dict(head_from=turning, still=True), ConfigError, "keep still and to follow"),
        (dict(head_from=turning, head_scale=0), ConfigError, "keep still and to follow"),
        (dict(head_from=turning, landmarks=saved), ConfigError, "hold its head's motion"),
        (dict(head_from=tmp_path / "none.mp4"), MediaError, "none.mp4"),
        (dict(head_from=wall), NoFaceError, "no face found in any"),
        (dict(head_from=3), ConfigError, "invalid head_from 3: expected a name or a path"),
    ]
    for options, kind, says in cases:
        with pytest.raises(kind, match=says) as caught:
            talkface.animate(face, words, tmp_path / "o.mp4", animator=animator, **options)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "o.mp4").exists()


def test_the_command_and_a_batch_take_it(tmp_path, face, words, turning, untrained, capsys):
    photo, sound = tmp_path / "p.png", tmp_path / "s.wav"
    Pillow.fromarray(face).save(photo)
    soundfile.write(sound, words.samples[:3840], 16_000)
    common = ["animate", str(photo), str(sound), "--renderer", "warp", "--speech-model", str(untrained)]
    saved = {name: tmp_path / f"{name}.npz" for name in ("alias", "still")}
    for flag, path in (("--no-head-motion", saved["alias"]), ("--still", saved["still"])):
        out = str(path.with_suffix(".mp4"))
        assert run([*common, flag, "--save-landmarks", str(path), "-o", out, "--quiet"]) == 0
    np.testing.assert_array_equal(*(np.load(path)["points"] for path in saved.values()))
    followed = str(tmp_path / "f.mp4")
    report = tmp_path / "f.json"
    assert run([*common, "--head-from", str(turning), "-o", followed, "--report", str(report)]) == 0
    assert "headmotion.safetensors" not in capsys.readouterr().out
    assert "head_from" in json.loads(report.read_text())["inputs"]
    rows = [
        {"photo": str(photo), "speech": str(sound), "head_from": str(turning), "out": "a.mp4"},
        {"photo": str(photo), "speech": str(sound), "head_from": str(tmp_path / "no.mp4"), "out": "b.mp4"},
    ]
    fixed = {"renderer": "warp", "speech_model": str(untrained), "head_model": "rhythm"}
    first, second = batch(
        make_rows(rows, tmp_path, fixed), tmp_path / "batch", BatchOptions(device="cpu"), workers=Here()
    )
    assert not first.failed and second.failed and "no.mp4" in second.reason
    assert (tmp_path / "batch" / "a.mp4").is_file()


def test_another_driving_video_makes_another_row(tmp_path, face, turning):
    """The key of a row's video includes the contents of the driving video, whatever its name."""
    from talkface.inference.batch.plan import _Inputs

    (row,) = make_rows([{"photo": "p.png", "speech": "s.wav", "head_from": str(turning)}], tmp_path)
    before = _Inputs("cpu").describe(row).key
    assert before == _Inputs("cpu").describe(row).key
    content = turning.read_bytes()
    try:
        turning.write_bytes(content + b"\0")
        assert _Inputs("cpu").describe(row).key != before
    finally:
        turning.write_bytes(content)
