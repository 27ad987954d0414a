"""Points -> the affine map between them; maps -> their product, inverse and image of points."""

import cv2
import numpy as np

from talkface.types import FloatArray


def fit_similarity(source: FloatArray, target: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Rotation, uniform scale and shift that bring `source` onto `target` with the least squared error.

    Solved in complex numbers, which excludes mirroring (Umeyama 1991, restricted to the plane).

    Args:
        source: `[..., N, 2]`.
        target: `[..., N, 2]`, broadcast against `source`.
        weights: `[..., N]`, how much each point's squared error counts; all alike if not given.

    Returns:
        `[..., 2, 3]` float64 affine matrices.
    """
    source, target = np.broadcast_arrays(np.asarray(source, np.float64), np.asarray(target, np.float64))
    share = np.full(source.shape[-2], 1.0) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum(-1, keepdims=True)
    source_mean, target_mean = ((share[..., None] * points).sum(-2, keepdims=True) for points in (source, target))
    a = (source - source_mean) @ np.array([1, 1j])
    b = (target - target_mean) @ np.array([1, 1j])
    turn = (share * np.conj(a) * b).sum(-1) / np.maximum((share * np.abs(a) ** 2).sum(-1), 1e-12)
    linear = np.stack([np.stack([turn.real, -turn.imag], -1), np.stack([turn.imag, turn.real], -1)], -2)
    shift = target_mean[..., 0, :] - (linear @ source_mean[..., 0, :, None])[..., 0]
    return np.asarray(np.concatenate([linear, shift[..., None]], -1))


def transform(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Apply `[..., 2, 3]` affine matrices to `[..., N, 2]` points."""
    return np.asarray(points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2])


def invert(matrix: FloatArray) -> FloatArray:
    """Inverse of `[..., 2, 3]` affine matrices."""
    if matrix.ndim == 2:  # a tenth of the time
        return np.asarray(cv2.invertAffineTransform(np.asarray(matrix, np.float64)))
    linear = np.linalg.inv(matrix[..., :2])
    return np.asarray(np.concatenate([linear, -linear @ matrix[..., 2:]], -1))


def upright_square(centre: FloatArray, angle: float, side: float, size: int) -> FloatArray:
    """Similarity that takes a square of `side` pixels, turned by `angle`, to `size` x `size` pixels."""
    zoom = size / side
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    middle = np.full(2, 0.5 * (size - 1))
    return np.hstack([linear, (middle - linear @ np.asarray(centre, np.float64))[:, None]])


def compose_affine(outer: FloatArray, inner: FloatArray) -> FloatArray:
    """The map that applies `inner`, then `outer`."""
    return np.hstack([outer[:, :2] @ inner[:, :2], (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]])
