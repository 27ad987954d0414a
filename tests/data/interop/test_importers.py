"""ATVGnet's arrays and bases and the LSTM line's HDF5 -> landmarks in our spaces; pickles never."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from talkface.data.interop.importers import (
    array_shape,
    landmark_shape,
    read_atvgnet_basis,
    read_features,
    read_landmarks,
)
from talkface.data.sources.folder import find_folder_clips
from talkface.data.sources.registry import find_clips
from talkface.errors import DatasetError
from talkface.geometry.affine import transform
from talkface.landmarks.layout import STABLE
from talkface.landmarks.mean_face import MEAN_FACE, to_canonical


@pytest.fixture
def points() -> np.ndarray:
    """`[29, 68, 2]` mean face in pixels of a 128x128 crop, jaw and mouth moving."""
    rng = np.random.default_rng(0)
    face = np.repeat((MEAN_FACE * 60 + 64)[None], 29, 0)
    face[:, 48:] += rng.normal(0, 1, (29, 20, 2))
    return face.astype(np.float32)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


@pytest.mark.parametrize("form", ["(T, 68, 2)", "(T, 136)", "(T, 68, 3)"])
def test_landmark_arrays_of_every_form(tmp_path: Path, points: np.ndarray, form: str):
    array = {
        "(T, 68, 2)": points,
        "(T, 136)": points.reshape(29, 136).astype(np.float64),
        "(T, 68, 3)": np.concatenate([points, np.ones((29, 68, 1))], -1),
    }[form]
    read = read_landmarks(save(tmp_path / "a.npy", array))
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, points, atol=1e-4)


def test_arrays_that_are_no_landmarks(tmp_path: Path, points: np.ndarray):
    assert not landmark_shape((29, 13)) and not landmark_shape((136,)) and landmark_shape((29, 68, 2))
    with pytest.raises(DatasetError, match=r"has shape \(5, 13\): expected \(T, 68, 2\)"):
        read_landmarks(save(tmp_path / "mfcc.npy", np.zeros((5, 13))))
    points[3, 4, 0] = np.nan
    with pytest.raises(DatasetError, match="not finite"):
        read_landmarks(save(tmp_path / "nan.npy", points))
    objects = save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object))
    assert array_shape(objects) is None
    with pytest.raises(DatasetError, match="holds object"):
        read_landmarks(objects)


def test_atvgnet_folders(tmp_path: Path, points: np.ndarray):
    save(tmp_path / "landmark1d/ABOUT/train/ABOUT_00001.npy", points)
    save(tmp_path / "landmark1d/ABOUT/test/ABOUT_00002.npy", points)
    save(tmp_path / "mfcc/ABOUT/train/ABOUT_00001.npy", np.zeros((29, 28, 12)))
    sound = tmp_path / "audio/ABOUT/train/ABOUT_00001.wav"
    sound.parent.mkdir(parents=True)
    sound.write_bytes(b"RIFF")
    save(tmp_path / "grid/s7/bbaf2n.npy", points)
    clips = {clip.key: clip for clip in find_clips("atvgnet", tmp_path)}
    assert sorted(clips) == [
        "grid-s7-bbaf2n",
        "landmark1d-ABOUT-test-ABOUT_00002",
        "landmark1d-ABOUT-train-ABOUT_00001",
    ]
    word = clips["landmark1d-ABOUT-train-ABOUT_00001"]
    assert (word.audio, word.split, word.speaker) == (sound, "train", "ABOUT_00001")
    assert clips["grid-s7-bbaf2n"].speaker == "s7"


@pytest.mark.parametrize(
    ("directions", "mean"), [("U_lrw1", "mean_lrw1"), ("U_grid", "mean_grid"), ("U_lrw", "mean_lrw")]
)
def test_atvgnet_basis_keeps_its_coefficients(shared_data: Path, directions: str, mean: str):
    folder = shared_data / "meta" / "ATVGnet_basics"
    basis, face = read_atvgnet_basis(folder / f"{directions}.npy", folder / f"{mean}.npy")
    coefficients = np.random.default_rng(1).normal(0, 0.1, (7, 6)).astype(np.float32)
    np.testing.assert_allclose(basis.encode(basis.decode(coefficients)), coefficients, atol=1e-5)

    u, centre = np.load(folder / f"{directions}.npy")[:, :6], np.load(folder / f"{mean}.npy")
    theirs = (coefficients @ u.T + centre).reshape(7, 68, 2)  # what ATVGnet's decoder is given
    mean_ours, onto_our_face = to_canonical(centre.reshape(1, 68, 2))
    np.testing.assert_allclose(face, mean_ours[0], atol=1e-4)
    assert np.abs(face[STABLE] - MEAN_FACE[STABLE]).max() < 0.1
    np.testing.assert_allclose(face + basis.decode(coefficients), transform(onto_our_face, theirs), atol=1e-4)


def test_basis_of_another_kind(shared_data: Path):
    folder = shared_data / "meta" / "ATVGnet_basics"
    with pytest.raises(DatasetError, match=r"expected \(136, 6\) or wider"):
        read_atvgnet_basis(folder / "S.npy", folder / "mean_lrw1.npy")
    with pytest.raises(DatasetError, match=r"expected \(136,\)"):
        read_atvgnet_basis(folder / "U_lrw1.npy", folder / "lipmean_lrw.npy")


def test_basis_must_be_orthonormal(tmp_path: Path):
    directions = save(tmp_path / "U.npy", np.ones((136, 136)))
    with pytest.raises(DatasetError, match="no orthonormal columns"):
        read_atvgnet_basis(directions, save(tmp_path / "mean.npy", np.ones(136)))


def test_hdf5_of_the_lstm_line(tmp_path: Path, points: np.ndarray):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "train.h5"
    with h5py.File(path, "w") as file:
        file["flmark"] = np.stack([points.reshape(29, 136) / 600] * 3)
        file["MelFeatures"] = np.arange(3 * 29 * 128, dtype=np.float32).reshape(3, 29, 128)
    clips = find_clips("lstm_hdf5", path)
    assert [clip.key for clip in clips] == ["train-000000", "train-000001", "train-000002"]
    assert [clip.key for clip in find_clips("lstm_hdf5", tmp_path)] == [clip.key for clip in clips]
    np.testing.assert_allclose(read_landmarks(path, row=1), points, atol=1e-3)
    features = read_features(path, 2)
    assert features is not None and features.shape == (29, 128) and features[0, 0] == 2 * 29 * 128


def test_hdf5_that_is_another(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.zeros((2, 4))
    with pytest.raises(DatasetError, match=r"has images: expected flmark \(N, 75, 136\)"):
        find_clips("lstm_hdf5", tmp_path / "other.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(DatasetError, match="is not an HDF5 file"):
        find_clips("lstm_hdf5", tmp_path / "text.h5")


class RunsCode:
    """A pickle of this creates a file when opened."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def test_pickles_are_refused_unopened(tmp_path: Path):
    marker = tmp_path / "the_pickle_was_opened"
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "id00012_abc.vid").write_bytes(pickle.dumps(RunsCode(marker)))
    with pytest.raises(DatasetError, match=r"videos/id00012_abc.vid: these are Python pickles"):
        find_clips("atvgnet", tmp_path)
    with pytest.raises(DatasetError, match=r"videos/id00012_abc.vid: these are Python pickles"):
        find_folder_clips(tmp_path, None, {})
    with pytest.raises(DatasetError, match="no import of vid: these are Python pickles"):
        find_clips("vid", tmp_path)
    assert not marker.exists()
