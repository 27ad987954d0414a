"""Whatever Python passes to the public door is a good video, or one line that says what to pass instead."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import talkface
from talkface.errors import ConfigError, MediaError, TalkfaceError
from talkface.inference.animator import Animator
from talkface.types import LandmarkSequence, Waveform

pytestmark = pytest.mark.flow


def first_frame(animator: Animator, photo: object, speech: object) -> np.ndarray:
    return next(iter(animator.animate(photo, speech)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_pillow_images_of_any_mode_are_photos(animator: Animator, face: np.ndarray, hum: Waveform, mode: str) -> None:
    assert first_frame(animator, Pillow.fromarray(face).convert(mode), hum).shape == face.shape


def test_pillow_images_are_read_as_their_files_are(
    animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path
) -> None:
    turned = Pillow.fromarray(np.ascontiguousarray(np.rot90(face)))
    exif = turned.getexif()
    exif[0x0112] = 6  # shown turned clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    with Pillow.open(tmp_path / "turned.png") as opened:
        np.testing.assert_array_equal(first_frame(animator, opened, hum), first_frame(animator, face, hum))


def test_arrays_images_and_paths_mix(animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path) -> None:
    Pillow.fromarray(face).save(tmp_path / "a.png")
    shots = (face, Pillow.fromarray(face), tmp_path / "a.png", str(tmp_path / "a.png"), face[..., 0])
    assert len(animator.prepare(shots).shots.shots) == 5


@pytest.mark.parametrize(
    ("photo", "says"),
    [
        (None, "type NoneType: pass a path"),
        (7, "type int: pass a path"),
        (b"photo.jpg", "type bytes: pass a path"),
        ([None], "type NoneType"),
        ([], "no photo given"),
        (np.zeros((300, 300, 4), np.uint8), r"shape \(300, 300, 4\)"),
        (np.zeros((300, 300, 3), np.float32), "float32: expected"),
        (np.zeros((2, 300, 300, 3), np.uint8), r"shape \(2, 300, 300, 3\)"),
        (np.zeros((0, 0, 3), np.uint8), r"shape \(0, 0, 3\)"),
        (Pillow.new("RGB", (48, 48)), "no face found in the given image"),
    ],
)
def test_what_is_no_photo(animator: Animator, hum: Waveform, tmp_path: Path, photo: object, says: str) -> None:
    with pytest.raises(TalkfaceError, match=says):
        talkface.animate(photo, hum, tmp_path / "o.mp4", animator=animator)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "speech", [np.zeros(16_000, np.float32), (np.zeros(16_000, np.float32), 16_000), b"speech.wav", 7]
)
def test_what_is_no_speech(animator: Animator, face: np.ndarray, tmp_path: Path, speech: object) -> None:
    with pytest.raises(MediaError, match=r"pass a path, or talkface\.types\.Waveform\(samples, rate\)"):
        talkface.animate(face, speech, tmp_path / "o.mp4", animator=animator)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("out", None, "out is of type NoneType: pass a path"),
        ("fps", None, "invalid fps None: expected a number such as 25"),
        ("fps", 0, "invalid fps 0: expected a number such as 25"),
        ("expression_scale", "two", "invalid expression_scale 'two': expected a number, 0 to 4"),
        ("expression_scale", float("nan"), "invalid expression_scale nan: expected a number, 0 to 4"),
        ("head_scale", None, "invalid head_scale None: expected a number, 0 to 1"),
        ("seed", 1.5, "invalid seed 1.5: expected a whole number, 0 or more"),
        ("seed", None, "invalid seed None"),
        ("blink", "maybe", "invalid blink 'maybe': expected true or false"),
        ("blink_profile", "slow", "invalid blink_profile 'slow': expected natural or rhythmic"),
        ("still", None, "invalid still None"),
        ("face", "left", "invalid face 'left': expected a whole number"),
        ("face", 0.5, "invalid face 0.5"),
        ("save_landmarks", 7, "invalid save_landmarks 7: expected a path"),
        ("head_motoin", 1, "unknown option 'head_motoin': did you mean head_"),
        ("options", "fast", "options are of type str: pass talkface.AnimateOptions"),
        (
            "landmarks",
            np.zeros((5, 68, 2), np.float32),
            "invalid landmarks of .*ndarray.*: expected a name or a path, or talkface.types.LandmarkSequence",
        ),
        ("animator", "hybrid", "the animator is of type str: pass what talkface.Animator.from_pretrained"),
        ("progress", True, "progress is of type bool"),
    ],
)
def test_wrong_arguments_are_named(
    animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path, name: str, value: object, says: str
) -> None:
    given = {"out": tmp_path / "o.mp4", "animator": animator} | {name: value}
    with pytest.raises(ConfigError, match=says):
        talkface.animate(face, hum, **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("no_such", {}, "no_such"),
        ("warp", {"device": None}, "invalid device None"),
        ("warp", {"detector": "mine"}, "invalid detector 'mine': expected dlib or face-alignment"),
        ("warp", {"renderer_model": 7}, "invalid renderer_model 7"),
    ],
)
def test_wrong_networks_are_named(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(TalkfaceError, match=says):
        talkface.Animator.from_pretrained(name, **options)


def test_names_of_a_release_ago_warn_and_work(animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path):
    with pytest.warns(FutureWarning, match="head_motion is now called head_scale"):
        talkface.animate(face, hum, tmp_path / "o.mp4", animator=animator, head_motion=0)
    with pytest.warns(FutureWarning, match=r"Animator\.from_pretrained"):
        talkface.load_animator("warp", "cpu")


def test_an_identity_is_saved_loaded_and_animated(animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path):
    identity = animator.enroll(face)
    identity.save(tmp_path / "ada.safetensors")
    loaded = talkface.Identity.load(tmp_path / "ada.safetensors")
    np.testing.assert_array_equal(first_frame(animator, loaded, hum), first_frame(animator, face, hum))


def test_a_clip_is_read_many_times_and_saved(animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path):
    clip = animator.animate(face, hum, talkface.AnimateOptions(fps=10, still=True))
    frames = list(clip)
    assert len(frames) == len(clip) == len(clip.landmarks) and clip.duration_s == len(clip) / 10
    np.testing.assert_array_equal(frames[-1], list(clip)[-1])
    assert clip.save(tmp_path / "o.mp4").num_frames == len(clip)


def test_numbers_of_numpy_are_numbers(animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path) -> None:
    options = {"seed": np.int64(1), "head_scale": np.float32(0.5), "expression_scale": 1, "blink": np.bool_(True)}
    result = talkface.animate(
        face, hum, str(tmp_path / "o.mp4"), animator=animator, face=np.int64(0), fps=np.float64(5), **options
    )
    assert result.num_frames == 3


def test_a_landmark_sequence_drives(animator: Animator, face: np.ndarray, tmp_path: Path) -> None:
    points = np.repeat(animator.prepare(face).landmarks[None].astype(np.float32), 5, axis=0)
    driving = LandmarkSequence(points)
    assert talkface.animate(face, None, tmp_path / "o.mp4", animator=animator, landmarks=driving).num_frames == 5


def test_the_animators_clip_follows_every_option(animator: Animator, face: np.ndarray, tmp_path: Path) -> None:
    landmarks = animator.prepare(face).landmarks
    driving = np.repeat(landmarks[None], 6, 0)
    driving[3:, 48:68, 1] += np.linspace(-4, 6, 20)
    options = talkface.AnimateOptions(landmarks=LandmarkSequence(driving.astype(np.float32)))
    clip = animator.animate(face, None, options)
    made = talkface.animate(face, None, tmp_path / "o.mp4", options, animator=animator)
    assert len(clip) == made.num_frames == 6 and set(made.timings) == {"enroll", "speech", "render"}
    assert np.ptp(clip.landmarks, axis=0).max() > 2
    with pytest.raises(ConfigError, match="neither speech nor landmarks"):
        animator.animate(face, None)
    with pytest.raises(MediaError, match="no file"):
        animator.animate(face, None, talkface.AnimateOptions(landmarks=options.landmarks, head_from="none.mp4"))


def test_a_clip_takes_single_options_where_it_is_made_and_where_it_is_saved(
    animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path
) -> None:
    clip = animator.animate(face, hum, fps=10)
    assert clip.fps == 10
    whole, cut = clip.save(tmp_path / "whole.mp4"), clip.save(tmp_path / "cut.mp4", crop=True)
    assert cut.size < whole.size == (face.shape[1], face.shape[0]) and cut.num_frames == whole.num_frames
    with pytest.raises(MediaError, match=r"or --force \(in Python force=True\)"):
        clip.save(tmp_path / "cut.mp4")
    assert clip.save(tmp_path / "cut.mp4", force=True, crop=True).size == cut.size
    with pytest.raises(ConfigError, match="the option still is part of the clip"):
        clip.save(tmp_path / "still.mp4", still=True)
    with pytest.raises(ConfigError, match="did you mean crop"):
        clip.save(tmp_path / "crop.mp4", crob=True)
    content = animator.animate(face, hum, report="unused.json", fps=10).report()
    assert content["settings"]["fps"] == "10"


def test_an_identity_is_not_overwritten_unasked(animator: Animator, face: np.ndarray, tmp_path: Path) -> None:
    person = animator.enroll(face)
    person.save(tmp_path / "ada.safetensors")
    with pytest.raises(MediaError, match="exists"):
        person.save(tmp_path / "ada.safetensors")
    person.save(tmp_path / "ada.safetensors", force=True)
    with pytest.raises(MediaError, match="there is no folder"):
        person.save(tmp_path / "none" / "ada.safetensors")
