"""Landmarks -> sketches: coloured lines for people to look at, filled mouth shapes for networks."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from talkface.geometry.affine import transform
from talkface.geometry.matte import polygon_mask
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
from talkface.landmarks.sketch_styles import SKETCHES, Indices, SketchStyle, sketch_style
from talkface.landmarks.upper_face import with_upper_face
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class PenSettings:
    """Widths of the pens, and the grids that they are drawn on."""

    shift: int = 4  # OpenCV draws at 1/16 of a pixel
    fine: int = 8  # times as many pixels in which a plotted line is filled before it is averaged
    plotted: float = 2 * 100 / 72  # width in pixels of 2 points at 100 dots per inch
    hard: int = 2  # pixels
    pillow: int = 3  # pixels


PEN = PenSettings()


def face_sketch(landmarks: FloatArray, size: tuple[int, int], style: str = "lines") -> Image:
    """Line drawing of a face.

    Args:
        landmarks: `[68, 2]` pixels of the drawing.
        size: (width, height).
        style: a name of `sketch_styles`.

    Returns:
        `[height, width, 3]`.
    """
    look = sketch_style(style)
    assert look is not None, f"style {style!r} is none of {', '.join(SKETCHES)}"
    points = with_upper_face(landmarks) if look.forehead else np.asarray(landmarks, np.float64)
    if look.pen == "matplotlib":
        return _plotted(points, size, look)
    if look.pen == "pillow":
        return _with_pillow(points, size, look)
    canvas = _blank(size, look)
    hard = look.pen == "hard"
    corners = np.round(points).astype(np.int32)[:, None] if hard else _fixed_point(points)
    width = PEN.hard if hard else max(1, round(min(size) / (256 if look.pen == "curved" else 160)))
    how = (cv2.LINE_8, 0) if hard else (cv2.LINE_AA, PEN.shift)
    for (colour, closed), parts in itertools.groupby(look.parts, lambda part: (part.colour, part.closed)):
        curved = look.pen == "curved"
        lines = [_fixed_point(_curve(points[p.points], closed)) if curved else corners[p.points] for p in parts]
        cv2.polylines(canvas, lines, closed, colour, width, *how)
    return canvas


def _blank(size: tuple[int, int], look: SketchStyle) -> Image:
    grey = len(set(look.background)) == 1  # a single number is filled in 20 times as fast
    return np.full((size[1], size[0], 3), look.background[0] if grey else look.background, np.uint8)


def _plotted(points: FloatArray, size: tuple[int, int], look: SketchStyle) -> Image:
    """As matplotlib's Agg draws lines of 2 points at 100 dots per inch: round joins, ends longer by half the width."""
    canvas = _blank(size, look)
    for part in look.parts:
        line = _snapped(points[part.points])
        low = np.clip(np.floor(line.min(0) - PEN.plotted).astype(int), 0, size)
        high = np.clip(np.ceil(line.max(0) + PEN.plotted).astype(int) + 1, 0, size)
        if (high <= low).any():
            continue
        drawn = _plotted_line((line - low + 0.5) * PEN.fine - 0.5, PEN.fine * (high - low))
        width, height = (high - low).tolist()
        share = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)[..., None] / np.float32(255)
        under = canvas[low[1] : high[1], low[0] : high[0]]
        under[:] = np.round(under + (np.array(part.colour, np.float32) - under) * share)
    return canvas


def _plotted_line(line: FloatArray, size: Indices) -> Image:
    """`[height, width]`, 255 inside a line in fine pixels; OpenCV fills half a fine pixel too much on each side."""
    filled = np.zeros((size[1], size[0]), np.uint8)
    half = 0.5 * (PEN.fine * PEN.plotted - 1)
    for place, (start, end) in enumerate(itertools.pairwise(line)):
        along = half * (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
        across = np.array([-along[1], along[0]])
        first = start - along * (place == 0)
        last = end + along * (place == len(line) - 2)
        bar = np.array([first - across, first + across, last + across, last - across])
        cv2.fillConvexPoly(filled, _fixed_point(bar), 255, cv2.LINE_8, PEN.shift)
        if place:
            x, y = _fixed_point(start[None])[0, 0].tolist()
            cv2.circle(filled, (x, y), round(half * (1 << PEN.shift)), 255, cv2.FILLED, cv2.LINE_8, PEN.shift)
    return filled


def _snapped(line: FloatArray) -> FloatArray:
    """Points as matplotlib moves them to whole pixels where all pieces of a line are upright or level."""
    straight = (np.abs(np.diff(line, axis=0)) < 1e-4).any(1).all()
    return np.floor(line + 1) if straight else line


def _with_pillow(points: FloatArray, size: tuple[int, int], look: SketchStyle) -> Image:
    from PIL import Image as Picture
    from PIL import ImageDraw

    picture = Picture.new("RGB", size, look.background)
    draw = ImageDraw.Draw(picture)
    for part in look.parts:
        draw.line([tuple(point) for point in points[part.points].tolist()], part.colour, PEN.pillow)
    return np.asarray(picture, np.uint8).copy()


def _curve(points: FloatArray, closed: bool) -> FloatArray:
    """Smooth curve `[M, 2]` through `[N, 2]` points (Catmull and Rom 1974), which passes through each of them."""
    around = np.concatenate([points[-1:], points, points[:2]] if closed else [points[:1], points, points[-1:]])
    curve_steps = 6  # points of a drawn curve between two landmarks
    share = np.linspace(0, 1, curve_steps, endpoint=False)[:, None, None]
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
    """Masks of a mouth for a network, one per channel.

    Args:
        landmarks: `[68, 2]` pixels of the image.
        to_patch: `[2, 3]` map to pixels of the patch.
        size: side of the patch.

    Returns:
        `[size, size, 3]`: 0 the inner mouth filled, 1 lips and inner mouth filled, 2 lines of jaw, nose and lips.
    """
    return _channels(landmarks, to_patch, size, (OUTER_LIP,), (JAW, NOSE_BASE), (INNER_LIP,))


def filled_mouth(landmarks: FloatArray, to_patch: FloatArray, size: int) -> Image:
    """`[size, size]` first channel of `mouth_sketch`: the inner mouth filled."""
    return polygon_mask(transform(to_patch, np.asarray(landmarks, np.float64))[INNER_LIP], (size, size))


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
            polygon_mask(points[indices], (size, size), onto=canvas[channel])
    for closed, lines in ((False, open_lines), (True, closed_lines)):
        for indices in lines:
            cv2.polylines(canvas[2], [_fixed_point(points[indices])], closed, 255, 1, cv2.LINE_AA, PEN.shift)
    return np.ascontiguousarray(canvas.transpose(1, 2, 0))


def _fixed_point(points: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.round(points * (1 << PEN.shift)).astype(np.int32)[:, None]
