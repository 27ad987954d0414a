"""Lids and inner lips, photo's and target's -> shifts down columns that can shut an opening."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from talkface.landmarks.frames import eye_distance
from talkface.types import FloatArray

COUNT = 65  # columns from corner to corner and a margin beyond
IntArray = npt.NDArray[np.integer]
ROUNDING = 8  # points per stretch between two landmarks of a curve


@dataclass(frozen=True)
class Columns:
    """A shift that is piecewise linear down every column between K knots; two knots at one depth make a clean cut.

    Attributes:
        origin: `[2]` place in the photo of column 0, depth 0.
        along: `[2]` unit vector across the columns; depth grows to its right-hand side, down the face.
        spacing: pixels between columns.
        depths: `[K, N]` pixels, not falling with k.
        shifts: `[K, N, 2]` pixels of the photo, 0 at the first and last knot.
        shut: how much of the photo's opening is gone, 0 to 1.
    """

    origin: FloatArray
    along: FloatArray
    spacing: float
    depths: FloatArray
    shifts: FloatArray
    shut: float = 0.0

    def band(self, first: int, last: int) -> FloatArray:
        """`[2 N, 2]` outline in the photo's plane of the band between two knots."""
        x = (np.arange(COUNT) * self.spacing)[:, None] * self.along + self.origin
        down = np.array([-self.along[1], self.along[0]])
        upper, lower = (x + self.depths[knot][:, None] * down for knot in (first, last))
        return np.concatenate([upper, lower[::-1]])

    def corners(self) -> FloatArray:
        """`[4, 2]` corners of the part of the photo's plane that the columns move."""
        far = (COUNT - 1) * self.spacing
        down = np.array([-self.along[1], self.along[0]])
        top, bottom = self.depths[0].min(), self.depths[-1].max()
        return np.array([self.origin + x * self.along + y * down for x in (0, far) for y in (top, bottom)])

    def shift_at(self, places: FloatArray) -> FloatArray:
        """`[M, 2]` float32 shifts at `[M, 2]` places."""
        turn = np.array([[self.along[0], -self.along[1]], [self.along[1], self.along[0]]], np.float32)
        local = (places - self.origin.astype(np.float32)) @ turn
        column = np.clip(local[:, 0] / np.float32(self.spacing), 0, COUNT - 1.001)
        table = np.concatenate([self.depths[..., None], self.shifts], -1).astype(np.float32)  # [K, N, 3]
        low = column.astype(np.intp)
        share = (column - low)[None, :, None]
        knots = table[:, low] * (1 - share) + table[:, low + 1] * share  # [K, M, 3]
        gaps = np.maximum(np.diff(knots[..., 0], axis=0), 1e-3)
        passed = np.clip((local[None, :, 1] - knots[:-1, :, 0]) / gaps, 0, 1)  # [K - 1, M]
        return np.asarray(np.einsum("km,kmc->mc", passed, np.diff(knots[..., 1:], axis=0)))


