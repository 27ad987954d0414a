"""Displacements -> PCA basis -> coefficients, and back."""

from dataclasses import dataclass

import numpy as np

from talkface.types import FloatArray


@dataclass(frozen=True)
class Basis:
    """Directions in which shapes vary most, strongest first.

    There is no mean: coefficients of zero are the closed-mouth face itself, so silence needs no offset.

    Attributes:
        decoder: `[P, 68, 2]` shape of a coefficient of one.
        encoder: `[68, 2, P]` coefficients = sum of shape times encoder.
        variance: share of the weighted variance that the P directions hold, 0 to 1.
    """

    decoder: FloatArray
    encoder: FloatArray
    variance: float

    def encode(self, displacements: FloatArray) -> FloatArray:
        """`[..., 68, 2]` -> `[..., P]`."""
        return np.asarray(np.tensordot(displacements, self.encoder, axes=2))

    def decode(self, coefficients: FloatArray) -> FloatArray:
        """`[..., P]` -> `[..., 68, 2]`."""
        return np.asarray(np.tensordot(coefficients, self.decoder, axes=1))


def fit_basis(displacements: FloatArray, weights: FloatArray, num_components: int) -> Basis:
    """PCA about zero of displacements from the closed mouth.

    Args:
        displacements: `[T, 68, 2]`.
        weights: `[68]` importance of each point; a weight of 0 leaves the point out, it decodes to no motion.
        num_components: P.

    Raises:
        ValueError: fewer frames or fewer weighted coordinates than components.
    """
    used = weights > 0
    rows = (displacements[:, used] * weights[used, None]).reshape(len(displacements), -1).astype(np.float64)
    if min(rows.shape) < num_components:
        raise ValueError(f"{num_components} components need as many frames and coordinates, got {rows.shape}")
    spread, directions = np.linalg.eigh(rows.T @ rows)
    top = np.argsort(spread)[::-1][:num_components]
    components = directions[:, top].T.reshape(num_components, -1, 2)
    components *= np.sign(components.sum((1, 2)) + 1e-12)[:, None, None]  # eigenvectors come with any sign
    decoder = np.zeros((num_components, len(weights), 2), np.float32)
    encoder = np.zeros((len(weights), 2, num_components), np.float32)
    decoder[:, used] = components / weights[used, None]
    encoder[used] = np.moveaxis(components * weights[used, None], 0, -1)
    return Basis(decoder, encoder, float(spread[top].sum() / max(spread.sum(), 1e-12)))
