"""Landmark arrays and bases of earlier systems -> `[T, 68, 2]` pixels, canonical bases; pickles are refused.

ATVGnet keeps one `.npy` of `(T, 68, 2)` per clip, in pixels of its 128x128 crop, and a PCA basis as `U_*.npy` and
`mean_*.npy`. The LSTM line (Eskimez et al., "Generating talking face landmarks from speech", 2018) keeps whole corpora
in one HDF5 file: `flmark` `(N, 75, 136)` over 600 and `MelFeatures` `(N, 75, 128)`.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from talkface.errors import DatasetError, MissingExtraError
from talkface.files.arrays import npy_header, read_npy
from talkface.files.check import NUMBERS, check_array
from talkface.files.read import limit, refusing, variable
from talkface.geometry.affine import fit_similarity
from talkface.landmarks.basis import Basis
from talkface.landmarks.layout import NUM_LANDMARKS, STABLE
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import FloatArray

ARRAY_SUFFIXES = (".npy", ".h5", ".hdf5")
PICKLE_SUFFIXES = (".vid", ".pkl", ".pickle", ".p")
HDF5_LANDMARKS, HDF5_FEATURES = "flmark", "MelFeatures"


WHY_NO_PICKLES = (
    "these are Python pickles, and opening one runs whatever code it holds, so talkface never does; prepare the videos "
    "they were made from instead, such as: talkface prepare voxceleb2 ROOT OUT"
)


def refuse_pickles(folder: Path) -> None:
    """Say why the pickles of grey-eye (`.vid`) and others cannot be imported.

    Raises:
        DatasetError: `folder` has such files, at any depth.
    """
    found = next((path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICKLE_SUFFIXES), None)
    if found is not None:
        raise DatasetError(f"{folder} holds files such as {found.relative_to(folder)}: {WHY_NO_PICKLES}")


def landmark_shape(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape can be landmarks: `(T, 68, 2)`, `(T, 68, 3)` or `(T, 136)`."""
    return len(shape) > 1 and shape[1:] in ((NUM_LANDMARKS, 2), (NUM_LANDMARKS, 3), (2 * NUM_LANDMARKS,))


def array_shape(path: Path) -> tuple[int, ...] | None:
    """Shape of a `.npy` file by its header; None where it is none, or holds Python objects."""
    header = npy_header(path)
    return None if header is None else header[0]


def read_landmarks(path: Path, row: int | None = None) -> FloatArray:
    """Landmarks of one clip.

    Args:
        path: `.npy`, or HDF5 of the LSTM line.
        row: of the HDF5 file's `flmark`.

    Returns:
        `[T, 68, 2]` float32; pixels where the source has pixels.

    Raises:
        DatasetError: unreadable, another shape, or not numbers.
    """
    hdf5_pixels = 600.0  # side of the frame that the LSTM line's landmarks were divided by
    if path.suffix.lower() == ".npy":
        array, scale = read_npy(path, "landmarks (T, 68, 2)", DatasetError), 1.0
    else:
        with open_hdf5(path) as file, refusing(f"row {row} of {path} is damaged", DatasetError):
            array, scale = np.asarray(file[HDF5_LANDMARKS][row]), hdf5_pixels
    if not landmark_shape(array.shape):
        raise DatasetError(f"{path} has shape {array.shape}: expected (T, 68, 2), (T, 68, 3) or (T, 136)")
    check_array(array, [(None, *array.shape[1:])], f"{path}: landmarks", DatasetError)
    points = array.reshape(len(array), NUM_LANDMARKS, -1)[..., :2].astype(np.float32) * np.float32(scale)
    return np.asarray(points)


