"""Demo files in the published format: written from a drawn clip, read back, and refused when they are wrong."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from talkface.data.interop.quintuple import (
    apply_pose,
    find_quintuple,
    is_quintuple,
    read_ani,
    read_demo_list,
    read_quintuple,
)
from talkface.data.interop.quintuple_write import animation, write_demo_list, write_quintuple, write_quintuples
from talkface.data.prepare.example import Example, members
from talkface.data.prepare.shards import join_samples, write_sample
from talkface.data.sources.registry import find_clips
from talkface.errors import DatasetError
from talkface.landmarks.pose import front_frame, mean_face_3d, pose_distance
from talkface.media.mark.tag import verify_mark
from talkface.media.read import probe_video, read_frames
from talkface.media.write import VideoWriter
from talkface.testing.clips import draw_face, draw_person
from talkface.types import DEFAULT_FPS, Clip

TURNS = np.array([[0.1, -0.4, 0.0], [0.05, -0.2, 0.02], [0.0, 0.02, 0.0], [-0.1, 0.3, 0.1], [0.0, 0.5, -0.1]])


@dataclass(frozen=True)
class Turning:
    """A head that turns: landmarks by a known pose, a drawn face as its picture."""

    landmarks: np.ndarray
    audio: np.ndarray

    def image(self, index: int) -> np.ndarray:
        return draw_face(draw_person(np.random.default_rng(3)), 0.1 * index, 256)


@pytest.fixture(scope="module")
def clip() -> Turning:
    seen = 75 * np.stack([Rotation.from_rotvec(turn).apply(mean_face_3d()) for turn in TURNS])
    samples = 0.5 * np.sin(np.arange(640 * len(TURNS)) / 5)
    return Turning((seen[..., :2] + [128, 120]).astype(np.float32), samples.astype(np.float32))


@pytest.fixture(scope="module")
def written(clip, tmp_path_factory) -> Path:
    """Prefix of the clip's files."""
    prefix = tmp_path_factory.mktemp("demo") / "vox_id00017_a"
    write_quintuple(prefix, clip)
    return prefix


@pytest.fixture
def copied(written, tmp_path) -> Path:
    """The same in a folder of its own, to be damaged."""
    shutil.copytree(written.parent, tmp_path / "demo")
    return tmp_path / "demo" / written.name


def test_what_was_written_reads_back_as_published(written, clip):
    demo = read_quintuple(written)
    assert (demo.landmarks.shape, demo.pose.shape, demo.front.shape) == ((5, 68, 3), (5, 6), (5, 68, 3))
    for name in ("", "_rt", "_front"):
        assert np.load(f"{written}_aligned{name}.npy").dtype == np.float64
    np.testing.assert_allclose(demo.landmarks[..., :2], clip.landmarks, atol=1e-5)
    np.testing.assert_allclose(apply_pose(demo.landmarks, demo.pose), demo.front, atol=1e-9)
    for video in (demo.video, demo.ani):
        info = probe_video(video)
        assert (info.size, info.fps, len(list(read_frames(video)))) == ((256, 256), DEFAULT_FPS, 5)
    assert demo.sound is not None and demo.sound.stat().st_size == 44 + 2 * 640 * 5


def test_pose_is_that_of_the_head_and_its_front_looks_ahead(written):
    demo = read_quintuple(written)
    np.testing.assert_allclose(pose_distance(demo.pose, -TURNS), 0, atol=1e-4)
    assert front_frame(demo.pose) == 2
    spread = demo.front - demo.front[2]
    assert np.abs(spread[:, 27:48]).max() < 0.05, "frontal faces of one rigid head are all the same"


def test_animation_holds_the_front_frames_face_in_each_pose(written, clip):
    demo = read_quintuple(written)
    drawn, stored = list(animation(clip, front_frame(demo.pose))), list(read_ani(demo.ani))
    assert len(stored) == 5 and stored[0].shape == (256, 256, 4)
    for made, kept in zip(drawn, stored, strict=True):
        covered = made.any(2)
        assert (covered != (kept[..., 3] > 0)).mean() < 0.01
        assert np.abs(made.astype(int) - kept[..., :3])[covered].mean() < 6
        assert not kept[kept[..., 3] == 0].any()
    there = drawn[2].any(2)
    assert np.abs(drawn[2].astype(int) - clip.image(2))[there].mean() < 1


