"""Pixel landmarks -> the space that ATVGnet's published networks were trained in, by the arrays of its `basics/`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkface.errors import CheckpointError
from talkface.files.arrays import read_npy
from talkface.files.check import check_array
from talkface.landmarks.layout import MOUTH, NUM_LANDMARKS
from talkface.types import FloatArray


@dataclass(frozen=True)
class AtvgShapes:
    """ATVGnet's scale and opening mode."""

    scale: float = 5.0  # by which normalised landmarks are enlarged for the networks
    open_mode: int = 1  # parameter that is taken off every face, of the mouth's points alone
    opening: float = -0.06


ATVG_SHAPES = AtvgShapes()
FILES = {"mean_image": "mean_shape_img.npy", "mean_norm": "mean_shape_norm.npy", "directions": "S.npy"}


@dataclass(frozen=True)
class AtvgnetShapes:
    """Arrays of ATVGnet's landmark normalisation.

    Attributes:
        mean_image: `[68, 2]` pixels, onto which faces are laid (Procrustes: shift, size and turn go).
        mean_norm: `[68, 2]` mean of what comes out.
        directions: `[100, 136]` orthonormal rows, x and y interleaved.
    """

    mean_image: FloatArray
    mean_norm: FloatArray
    directions: FloatArray

    def parameters(self, points: FloatArray) -> FloatArray:
        """`[T, 68, 2]` pixels -> `[T, 100]` how each face differs from the mean one."""
        mean = _unit(self.mean_image)
        faces = _unit(np.asarray(points, np.float64))
        left, sizes, right = np.linalg.svd(mean.T @ faces)
        laid = sizes.sum(-1)[:, None, None] * faces @ np.swapaxes(left @ right, -1, -2)
        return np.asarray((laid - mean).reshape(len(faces), -1) @ self.directions.T)

    def relative(self, points: FloatArray, photo: FloatArray) -> FloatArray:
        """Faces without the photo's own shape, `[T, 68, 2]` and `[68, 2]` pixels -> `[T, 68, 2]` float32.

        The photo itself becomes the constant `example`, whatever it shows: that is what the published networks saw.
        """
        own = self.parameters(points) - self.parameters(photo[None])
        return (self.example() + ATVG_SHAPES.scale * self._shape(own)).astype(np.float32)

    def example(self) -> FloatArray:
        """`[68, 2]` the face that the published networks are given for every photo."""
        opening = np.zeros(len(self.directions))
        opening[ATVG_SHAPES.open_mode] = ATVG_SHAPES.opening
        opened: FloatArray = np.zeros((NUM_LANDMARKS, 2))
        opened[MOUTH] = self._shape(opening)[MOUTH]
        opened = self._shape(opened.reshape(-1) @ self.directions.T)
        return np.asarray(ATVG_SHAPES.scale * (self.mean_norm - opened))

    def _shape(self, parameters: FloatArray) -> FloatArray:
        return np.asarray((parameters @ self.directions).reshape(*parameters.shape[:-1], NUM_LANDMARKS, 2))


def _unit(points: FloatArray) -> FloatArray:
    """`[..., 68, 2]` about its centre, of norm 1."""
    centred = points - points.mean(-2, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=(-2, -1), keepdims=True))


def read_atvgnet_shapes(folder: Path) -> AtvgnetShapes:
    """The arrays in ATVGnet's folder `basics`.

    Raises:
        CheckpointError: one is missing, or not of its shape.
    """
    arrays = {name: read_npy(folder / file, "ATVGnet's landmarks", CheckpointError) for name, file in FILES.items()}
    for name in ("mean_image", "mean_norm"):
        check_array(arrays[name], [(NUM_LANDMARKS, 2), (1, 2 * NUM_LANDMARKS)], FILES[name], CheckpointError)
        arrays[name] = arrays[name].reshape(NUM_LANDMARKS, 2)
    check_array(arrays["directions"], [(None, 2 * NUM_LANDMARKS)], FILES["directions"], CheckpointError)
    return AtvgnetShapes(**{name: array.astype(np.float64) for name, array in arrays.items()})
