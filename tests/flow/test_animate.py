"""Photo and speech -> video, through the public door, on the shipped networks."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import talkface
from talkface.errors import ConfigError, MediaError, NoFaceError
from talkface.inference.animator import Animator
from talkface.inference.request import AnimateOptions
from talkface.landmarks.detect import load_detector
from talkface.landmarks.layout import STABLE, mouth_opening
from talkface.media.mark.tag import verify_mark
from talkface.types import Waveform

pytestmark = pytest.mark.flow


@pytest.fixture(scope="module")
def animator() -> Animator:
    return talkface.Animator.from_pretrained("hybrid", "cpu")


@pytest.fixture(scope="module")
def warper() -> Animator:
    return talkface.Animator.from_pretrained("warp", "cpu")


@pytest.fixture(scope="module")
def syllables() -> Waveform:
    """Two seconds: a buzzing vowel switched on and off four times a second, then half a second of silence."""
    time = np.arange(24_000) / 16_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)) * (np.sin(2 * np.pi * 4 * time) > 0)
    return Waveform(np.concatenate([0.2 * buzz, np.zeros(8_000)]).astype(np.float32))


def landmarks_of(animator, photo, speech, **options) -> np.ndarray:
    from talkface.media.speech import open_speech

    chosen = AnimateOptions(**options)
    subject = animator.prepare(photo)
    return np.concatenate(
        list(animator.landmarks(subject, animator.track_speech(open_speech(speech), chosen.fps), chosen))
    )


def test_a_photo_and_speech_become_a_marked_video_of_exact_length(tmp_path, animator, astronaut, syllables):
    seen = []
    result = talkface.animate(
        astronaut, syllables, tmp_path / "out.mp4", animator=animator, progress=lambda done, of: seen.append((done, of))
    )
    assert result.num_frames == 50 and result.fps == 25 and result.size == (512, 512) and result.faces_found == 1
    assert seen[-1] == (50, 50) and len(seen) == 50
    with av.open(str(result.path)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 50 and frames[0].shape == (512, 512, 3)
    assert verify_mark(result.path)
    assert [item.name for item in tmp_path.iterdir()] == ["out.mp4"]


def test_the_same_seed_gives_the_same_frames_and_another_one_does_not(animator, astronaut, syllables):
    def first_frames(seed: int) -> np.ndarray:
        frames = animator.animate(astronaut, syllables, AnimateOptions(seed=seed))
        return np.stack([frame for frame, _ in zip(frames, range(20), strict=False)])

    once, again, other = first_frames(0), first_frames(0), first_frames(1)
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_frames_stream(animator, astronaut, syllables):
    long = Waveform(np.tile(syllables.samples, 10))
    stream = iter(animator.animate(astronaut, long))
    assert next(stream).shape == (512, 512, 3)


def test_still_stops_the_head_but_not_the_blinks(warper, astronaut):
    speech = Waveform((0.1 * np.random.default_rng(0).standard_normal(6 * 16_000)).astype(np.float32))
    moving = landmarks_of(warper, astronaut, speech)
    still = landmarks_of(warper, astronaut, speech, still=True)
    unblinking = landmarks_of(warper, astronaut, speech, still=True, blink=False)
    anchors = np.setdiff1d(STABLE, [36, 39, 42, 45])
    assert np.ptp(moving[:, anchors], axis=0).max() > 1
    assert np.ptp(still[:, anchors], axis=0).max() < 0.01
    lids = still[:, 41, 1] - still[:, 37, 1]
    assert lids.min() < 0.3 * lids.max()
    assert np.ptp(unblinking[:, 37], axis=0).max() < 0.01


def test_blinks_differ_by_photo_speech_and_seed(warper, astronaut):
    noise = np.random.default_rng(0).standard_normal((2, 8 * 16_000)).astype(np.float32)
    beat = 0.1 * np.abs(np.sin(np.arange(8 * 16_000, dtype=np.float32) / 4000))
    speech, other = Waveform(beat * noise[0]), Waveform(beat[::-1] * noise[1])

    def lids(photo, speech, seed=0) -> np.ndarray:
        points = landmarks_of(warper, photo, speech, still=True, seed=seed)
        gaps = points[:, 41, 1] - points[:, 37, 1]
        return gaps / gaps[0]

    once = lids(astronaut, speech)
    np.testing.assert_array_equal(once, lids(astronaut, speech))
    for another in (lids(astronaut, other), lids(astronaut, speech, 1), lids(astronaut[:, ::-1].copy(), speech)):
        assert np.abs(once - another).max() > 0.5


def test_silence_closes_the_smiling_mouth(warper, astronaut):
    silence = Waveform(np.zeros(16_000, np.float32))
    points = landmarks_of(warper, astronaut, silence)
    assert mouth_opening(points).max() < 0.03


def test_speech_opens_the_mouth_and_silence_closes_it(warper, astronaut, syllables):
    opening = mouth_opening(landmarks_of(warper, astronaut, syllables, still=True))
    assert opening[:36].max() > opening[44:].max() + 0.02
    assert opening[46:].max() < 0.03


def test_expression_scale_scales_the_mouth(warper, astronaut, syllables):
    small = mouth_opening(landmarks_of(warper, astronaut, syllables, still=True, expression_scale=0.5))
    large = mouth_opening(landmarks_of(warper, astronaut, syllables, still=True, expression_scale=1.5))
    assert large.max() > 1.5 * small.max()


@pytest.mark.parametrize("fps", ["24", "30000/1001", "60"])
def test_any_frame_rate_gives_the_rounded_count(tmp_path, warper, astronaut, syllables, fps):
    result = talkface.animate(astronaut, syllables, tmp_path / "out.mp4", animator=warper, fps=fps)
    assert result.num_frames == round(2 * Fraction(fps))


def test_saved_landmarks_replay_to_the_same_frames(tmp_path, warper, astronaut, syllables):
    saved = tmp_path / "drive.npz"
    talkface.animate(astronaut, syllables, tmp_path / "one.mp4", animator=warper, save_landmarks=saved)
    replay = talkface.animate(astronaut, None, tmp_path / "two.mp4", animator=warper, landmarks=saved)
    first, second = (
        [frame.to_ndarray(format="rgb24") for frame in av.open(str(tmp_path / name)).decode(video=0)]
        for name in ("one.mp4", "two.mp4")
    )
    assert replay.num_frames == 50
    np.testing.assert_array_equal(np.stack(first), np.stack(second))


def test_crop_and_panel_change_the_picture_only(tmp_path, animator, astronaut, syllables):
    crop = talkface.animate(astronaut, syllables, tmp_path / "crop.mp4", animator=animator, crop=True)
    wider = {"expression_scale": 4.0}  # than the photo's smile, which the warp itself keeps and hides
    panel = talkface.animate(astronaut, syllables, tmp_path / "panel.mp4", animator=animator, panel=True, **wider)
    assert crop.size[0] == crop.size[1] < 512 and crop.num_frames == 50
    assert panel.size == (2048, 512) and panel.num_frames == 50
    with av.open(str(panel.path)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    painted = [float(frame[:, 1024:1536].mean()) for frame in frames]  # the mask is black until then
    photo, sketch, mask, result = np.split(frames[int(np.argmax(painted))].astype(int), 4, axis=1)
    assert np.abs(photo - astronaut).mean() < 4  # the codec's own error
    assert sketch.max() > 150 and (sketch < 30).mean() > 0.8
    assert mask.max() > 100 and np.abs(mask[:100]).max() < 30
    assert np.abs(result[:, :60] - astronaut[:, :60]).mean() < 4


def test_pixels_away_from_the_face_are_the_photos_own(animator, astronaut, syllables):
    face = load_detector().detect(astronaut)[0]
    width = face.box[2] - face.box[0]
    rows, columns = np.mgrid[:512, :512]
    centre = face.landmarks.mean(0)
    away = np.hypot(columns - centre[0], rows - centre[1]) > 1.8 * width
    for frame in list(animator.animate(astronaut, syllables, AnimateOptions(still=True)))[::10]:
        np.testing.assert_array_equal(frame[away], astronaut[away])


def test_several_shots_of_a_person_are_accepted(tmp_path, animator, astronaut, syllables):
    result = talkface.animate([astronaut, astronaut[:, 40:].copy()], syllables, tmp_path / "out.mp4", animator=animator)
    assert result.num_frames == 50


def test_mistakes_are_named_in_one_line_and_leave_nothing(tmp_path, warper, astronaut, syllables):
    flower = np.full((200, 200, 3), 90, np.uint8)
    cases = [
        (dict(photo=flower, speech=syllables), NoFaceError, "no face found"),
        (dict(photo=astronaut, speech=syllables, face=3), NoFaceError, "--face 3"),
        (dict(photo=astronaut, speech=syllables, fps="fast"), ConfigError, "fps"),
        (dict(photo=astronaut, speech=syllables, fps=0), ConfigError, "fps"),
        (dict(photo=astronaut, speech=syllables, head_scale=2), ConfigError, "invalid head_scale 2"),
        (dict(photo=astronaut, speech=syllables, seed=-1), ConfigError, "seed"),
        (dict(photo=astronaut, speech=None), ConfigError, "neither speech nor landmarks"),
        (dict(photo=[], speech=syllables), MediaError, "no photo"),
        (dict(photo=astronaut, speech="no.wav"), MediaError, "no.wav"),
    ]
    for arguments, kind, words in cases:
        with pytest.raises(kind, match=words) as caught:
            talkface.animate(out=tmp_path / "out.mp4", animator=warper, **arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(MediaError, match=r"folder|directory"):
        talkface.animate(astronaut, syllables, tmp_path / "none" / "out.mp4", animator=warper)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_photo_in_a_folder_is_left_out(tmp_path, warper, astronaut, syllables):
    from PIL import Image

    (tmp_path / "album").mkdir()
    Image.fromarray(astronaut).save(tmp_path / "album" / "b.png")
    (tmp_path / "album" / "a.jpg").write_text("not a picture")
    result = talkface.animate(tmp_path / "album", syllables, tmp_path / "out.mp4", animator=warper)
    assert result.num_frames == 50 and any("a.jpg" in note for note in result.notes)
    (tmp_path / "album" / "b.png").unlink()
    with pytest.raises(MediaError, match="none of the 1 photos"):
        talkface.animate(tmp_path / "album", syllables, tmp_path / "two.mp4", animator=warper)


def test_a_link_at_the_output_stays_one_and_its_target_is_written(
    warper: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path
) -> None:
    target, link = tmp_path / "videos" / "a.mp4", tmp_path / "link.mp4"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    talkface.animate(face, hum, link, fps=5, force=True, animator=warper)
    assert link.is_symlink() and verify_mark(target)
    assert [path.name for path in target.parent.iterdir()] == ["a.mp4"]