def test_real_footage_bears_no_mark_and_the_animation_does(written):
    demo = read_quintuple(written)
    assert not verify_mark(demo.video) and verify_mark(demo.ani)


def test_a_clip_is_found_by_folder_name_or_any_of_its_files(written):
    for place in (written.parent, written, f"{written}_aligned", f"{written}_aligned_rt.npy", f"{written}.wav"):
        assert find_quintuple(Path(place)) == written
    assert is_quintuple(written) and is_quintuple(Path(f"{written}_aligned")) and is_quintuple(written.parent)
    assert not is_quintuple(Path(f"{written}_aligned.mp4")) and not is_quintuple(written.with_name("nobody"))


def test_sound_and_animation_may_be_missing(copied):
    Path(f"{copied}.wav").unlink()
    Path(f"{copied}_aligned_ani.mp4").unlink()
    demo = read_quintuple(copied)
    assert demo.sound is None and demo.ani is None and len(demo) == 5


@pytest.mark.parametrize(
    ("ending", "array", "expected"),
    [
        (
            "_aligned.npy",
            np.zeros((5, 68, 2)),
            r"X_aligned.npy has shape \[5, 68, 2\] of float64: expected \[T, 68, 3\]",
        ),
        ("_aligned.npy", np.full((5, 68, 3), np.nan), r"not finite: expected \[T, 68, 3\]"),
        ("_aligned_rt.npy", np.zeros((4, 6)), r"X_aligned_rt.npy has 4 frames: expected 5, as many as X_aligned.npy"),
        ("_aligned_rt.npy", np.zeros((5, 7)), r"shape \[5, 7\] of float64: expected \[T, 6\]"),
        ("_aligned_rt.npy", np.zeros((5, 6)), r"X_aligned_front.npy is not R l \+ t of .*pixels off"),
        (
            "_aligned_front.npy",
            np.array([{"a": 1}]),
            r"X_aligned_front.npy holds object: expected numbers of shape \(T, 68, 3\)",
        ),
        ("_aligned_front.npy", None, r"no file .*X_aligned_front.npy: expected numbers of shape \(T, 68, 3\) there"),
        ("_aligned.mp4", None, r"no file .*X_aligned.mp4: expected a video of 5 frames, 256x256"),
    ],
)
def test_a_wrong_file_is_named_with_what_was_expected(copied, ending, array, expected):
    path = Path(f"{copied}{ending}")
    path.unlink()
    if array is not None:
        np.save(path, array)
    with pytest.raises(DatasetError, match=expected.replace("X_", f"{copied.name}_")):
        read_quintuple(copied)


