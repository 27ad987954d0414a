"""Points -> the affine map between them; maps -> their product and inverse; rotation matrices <-> vectors."""

import cv2
import numpy as np

from talkface.types import FloatArray

SMALL_ANGLE = 1e-3  # radians: below it the series are exact to double precision, and 0 / 0 is avoided


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
    if weights is None and source.ndim == 2:
        return _fit_one(source, target)
    share = np.full(source.shape[-2], 1.0) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum(-1, keepdims=True)
    source_mean, target_mean = ((share[..., None] * points).sum(-2, keepdims=True) for points in (source, target))
    a = (source - source_mean) @ np.array([1, 1j])
    b = (target - target_mean) @ np.array([1, 1j])
    turn = (share * np.conj(a) * b).sum(-1) / np.maximum((share * np.abs(a) ** 2).sum(-1), 1e-12)
    linear = np.stack([np.stack([turn.real, -turn.imag], -1), np.stack([turn.imag, turn.real], -1)], -2)
    shift = target_mean[..., 0, :] - (linear @ source_mean[..., 0, :, None])[..., 0]
    return np.asarray(np.concatenate([linear, shift[..., None]], -1))


def _fit_one(source: FloatArray, target: FloatArray) -> FloatArray:
    """`fit_similarity` of `[N, 2]` points that count alike, in two fifths of the time."""
    (source_x, source_y), (target_x, target_y) = source.mean(0).tolist(), target.mean(0).tolist()
    a = source @ np.array([1, 1j]) - complex(source_x, source_y)
    b = target @ np.array([1, 1j]) - complex(target_x, target_y)
    turn = complex(np.vdot(a, b)) / max(np.vdot(a, a).real, 1e-12)
    real, imaginary = turn.real, turn.imag
    across = target_x - real * source_x + imaginary * source_y
    down = target_y - imaginary * source_x - real * source_y
    return np.array([[real, -imaginary, across], [imaginary, real, down]])


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


def rotation_matrices(vectors: FloatArray) -> FloatArray:
    """`[..., 3]` rotation vectors in radians -> `[..., 3, 3]` matrices."""
    x, y, z, w = np.moveaxis(_quaternions(vectors), -1, 0)
    rows = [
        [x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rotation_vectors(matrices: FloatArray) -> FloatArray:
    """`[..., 3, 3]` rotation matrices -> `[..., 3]` rotation vectors of 0 to pi radians.

    The largest component of the quaternion is computed first, which keeps every angle exact (Shepperd 1978).
    """
    matrices = np.asarray(matrices, np.float64)
    flat = matrices.reshape(-1, 3, 3)
    trace = np.trace(flat, axis1=1, axis2=2)
    largest = np.column_stack([flat[:, 0, 0], flat[:, 1, 1], flat[:, 2, 2], trace]).argmax(1)
    quaternions = np.empty((len(flat), 4))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        rows = largest == i
        chosen = flat[rows]
        quaternions[rows, i] = 1 - trace[rows] + 2 * chosen[:, i, i]
        quaternions[rows, j] = chosen[:, j, i] + chosen[:, i, j]
        quaternions[rows, k] = chosen[:, k, i] + chosen[:, i, k]
        quaternions[rows, 3] = chosen[:, k, j] - chosen[:, j, k]
    rows = largest == 3
    chosen = flat[rows]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        quaternions[rows, i] = chosen[:, k, j] - chosen[:, j, k]
    quaternions[rows, 3] = 1 + trace[rows]
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    quaternions *= np.where(quaternions[:, 3:] < 0, -1.0, 1.0)
    angles = _angles(quaternions)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        factors = np.where(angles < SMALL_ANGLE, 2 + angles**2 / 12, angles / np.sin(angles / 2))
    return (factors * quaternions[:, :3]).reshape(matrices.shape[:-1])


def angle_between(first: FloatArray, second: FloatArray) -> FloatArray:
    """Angle in 0..pi radians of the turn that leads from one rotation to another, both `[..., 3]` rotation vectors."""
    a, b = _quaternions(first), _quaternions(second)
    vector = a[..., 3:] * b[..., :3] - b[..., 3:] * a[..., :3] - np.cross(a[..., :3], b[..., :3])
    return _angles(np.concatenate([vector, (a * b).sum(-1, keepdims=True)], -1))


def _quaternions(vectors: FloatArray) -> FloatArray:
    vectors = np.asarray(vectors, np.float64)
    angles = np.linalg.norm(vectors, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        factors = np.where(angles < SMALL_ANGLE, 0.5 - angles**2 / 48, np.sin(angles / 2) / angles)
    return np.concatenate([factors * vectors, np.cos(angles / 2)], -1)


def _angles(quaternions: FloatArray) -> FloatArray:
    return np.asarray(2 * np.arctan2(np.linalg.norm(quaternions[..., :3], axis=-1), np.abs(quaternions[..., 3])))