def eye_columns(source: FloatArray, target: FloatArray, missing: FloatArray, eye: IntArray, brow: IntArray) -> Columns:
    """Upper lid slides over the eye, which stands still: a strip of skin above the lid stretches, the eye is covered.

    Knots: start of the strip, lashes, lid edge, top and bottom of what shows of the eye, lower lid edge, its end.

    Args:
        source: `[68, 2]` the photo's landmarks.
        target: `[68, 2]` the target's, head motion undone.
        missing: `[68, 2]` shift that the smooth part leaves to be added at each landmark.
        eye: indices of corner, two upper lid points, corner, two lower lid points in backward order.
        brow: indices of the brow above.
    """
    upper_row, lower_row = eye[[0, 1, 2, 3]], eye[[0, 5, 4, 3]]
    frame = _Frame(target[eye[0]], target[eye[3]], margin=0.3)
    upper, lower = frame.arc(target, missing, upper_row), frame.arc(target, missing, lower_row)
    opening = frame.opening(upper, lower)
    photo_upper, photo_lower = frame.arc(source, missing, upper_row), frame.arc(source, missing, lower_row)
    photo_opening = frame.opening(photo_upper, photo_lower)
    shut = frame.inside * np.clip(1 - opening / np.maximum(photo_opening, 1e-3), 0, 1)
    up = upper[:, 1:] - frame.down * (0.04 * frame.length * shut)[:, None]  # no white of the eye left over
    low = lower[:, 1:] + frame.down * (0.08 * frame.length * shut)[:, None]
    wider = np.maximum(opening - photo_opening, 0)  # only then is the eye stretched: it stands still behind its lids
    behind = lower[:, 1:] + frame.down * wider[:, None]
    rim = lower[:, 0]
    lid = upper[:, 0] + opening * np.clip((shut - 0.6) / 0.25, 0, 1)  # lids that nearly meet hide the whole eye
    lash = lid - 0.09 * frame.length  # the lashes ride on the lid's edge unstretched
    brow_line = frame.local(target[brow])
    room = photo_upper[:, 0] - np.interp(frame.x, brow_line[:, 0], brow_line[:, 1])
    room = np.clip(0.28 * room, 0.12 * frame.length, 0.3 * frame.length)  # brow and rims of glasses stay where they are
    start = np.minimum(photo_upper[:, 0], lid) - room
    still = np.zeros_like(up)
    depths = [start, lash, lid, lid, rim, rim, rim + 0.4 * frame.length]
    shifts = [still, up, up, behind, lower[:, 1:], low, still]
    return frame.columns(depths, shifts, float(np.median(shut[shut.size // 4 : -shut.size // 4])))


def lip_columns(source: FloatArray, target: FloatArray, missing: FloatArray) -> Columns:
    """Inner lips slide within the lips: opening parts them at the lip line, shutting slides the lower over the teeth.

    The upper teeth belong to the skull: they stay below the upper lip at their own size and the lower lip covers them.
    """
    frame = _Frame(target[48], target[54], margin=0.1)
    unit = eye_distance(source)
    upper, lower = frame.curve(target, missing, np.arange(60, 65)), frame.curve(target, missing, [60, 67, 66, 65, 64])
    top, bottom = (
        frame.curve(target, missing, np.arange(48, 55)),
        frame.curve(target, missing, [48, *range(59, 53, -1)]),
    )
    opening = frame.opening(upper, lower)
    photo_upper, photo_lower = (frame.curve(source, missing, row) for row in (np.arange(60, 65), [60, 67, 66, 65, 64]))
    photo_opening = frame.opening(photo_upper, photo_lower)
    hide = np.clip((photo_opening - opening) / (0.06 * unit), 0, 1) * frame.inside * 0.012 * unit
    up = upper[:, 1:] - frame.down * hide[:, None]
    low = lower[:, 1:] + frame.down * hide[:, None]
    missing_depth = np.maximum(opening - photo_opening, 0)  # of the mouth's inside, which only then is stretched
    inner = upper[:, 1:] - frame.down * missing_depth[:, None]
    still = np.zeros_like(up)
    depths = [top[:, 0], upper[:, 0], upper[:, 0], lower[:, 0], lower[:, 0], bottom[:, 0]]
    return frame.columns(depths, [still, up, upper[:, 1:], inner, low, still])


class _Frame:
    """Columns along the line between two corners."""

    def __init__(self, start: FloatArray, end: FloatArray, margin: float) -> None:
        self.length = max(float(np.linalg.norm(end - start)), 1e-2)
        self.along = (end - start) / self.length
        self.down = np.array([-self.along[1], self.along[0]])
        self.origin = start - margin * self.length * self.along
        self.spacing = self.length * (1 + 2 * margin) / (COUNT - 1)
        self.x = np.arange(COUNT) * self.spacing
        inner = np.minimum(self.x - margin * self.length, (1 + margin) * self.length - self.x)
        self.inside = np.clip(inner / (0.12 * self.length), 0, 1)  # 0 at and beyond the corners

    def local(self, points: FloatArray) -> FloatArray:
        """(pixels along, pixels down) of `[N, 2]` points."""
        return np.asarray((points - self.origin) @ np.stack([self.along, self.down], 1))

    def curve(self, points: FloatArray, shifts: FloatArray, row: IntArray | Sequence[int]) -> FloatArray:
        """`[COUNT, 3]` depth and shift at each column of the rounded line through the landmarks of `row`."""
        path = np.concatenate([self.local(points[row]), shifts[row]], 1)
        path = _rounder(len(path)) @ path
        order = np.maximum.accumulate(path[:, 0])
        values = np.stack([np.interp(self.x, order, path[:, axis]) for axis in (1, 2, 3)], 1)
        values[:, 1:] *= np.minimum(4 * self.inside, 1)[:, None]
        return values

    def arc(self, points: FloatArray, shifts: FloatArray, row: IntArray) -> FloatArray:
        """As `curve`, but the parabola next to the landmarks: a lid has no kinks, a detector's four points do."""
        path = np.concatenate([self.local(points[row]), shifts[row]], 1)
        basis = np.vander(path[:, 0] / self.length, 3)
        weights = np.array([3.0, 1.0, 1.0, 3.0])[:, None]  # corners are found best
        fit = np.linalg.lstsq(basis * weights, path[:, 1:] * weights, rcond=None)[0]
        ends = np.clip(self.x, path[0, 0], path[-1, 0])
        values = np.asarray(np.vander(ends / self.length, 3) @ fit)
        values[:, 1:] *= np.minimum(4 * self.inside, 1)[:, None]
        return values

    def opening(self, upper: FloatArray, lower: FloatArray) -> FloatArray:
        """`[COUNT]` gap; curves that cross are made to touch at their middle, in place, with one shift each kept."""
        middle = 0.5 * (upper[:, 0] + lower[:, 0])
        upper[:, 0] = np.minimum(upper[:, 0], middle)
        lower[:, 0] = np.maximum(lower[:, 0], middle)
        return np.asarray(lower[:, 0] - upper[:, 0])

    def columns(self, depths: list[FloatArray], shifts: list[FloatArray], shut: float = 0.0) -> Columns:
        """Columns with knots at `depths`, put into order where landmarks cross."""
        ordered = np.maximum.accumulate(np.stack(depths), axis=0)
        return Columns(self.origin, self.along, self.spacing, ordered, np.stack(shifts), shut)


@lru_cache(maxsize=8)
def _rounder(count: int) -> FloatArray:
    """`[(count - 1) * ROUNDING + 1, count]` Catmull-Rom weights that round a polyline through its points."""
    padded = np.vstack(
        [2 * np.eye(count)[0] - np.eye(count)[1], np.eye(count), 2 * np.eye(count)[-1] - np.eye(count)[-2]]
    )
    rows = []
    for stretch in range(count - 1):
        a, b, c, d = padded[stretch : stretch + 4]
        for t in np.arange(ROUNDING) / ROUNDING:
            rows.append(
                0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            )
    return np.array([*rows, np.eye(count)[-1]])