def test_videos_and_sound_of_another_format_are_refused(copied):
    sound, video = Path(f"{copied}.wav"), Path(f"{copied}_aligned_ani.mp4")
    with VideoWriter(video, (128, 128), DEFAULT_FPS, force=True) as writer:
        writer.write(np.zeros((128, 128, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"_ani.mp4 is 128x128 at 25 frames/s: expected 256x256"):
        read_quintuple(copied)
    video.unlink()
    sound.write_bytes(sound.read_bytes()[:24] + (44_100).to_bytes(4, "little") + sound.read_bytes()[28:])
    with pytest.raises(DatasetError, match=r".wav has 1 channels at 44100 Hz: expected 1 at 16000 Hz"):
        read_quintuple(copied)


def test_a_folder_of_several_or_none_says_what_to_give(copied, tmp_path):
    for ending in ("_aligned.npy", "_aligned_rt.npy"):
        shutil.copy(f"{copied}{ending}", copied.with_name(f"other{ending}"))
    with pytest.raises(DatasetError, match=r"holds 2 clips: give one of them, such as .*other"):
        read_quintuple(copied.parent)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"holds no X_aligned_rt\.npy"):
        read_quintuple(tmp_path / "empty")


def test_a_published_list_is_read_and_pickles_are_not(tmp_path):
    rows = np.array([["a/00424_aligned.mp4", "91", "114", "AMAZING"], ["b/00001_aligned.mp4", "0", "20", "ABOUT"]])
    np.save(tmp_path / "vox_demo.npy", rows)
    first, second = read_demo_list(tmp_path / "vox_demo.npy")
    assert (first.video, first.start, first.end, first.word) == (tmp_path / "a/00424_aligned.mp4", 91, 114, "AMAZING")
    assert second.video == tmp_path / "b/00001_aligned.mp4"
    for bad, said in (
        (np.array([["/b/1.mp4", "0", "20", "ABOUT"]]), "expected a file in the list's own folder"),
        (rows[:, :3], r"shape \(2, 3\) of <U19: expected \(N, 4\) strings"),
        (np.array([["a", "1", "x", "W"]]), "frames '1' to 'x': expected whole numbers, rising"),
        (np.array([["a", 1, 2, "W"]], object), "holds object: expected strings"),
    ):
        np.save(tmp_path / "bad_demo.npy", bad)
        with pytest.raises(DatasetError, match=said):
            read_demo_list(tmp_path / "bad_demo.npy")


def test_the_files_are_a_corpus_of_their_own(copied):
    (clip,) = find_clips("rhythmic", copied.parent)
    assert (clip.speaker, clip.video.name, clip.audio.name) == (
        "id00017",
        f"{copied.name}_aligned.mp4",
        f"{copied.name}.wav",
    )
    assert clip.transcript is None
    write_demo_list(copied.parent / "vox_demo.npy", [(copied.name, 5, "HELLO")] * 2)
    (listed,) = find_clips("rhythmic", copied.parent)
    assert (listed.split, listed.transcript, listed.info["end"]) == ("test", "HELLO", 5)


@pytest.fixture
def prepared(clip, tmp_path) -> Path:
    """Folder of one shard that holds the clip, as `prepare` leaves it, and one without sound or order in time."""
    coded = [cv2.imencode(".png", clip.image(index)[..., ::-1])[1].tobytes() for index in range(5)]
    crops = np.zeros((5, 2, 3), np.float32)
    moving = Example(clip.landmarks, crops, coded, clip.audio, None, 0.0, True, 25.0, 0, 5)
    photos = replace(moving, samples=None, speech=False, fps=0.0)
    for key, example in (("ada-1", moving), ("ada-2", photos)):
        found = Clip(key, Path("ada.mp4"), Path("ada.mp4"), "ada", "train", "hello")
        write_sample(tmp_path / f"{key}.tar", key, members(found, example))
    (tmp_path / "shards").mkdir()
    join_samples([tmp_path / "ada-1.tar", tmp_path / "ada-2.tar"], tmp_path / "shards" / "shard-00000.tar")
    return tmp_path / "shards"


def test_prepared_clips_are_written_once_with_their_list(prepared, tmp_path):
    prefixes, left_out = write_quintuples(prepared, {"ada-1", "ada-2"}, tmp_path / "demo")
    assert prefixes == [tmp_path / "demo" / "ada-1"]
    assert left_out == ["ada-2: its frames are not 25 per second (0)"]
    demo = read_quintuple(prefixes[0])
    assert len(demo) == 5 and demo.sound is not None
    (row,) = read_demo_list(tmp_path / "demo" / "talkface_demo.npy")
    assert (row.video, row.start, row.end, row.word) == (demo.video, 0, 5, "hello")
    before = demo.video.stat().st_mtime_ns
    write_quintuples(prepared, {"ada-1"}, tmp_path / "demo")
    assert demo.video.stat().st_mtime_ns == before, "what is there stays"
    assert sorted(path.name for path in (tmp_path / "demo").iterdir() if path.name.startswith(".")) == []


def test_clips_of_another_kind_are_left_out_with_the_reason(prepared, tmp_path):
    with pytest.raises(DatasetError, match=r"no quintuple could be written .ada-2: its frames are not 25 per second"):
        write_quintuples(prepared, {"ada-2"}, tmp_path / "demo")
