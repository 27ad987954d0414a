"""Name of a golden file -> the weights that the originals were given, its inputs and its outputs.

The golden outputs were computed by the original systems' own classes with weights that a formula fills, so that nothing
but inputs and outputs has to be stored. `NAME.json` lists every tensor as `[name, shape, rule]` in the order of the
original's `state_dict()`; `NAME.npz` holds the arrays.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent
Array = npt.NDArray[Any]
Listed = Sequence[tuple[str, Sequence[int], str]]

STEP = 0x9E3779B9  # by which the hash of each further tensor starts later
MIXES = ((16, 0x85EBCA6B), (13, 0xC2B2AE35))


def hashed(count: int, place: int) -> Array:
    """`count` float64 numbers in [-1, 1) for the tensor at `place` of the state dict: murmur's finaliser."""
    values = np.arange(count, dtype=np.uint32) + np.uint32(STEP * (place + 1) % 2**32)
    for shift, factor in MIXES:
        values ^= values >> np.uint32(shift)
        values *= np.uint32(factor)
    values ^= values >> np.uint32(16)
    return values / 2.0**31 - 1


RULES: dict[str, Callable[[Array], Array]] = {
    "matrix": lambda u: u * np.sqrt(3 * len(u) / u.size),
    "gain": lambda u: 1 + 0.1 * u,
    "bias": lambda u: 0.1 * u,
    "mean": lambda u: 0.1 * u,
    "var": lambda u: 1 + 0.3 * u,
    "gamma": lambda u: np.full(u.shape, 0.5),
    "zero": lambda u: 0 * u,
    "u*sqrt(3/shape[0])": lambda u: u * np.sqrt(3 / len(u)),  # Keras: inputs first
    "0.1u": lambda u: 0.1 * u,
}


def fill(listed: Listed) -> dict[str, Array]:
    """Every tensor of `[name, shape, rule]` entries, float32, under the original's name.

    Spectral norm's `weight_u` and `weight_v` (rule `svd`) are the singular vectors of the largest singular value.
    """
    made: dict[str, Array] = {}
    for place, (name, shape, rule) in enumerate(listed):
        if rule != "svd":
            made[name] = np.asarray(RULES[rule](hashed(int(np.prod(shape)), place).reshape(shape)), np.float32)
    for name, _, rule in listed:
        if rule == "svd" and name.endswith("weight_u"):
            weight = made[name.removesuffix("_u") + "_orig"]
            matrix = weight.reshape(len(weight), -1).astype(np.float64)
            made[name], made[name[:-1] + "v"] = (part.astype(np.float32) for part in singular_vectors(matrix))
    return {name: made[name] for name, _, _ in listed}


def singular_vectors(matrix: Array) -> tuple[Array, Array]:
    """Left and right vector of the largest singular value, by the smaller of the two Gram matrices."""
    if len(matrix) > matrix.shape[1]:
        right, left = singular_vectors(matrix.T)
        return left, right
    left = np.linalg.eigh(matrix @ matrix.T)[1][:, -1]
    right = matrix.T @ left
    return left, right / np.linalg.norm(right)


def golden(name: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights and arrays of `NAME.json` and `NAME.npz` beside this file."""
    return fill(json.loads((FOLDER / f"{name}.json").read_text())), arrays(name)


def arrays(name: str) -> dict[str, Array]:
    """The stored inputs and outputs alone."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}
