from fractions import Fraction

import numpy as np
import pytest

from talkface.data.interop.quintuple_write import write_quintuple
from talkface.errors import DatasetError, MediaError
from talkface.inference.driving import load_landmarks, resample, save_landmarks
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import LandmarkSequence


@pytest.fixture
def points() -> np.ndarray:
    shift = np.linspace(0, 10, 50)[:, None, None]
    return (200 * MEAN_FACE + 300 + shift).astype(np.float32)


def test_landmarks_survive_the_file(tmp_path, points):
    path = tmp_path / "drive.npz"
    save_landmarks(path, points, Fraction(30000, 1001), points[0])
    sequence, photo = load_landmarks(path)
    assert sequence.fps == Fraction(30000, 1001)
    np.testing.assert_array_equal(sequence.points, points)
    np.testing.assert_array_equal(photo, points[0])
    assert [item.name for item in tmp_path.iterdir()] == ["drive.npz"]


def test_a_plain_array_is_pixel_points_at_25(tmp_path, points):
    np.save(tmp_path / "plain.npy", points)
    sequence, photo = load_landmarks(tmp_path / "plain.npy")
    assert sequence.fps == 25 and photo is None


def test_depth_of_points_is_left_out(tmp_path, points):
    np.save(tmp_path / "deep.npy", np.concatenate([points, points[..., :1]], -1))
    np.testing.assert_array_equal(load_landmarks(tmp_path / "deep.npy")[0].points, points)


def test_demo_files_give_their_landmarks(tmp_path, points):
    class Footage:
        landmarks = points[:2] / 3
        audio = np.zeros(0, np.float32)

        def image(self, index: int) -> np.ndarray:
            return np.zeros((256, 256, 3), np.uint8)

    write_quintuple(tmp_path / "ada", Footage())
    sequence, photo = load_landmarks(tmp_path / "ada_aligned")
    assert (sequence.fps, photo) == (25, None)
    np.testing.assert_allclose(sequence.points, points[:2] / 3, atol=1e-4)
    (tmp_path / "ada_aligned_rt.npy").unlink()
    with pytest.raises(DatasetError, match=r"no file .*ada_aligned_rt"):
        load_landmarks(tmp_path / "ada")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((5, 67, 2)), "expected [T, 68, 2]"),
        (np.full((5, 68, 2), np.nan), "not finite"),
        (np.zeros(3), "shape"),
    ],
)
def test_wrong_landmarks_are_refused_in_one_line(tmp_path, array, words):
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(MediaError) as caught:
        load_landmarks(tmp_path / "bad.npy")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(MediaError, match="--save-landmarks"):
        load_landmarks(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(MediaError, match=r"not a \.npz"):
        load_landmarks(tmp_path / "text.npz")


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(MediaError):
        load_landmarks(tmp_path / "pickle.npy")


def test_resampling_keeps_duration_and_lines(points):
    sequence = LandmarkSequence(points, Fraction(25))
    double = resample(sequence, Fraction(50))
    assert len(double) == 100
    np.testing.assert_allclose(double.mean(0), points.mean(0), atol=0.05)
    np.testing.assert_array_equal(resample(sequence, Fraction(25)), points)
    half = resample(sequence, Fraction(25, 2))
    assert len(half) == 25
    np.testing.assert_allclose(half[3], (points[6] + points[7]) / 2, atol=1e-3)