def open_hdf5(path: Path) -> Any:
    """An HDF5 file of the LSTM line, as `h5py.File` for reading.

    Raises:
        MissingExtraError: h5py is not installed.
        DatasetError: not HDF5, or without `flmark` of the known shape.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("HDF5 files need h5py: pip install 'talkface[hdf5]'") from error
    with refusing(f"{path} is not an HDF5 file, or is damaged", DatasetError):
        file = h5py.File(path, "r")
        try:
            _check_hdf5(path, file)
        except BaseException:
            file.close()
            raise
    return file


def _check_hdf5(path: Path, file: Any) -> None:
    """Refuse data that lie elsewhere (links, raw files), of another kind or shape, or larger than allowed."""
    import h5py

    most_rows = 10_000_000
    for name in (HDF5_LANDMARKS, HDF5_FEATURES):
        if name == HDF5_FEATURES and name not in file:
            continue
        if not isinstance(file.get(name, getlink=True), h5py.HardLink | None):
            raise DatasetError(f"{path}: {name} is a link to somewhere else: store the data in the file itself")
        data = file.get(name)
        if not isinstance(data, h5py.Dataset) or (name == HDF5_LANDMARKS and not landmark_shape(data.shape[1:])):
            keys = ", ".join(map(str, file.keys()))
            raise DatasetError(f"{path} has {keys or 'nothing'}: expected {HDF5_LANDMARKS} (N, 75, 136)")
        if data.external or data.is_virtual:
            raise DatasetError(f"{path}: the data of {name} lie in other files: store them in the file itself")
        row = math.prod(data.shape[1:]) * data.dtype.itemsize
        chunk = math.prod(data.chunks or data.shape[1:]) * data.dtype.itemsize
        if data.dtype.kind not in NUMBERS or max(row, chunk) > limit("array_mb") * 1e6 or len(data) > most_rows:
            raise DatasetError(
                f"{path}: {name} is {data.shape} of {data.dtype}, more than {variable('array_mb')} allows"
            )


def hdf5_rows(path: Path) -> Iterator[int]:
    """Row numbers of an HDF5 file's clips.

    Raises:
        as `open_hdf5`.
    """
    with open_hdf5(path) as file:
        yield from range(len(file[HDF5_LANDMARKS]))


def read_features(path: Path, row: int) -> FloatArray | None:
    """`[T, 128]` float32 mel derivatives that go with a row's landmarks, where the file has them."""
    largest_feature = 1e9
    with open_hdf5(path) as file, refusing(f"row {row} of {path} is damaged", DatasetError):
        if HDF5_FEATURES not in file:
            return None
        features = np.asarray(file[HDF5_FEATURES][row], np.float32)
        check_array(features, [(None, None)], f"{path}: {HDF5_FEATURES}", DatasetError, most=largest_feature)
        return features


def read_atvgnet_basis(directions: Path, mean: Path, num_components: int = 6) -> tuple[Basis, FloatArray]:
    """ATVGnet's PCA in this package's canonical space; its coefficients keep their meaning.

    ATVGnet's landmarks are scaled to unit norm and by 5, the mean taken off, and multiplied by the first columns of U.
    Here mean and directions are laid onto the canonical face by the similarity that fits eyes and nose.

    Args:
        directions: `U_*.npy`, `(136, 136)`, orthonormal columns.
        mean: `mean_*.npy`, `(136,)`.
        num_components: columns used; 6 in ATVGnet.

    Returns:
        The basis, of displacements from the mean, and the canonical mean `[68, 2]`.

    Raises:
        DatasetError: other shapes, or columns that are not orthonormal.
    """
    columns, centre = _numbers(directions), _numbers(mean)
    if columns.ndim != 2 or len(columns) != 2 * NUM_LANDMARKS or columns.shape[1] < num_components:
        raise DatasetError(f"{directions} has shape {columns.shape}: expected (136, {num_components}) or wider")
    if centre.size != 2 * NUM_LANDMARKS:
        raise DatasetError(f"{mean} has shape {centre.shape}: expected (136,)")
    columns = columns[:, :num_components]
    if np.abs(columns.T @ columns - np.eye(num_components)).max() > 1e-3:
        raise DatasetError(f"{directions} has no orthonormal columns: give ATVGnet's U_*.npy, not its S.npy")
    first_scaled_norm = 2.5  # a mean shape of unit norm, or of five times that, as ATVGnet's networks take it
    atvg_scale = 5.0
    scale = atvg_scale if np.linalg.norm(centre) > first_scaled_norm else 1.0
    face = centre.reshape(NUM_LANDMARKS, 2) / scale
    matrix = fit_similarity(face[STABLE], MEAN_FACE[STABLE])
    turn = matrix[:, :2]
    shapes = columns.T.reshape(num_components, NUM_LANDMARKS, 2)
    decoder = shapes / scale @ turn.T
    encoder = np.moveaxis(scale * shapes @ np.linalg.inv(turn), 0, -1)
    canonical = face @ turn.T + matrix[:, 2]
    basis = Basis(decoder.astype(np.float32), encoder.astype(np.float32), float("nan"))
    return basis, canonical.astype(np.float32)


def _numbers(path: Path) -> FloatArray:
    return np.asarray(read_npy(path, "numbers", DatasetError), np.float64)
