"""68 landmarks -> 15 more points over the forehead, by mirroring the jaw."""

import numpy as np

from talkface.landmarks.layout import JAW
from talkface.types import FloatArray

UPPER_FACE = np.arange(68, 83)  # as few-shot vid2vid counts them, from the left ear to the right one
UPPER_SHARE = 2 / 3  # a forehead is lower than a jaw


def upper_face(points: FloatArray) -> FloatArray:
    """Forehead points that no detector gives (few-shot vid2vid, Wang et al. 2019, face data).

    The jaw is mirrored at the line between its ends, at two thirds of its distance; as that line turns with the face,
    so do the points.

    Args:
        points: `[..., 68, 2]` landmarks in any 2-D space.

    Returns:
        `[..., 15, 2]` points 68 to 82, from the person's left ear over the forehead to the right one.
    """
    points = np.asarray(points, np.float64)
    start = points[..., JAW[0], :]
    along = points[..., JAW[-1], :] - start
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    down = np.stack([-along[..., 1], along[..., 0]], -1)
    mirrored = JAW[-2:0:-1]  # 15 .. 1: all but the ends, so that the outline goes on where the jaw's ends
    jaw = points[..., mirrored, :] - start[..., None, :]
    depth = (jaw * down[..., None, :]).sum(-1, keepdims=True)
    return np.asarray(points[..., mirrored, :] - (1 + UPPER_SHARE) * depth * down[..., None, :])


def with_upper_face(points: FloatArray) -> FloatArray:
    """`[..., 68, 2]` -> `[..., 83, 2]` with `upper_face` appended."""
    return np.concatenate([np.asarray(points, np.float64), upper_face(points)], -2)
