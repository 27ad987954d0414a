"""One clip -> example under every preset of sampling, crop and source; refusals by reason."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkface.data.prepare.example import Example, members
from talkface.data.prepare.frames import Refusal, chosen_frames, chosen_photos, evenly_spaced
from talkface.data.prepare.preprocess import PreprocessConfig, check_config, preprocess
from talkface.data.sources.arrays import find_atvgnet_clips
from talkface.errors import ConfigError
from talkface.geometry.affine import transform
from talkface.landmarks.detect import Detector, load_detector
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.media.read import read_frames
from talkface.testing.clips import draw_face, draw_person, write_talking_clip
from talkface.types import Clip

SECONDS = 1.6
FRAMES = 40


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector()


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Clip:
    path = tmp_path_factory.mktemp("clip") / "talk.mkv"
    write_talking_clip(path, 1, SECONDS)
    return Clip("talk", path, path, "someone", "train")


def run(clip: Clip, detector: Detector, **settings: object) -> Example:
    config = PreprocessConfig(size=96, sync="keep", **settings)  # type: ignore[arg-type]
    check_config(config)
    return preprocess(clip, config, detector)


def test_dense_takes_every_frame(clip: Clip, detector: Detector):
    example = run(clip, detector)
    assert len(example.landmarks) == len(example.jpegs) == FRAMES
    assert (example.fps, example.speech) == (25.0, True)
    assert example.samples is not None and len(example.samples) == round(SECONDS * 16_000)


def test_every_fourth_frame_keeps_the_sound_in_step(clip: Clip, detector: Detector):
    example = run(clip, detector, step=4)
    assert len(example.landmarks) == FRAMES // 4
    assert example.fps == 6.25 and not example.speech
    assert example.samples is not None and len(example.samples) == round(SECONDS * 16_000)


def test_evenly_spaced_frames_are_a_silent_album(clip: Clip, detector: Detector):
    example = run(clip, detector, num_frames=5)
    assert len(example.landmarks) == 5 and example.source_frames == 5
    assert example.fps == 0 and example.samples is None and not example.speech


def test_chosen_frames_are_those_of_the_whole_clip(clip: Clip):
    whole = [image for image, _ in read_frames(clip.video, Fraction(25))]
    np.testing.assert_array_equal(np.stack(list(chosen_frames(clip.video, step=7))), np.stack(whole[::7]))
    chosen = list(chosen_frames(clip.video, count=3))
    np.testing.assert_array_equal(np.stack(chosen), np.stack([whole[index] for index in (0, 20, 39)]))


def test_evenly_spaced_indices():
    assert evenly_spaced(100, 5) == [0, 25, 50, 74, 99]
    assert evenly_spaced(3, 8) == [0, 1, 2]
    assert evenly_spaced(10, 1) == [0]
    photos = [Path(str(index)) for index in range(10)]
    assert chosen_photos(photos, count=4) == [photos[index] for index in (0, 3, 6, 9)]
    assert chosen_photos(photos, step=5) == [photos[0], photos[5]]


@pytest.mark.parametrize("crop", ["face", "fsth", "atvg"])
def test_landmarks_and_crops_agree(clip: Clip, detector: Detector, crop: str):
    example = run(clip, detector, crop=crop, num_frames=3)
    frame = next(iter(chosen_frames(clip.video)))
    face = detector.detect(frame)[0].landmarks
    laid = transform(example.crops[0].astype(np.float64), face)
    assert np.abs(laid - example.landmarks[0]).mean() < 2.0  # another start of the detector moves points a little
    assert (example.landmarks[0, 27:] > 0).all() and (example.landmarks[0, 27:] < 96).all()


def test_pose_goes_with_the_landmarks(clip: Clip, detector: Detector):
    import io

    files = members(clip, run(clip, detector, num_frames=3))
    pose = np.load(io.BytesIO(files["pose.npy"]))
    assert pose.shape == (3, 3) and np.abs(pose).max() < 0.6  # drawn faces look at us


def write_crowd(path: Path) -> None:
    """Two people side by side for 16 frames."""
    people = [draw_person(np.random.default_rng(seed)) for seed in (1, 2)]
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=Fraction(25))
        video.width, video.height, video.pix_fmt, video.bit_rate = 320, 160, "yuv420p", 2_000_000
        image = np.hstack([draw_face(person, 0.2) for person in people])
        for _ in range(16):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())


def test_several_faces(tmp_path: Path, detector: Detector, clip: Clip):
    path = tmp_path / "two.mkv"
    write_crowd(path)
    crowd = Clip("two", path, path, "two", "train")
    with pytest.raises(Refusal, match="more than one face in 1 of 1 frames looked at") as caught:
        run(crowd, detector, several_faces="refuse")
    assert caught.value.reason == "several faces"
    assert len(run(crowd, detector).landmarks) == 16
    assert len(run(clip, detector, several_faces="refuse").landmarks) == FRAMES


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:10dc\nsize 265922\n", "git-lfs pointer"),
        (b"no video at all", "unreadable"),
    ],
)
def test_files_that_are_no_videos(tmp_path: Path, detector: Detector, content: bytes, reason: str):
    path = tmp_path / "clip.flv"
    path.write_bytes(content)
    with pytest.raises(Refusal) as caught:
        run(Clip("clip", path, path, "x", "train"), detector)
    assert caught.value.reason == reason
    assert str(path) in caught.value.detail


def test_imported_landmarks_need_no_pictures(tmp_path: Path, detector: Detector, clip: Clip):
    points = np.repeat((60 * MEAN_FACE + 64)[None], 29, 0)
    np.save(tmp_path / "ABOUT_00001.npy", points)
    np.save(tmp_path / "ABOUT_00002.npy", points[:9])
    np.save(tmp_path / "ABOUT_00003.npy", np.where(points > 100, np.nan, points))
    whole, short, broken = find_atvgnet_clips(tmp_path)
    example = run(whole, detector)
    np.testing.assert_allclose(example.landmarks, points, atol=1e-4)
    assert example.jpegs == [] and example.fps == 25 and example.samples is None
    assert members(whole, example)["mjpeg"] == b""
    for other, reason in ((short, "too short"), (broken, "no landmarks")):
        with pytest.raises(Refusal) as caught:
            run(other, detector)
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": "ffhq"}, "unknown crop 'ffhq'"),
        ({"several_faces": "keep"}, "expected largest or refuse"),
        ({"step": 0}, "invalid preprocess.step 0: expected at least 1"),
        ({"step": 2, "num_frames": 5}, "exclude each other"),
    ],
)
def test_impossible_settings(settings: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        check_config(PreprocessConfig(**settings))
