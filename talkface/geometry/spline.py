"""Control points and values -> thin-plate spline, evaluated anywhere; value and edges -> smooth step."""

from dataclasses import dataclass
from typing import overload

import numpy as np

from talkface.types import FloatArray


@dataclass(frozen=True)
class ThinPlate:
    """Smoothest function through (or near) given values: sum of w r^2 log r, and an affine part (Bookstein 1989).

    Attributes:
        controls: `[..., N, 2]` in units where the face is about 1 wide, which keeps the solve well conditioned.
        weights: `[..., N + 3, C]` kernel weights, then constant, x, y.
    """

    controls: FloatArray
    weights: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        """`[..., M, 2]` points -> `[..., M, C]` values, float32."""
        points = np.asarray(points, np.float32)
        kernel = _kernel(points, self.controls.astype(np.float32))
        weights = self.weights.astype(np.float32)
        return np.asarray(kernel @ weights[..., :-3, :] + weights[..., -3:-2, :] + points @ weights[..., -2:, :])

    def __getitem__(self, index: int) -> "ThinPlate":
        """The spline at one place of the first axis of many."""
        return ThinPlate(self.controls[index], self.weights[index])


def fit_thin_plate(controls: FloatArray, values: FloatArray, stiffness: FloatArray) -> ThinPlate:
    """Solve for the spline, or for many at once.

    Args:
        controls: `[..., N, 2]`.
        values: `[..., N, C]`.
        stiffness: `[N]` 0 to pass through the value, more to prefer smoothness there.
    """
    *many, count, _ = controls.shape
    system = np.zeros((*many, count + 3, count + 3))
    system[..., :count, :count] = _kernel(controls, controls) + np.diag(stiffness)
    system[..., :count, count] = system[..., count, :count] = 1
    system[..., :count, count + 1 :] = controls
    system[..., count + 1 :, :count] = np.swapaxes(controls, -1, -2)
    right = np.zeros((*many, count + 3, values.shape[-1]))
    right[..., :count, :] = values
    return ThinPlate(controls, np.linalg.solve(system, right))


def _kernel(points: FloatArray, controls: FloatArray) -> FloatArray:
    """r^2 log r^2 (twice the textbook's kernel; the weights absorb the factor), 0 at r = 0; `[..., M, N]`."""
    square, down = (points[..., axis, None] - controls[..., None, :, axis] for axis in (0, 1))
    square *= square
    down *= down
    square += down
    np.maximum(square, 1e-12, out=square)
    logarithm = np.log(square)
    logarithm *= square
    return np.asarray(logarithm)


@overload
def smooth_step(value: float, low: float = 0.0, high: float = 1.0) -> float: ...


@overload
def smooth_step(value: FloatArray, low: float = 0.0, high: float = 1.0) -> FloatArray: ...


def smooth_step(value: float | FloatArray, low: float = 0.0, high: float = 1.0) -> float | FloatArray:
    """0 up to `low`, 1 from `high`, with flat ends; one number gives one number, an array `[...]` gives `[...]`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    eased = share * share * (3 - 2 * share)
    return np.asarray(eased) if isinstance(value, np.ndarray) else float(eased)
