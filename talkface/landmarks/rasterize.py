"""Landmarks -> sketches: coloured lines for people to look at, filled mouth shapes for networks."""

from collections.abc import Sequence

import cv2
import numpy as np

from talkface.geometry.affine import transform
from talkface.landmarks.layout import (
    INNER_LIP,
    JAW,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIP,
    RIGHT_BROW,
    RIGHT_EYE,
)
from talkface.landmarks.upper_face import UPPER_FACE, with_upper_face
from talkface.types import FloatArray, Image

Indices = np.ndarray[tuple[int], np.dtype[np.signedinteger]]
_SHIFT = 4  # OpenCV draws at 1/16 of a pixel
_PARTS = (
    (JAW, False, (255, 255, 255)),
    (RIGHT_BROW, False, (90, 200, 90)),
    (LEFT_BROW, False, (90, 200, 90)),
    (NOSE_BRIDGE, False, (240, 180, 60)),
    (NOSE_BASE, False, (240, 180, 60)),
    (RIGHT_EYE, True, (90, 160, 255)),
    (LEFT_EYE, True, (90, 160, 255)),
    (OUTER_LIP, True, (255, 70, 70)),
    (INNER_LIP, True, (200, 70, 200)),
)
"""Indices of a part, whether its line closes, its colour."""


SKETCHES = ("lines", "lines_forehead", "edges", "edges_forehead")
"""Coloured straight lines (FSTH) or white curves (few-shot vid2vid), each without and with the forehead's outline, that
few-shot vid2vid draws unless told `--no_upper_face`."""

_CURVE_STEPS = 6  # points of a drawn curve between two landmarks


def face_sketch(landmarks: FloatArray, size: tuple[int, int], style: str = "lines") -> Image:
    """Line drawing of a face on black.

    Args:
        landmarks: `[68, 2]` pixels of the drawing.
        size: (width, height).
        style: one of `SKETCHES`.

    Returns:
        `[height, width, 3]`.
    """
    assert style in SKETCHES, f"style {style!r} is none of {', '.join(SKETCHES)}"
    curved, forehead = style.startswith("edges"), style.endswith("forehead")
    width, height = size
    canvas = np.zeros((height, width, 3), np.uint8)
    thickness = max(1, round(min(size) / (256 if curved else 160)))
    outline = (np.concatenate([JAW, UPPER_FACE]), True, _PARTS[0][2]) if forehead else _PARTS[0]
    points = with_upper_face(landmarks) if forehead else np.asarray(landmarks, np.float64)
    for indices, closed, colour in (outline, *_PARTS[1:]):
        line = _curve(points[indices], closed) if curved else points[indices]
        shade = (255, 255, 255) if curved else colour
        cv2.polylines(canvas, [_fixed_point(line)], closed, shade, thickness, cv2.LINE_AA, _SHIFT)
    return canvas


def _curve(points: FloatArray, closed: bool) -> FloatArray:
    """Smooth curve `[M, 2]` through `[N, 2]` points (Catmull and Rom 1974), which passes through each of them."""
    around = np.concatenate([points[-1:], points, points[:2]] if closed else [points[:1], points, points[-1:]])
    share = np.linspace(0, 1, _CURVE_STEPS, endpoint=False)[:, None, None]
    before, start, end, after = around[:-3], around[1:-2], around[2:-1], around[3:]
    pieces = 0.5 * (
        2 * start
        + (end - before) * share
        + (2 * before - 5 * start + 4 * end - after) * share**2
        + (3 * start - before - 3 * end + after) * share**3
    )
    curve = pieces.swapaxes(0, 1).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def mouth_sketch(landmarks: FloatArray, to_patch: FloatArray, size: int) -> Image:
    """What a network needs to know of a mouth, one thing per channel.

    Args:
        landmarks: `[68, 2]` pixels of the image.
        to_patch: `[2, 3]` map to pixels of the patch.
        size: side of the patch.

    Returns:
        `[size, size, 3]`: 0 the inner mouth filled, 1 lips and inner mouth filled, 2 lines of jaw, nose and lips.
    """
    return _channels(landmarks, to_patch, size, (OUTER_LIP,), (JAW, NOSE_BASE), (INNER_LIP,))


def face_patch_sketch(landmarks: FloatArray, to_patch: FloatArray, size: int) -> Image:
    """As `mouth_sketch` for a whole face: 1 has the eyes, too, 2 all lines of the face."""
    open_lines = (JAW, RIGHT_BROW, LEFT_BROW, NOSE_BRIDGE, NOSE_BASE)
    filled = (OUTER_LIP, RIGHT_EYE, LEFT_EYE)
    return _channels(landmarks, to_patch, size, filled, open_lines, (RIGHT_EYE, LEFT_EYE, INNER_LIP))


def _channels(
    landmarks: FloatArray,
    to_patch: FloatArray,
    size: int,
    filled: Sequence[Indices],
    open_lines: Sequence[Indices],
    closed_lines: Sequence[Indices],
) -> Image:
    """`[size, size, 3]`: 0 the inner mouth filled, 1 what else is filled, 2 lines."""
    points = transform(to_patch, np.asarray(landmarks, np.float64))
    canvas = np.zeros((3, size, size), np.uint8)
    for channel, areas in ((0, (INNER_LIP,)), (1, filled)):
        for indices in areas:
            cv2.fillPoly(canvas[channel], [_fixed_point(points[indices])], 255, cv2.LINE_AA, _SHIFT)
    for closed, lines in ((False, open_lines), (True, closed_lines)):
        for indices in lines:
            cv2.polylines(canvas[2], [_fixed_point(points[indices])], closed, 255, 1, cv2.LINE_AA, _SHIFT)
    return np.ascontiguousarray(canvas.transpose(1, 2, 0))


def _fixed_point(points: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)[:, None]
