"""Lids and inner lips, photo's and target's -> shifts down columns that can shut an opening."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from talkface.geometry.spline import smooth_step
from talkface.types import FloatArray

COUNT = 65  # columns from corner to corner and a margin beyond
IntArray = npt.NDArray[np.integer]


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

    def shift_at(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """`[..., 2]` float32 shifts at places of the photo's plane, given as `[...]` float32 each way."""
        x, y = x - np.float32(self.origin[0]), y - np.float32(self.origin[1])
        along, across = (np.float32(part) for part in self.along)
        column = np.clip((along * x + across * y) / np.float32(self.spacing), 0, np.float32(COUNT - 1.001))
        depth = along * y - across * x
        low = column.astype(np.intp)
        share = column - low.astype(np.float32)
        knots = np.concatenate([self.depths[None], np.moveaxis(self.shifts, -1, 0)]).astype(np.float32)  # [3, K, N]
        slopes = np.diff(knots)

        def at(knot: int) -> FloatArray:
            """`[3, ...]` depth and shift of a knot at every place; few are held at a time, for the sake of caches."""
            rise = slopes[:, knot].take(low, axis=-1)
            rise *= share
            rise += knots[:, knot].take(low, axis=-1)
            return rise

        moved, above = np.zeros((2, *x.shape), np.float32), at(0)
        for knot in range(1, len(self.depths)):
            below = at(knot)
            passed = (depth - above[0]) / np.maximum(below[0] - above[0], np.float32(1e-3))
            moved += (below[1:] - above[1:]) * np.clip(passed, 0, 1)
            above = below
        return np.moveaxis(moved, 0, -1)


def eye_columns(
    source: FloatArray, target: FloatArray, missing: FloatArray, eye: IntArray, brow: IntArray
) -> list[Columns]:
    """Upper lid slides over the eye, which stands still: a strip of skin above the lid stretches, the eye is covered.

    Knots: start of the strip, lashes, lid edge, top and bottom of what shows of the eye, lower lid edge, its end.

    Args:
        source: `[T or 1, 68, 2]` the photos' landmarks.
        target: `[T, 68, 2]` the targets', head motion undone.
        missing: `[T, 68, 2]` shift that the smooth part leaves to be added at each landmark.
        eye: indices of corner, two upper lid points, corner, two lower lid points in backward order.
        brow: indices of the brow above.
    """
    upper_row, lower_row = eye[[0, 1, 2, 3]], eye[[0, 5, 4, 3]]
    frame = _Frames(target[:, eye[0]], target[:, eye[3]], margin=0.3)
    upper, lower = frame.arc(target, missing, upper_row), frame.arc(target, missing, lower_row)
    opening = frame.opening(upper, lower)
    photo_upper, photo_lower = frame.arc(source, missing, upper_row), frame.arc(source, missing, lower_row)
    photo_opening = frame.opening(photo_upper, photo_lower)
    length, down = frame.length[:, None], frame.down[:, None]
    shut = frame.inside * np.clip(1 - opening / np.maximum(photo_opening, 1e-3), 0, 1)
    up = upper[..., 1:] - down * (0.04 * length * shut)[..., None]  # no white of the eye left over
    low = lower[..., 1:] + down * (0.08 * length * shut)[..., None]
    wider = np.maximum(opening - photo_opening, 0)  # only then is the eye stretched: it stands still behind its lids
    # where the smooth part moves the upper lid's place unlike the lower's, as brows do, the eye must not follow
    shifted = [frame.arc(target, source - target, row)[..., 1:] for row in (upper_row, lower_row)]
    behind = upper[..., 1:] + shifted[1] - shifted[0] + down * wider[..., None]
    rim = lower[..., 0]
    lid = upper[..., 0] + opening * np.clip((shut - 0.6) / 0.25, 0, 1)  # lids that nearly meet hide the whole eye
    lash = lid - 0.09 * length  # the lashes ride on the lid's edge unstretched
    lines = zip(frame.x, frame.local(target[:, brow]), strict=True)
    brows = np.stack([np.interp(x, line[:, 0], line[:, 1]) for x, line in lines])
    room = 0.28 * (photo_upper[..., 0] - brows)
    room = np.clip(room, 0.12 * length, 0.3 * length)  # brow and rims of glasses stay where they are
    start = np.minimum(photo_upper[..., 0], lid) - room
    still = np.zeros_like(up)
    depths = [start, lash, lid, lid, rim, rim, rim + 0.4 * length]
    shifts = [still, up, up, behind, lower[..., 1:], low, still]
    quarter = COUNT // 4
    return frame.columns(depths, shifts, np.median(shut[:, quarter:-quarter], axis=1))


def lip_columns(source: FloatArray, target: FloatArray, missing: FloatArray, unit: FloatArray) -> list[Columns]:
    """Inner lips slide within the lips: opening parts them at the lip line, shutting slides the lower over the teeth.

    The upper teeth belong to the skull: they stay below the upper lip at their own size and the lower lip covers them.
    Knots: upper lip's edge, its inner edge twice, lower lip's inner edge twice, its edge.
    `unit` `[T or 1, 1]` is the photos' outer-eye distance; the rest as `eye_columns`.
    """
    frame = _Frames(target[:, 48], target[:, 54], margin=0.1)
    inner_rows, outer_rows = (np.arange(60, 65), [60, 67, 66, 65, 64]), (np.arange(48, 55), [48, *range(59, 53, -1)])
    upper, lower = (frame.curve(target, missing, row) for row in inner_rows)
    top, bottom = (frame.curve(target, missing, row) for row in outer_rows)
    opening = frame.opening(upper, lower)
    photo_upper, photo_lower = (frame.curve(source, missing, row) for row in inner_rows)
    photo_opening = frame.opening(photo_upper, photo_lower)
    down = frame.down[:, None]
    closing = np.clip((photo_opening - opening) / (0.06 * unit), 0, 1) * np.minimum(3 * frame.inside, 1)
    gap = opening / unit
    # lips at rest are found up to .02 apart, which in a smile would bare a line of teeth
    shut = closing * unit * np.clip(np.minimum(0.02, 0.03 - 0.5 * gap), 0, gap)
    lower[..., 0] -= shut
    lower[..., 1:] += down * shut[..., None]
    hide = (0.03 * unit * closing)[..., None]  # of each lip's edge: landmarks leave some of the teeth beyond them
    up = upper[..., 1:] - down * hide
    low = lower[..., 1:] + down * hide
    # an upper lip that comes down slides over the teeth, which stay with the skull
    risen, dropped = (frame.curve(target, source - target, row)[..., 1:] for row in inner_rows)
    covered = np.clip(-(risen * down).sum(-1), 0, np.maximum(photo_opening - opening, 0))
    behind = upper[..., 1:] + down * covered[..., None]
    missing_depth = np.maximum(opening - photo_opening, 0)  # of the mouth's inside, which only then is stretched
    # the smooth part moves the lower lip's place unlike the upper's, which the teeth must not follow
    inner = lower[..., 1:] + risen - dropped + down * (covered - missing_depth)[..., None]
    still = np.zeros_like(up)
    depths = [top[..., 0], upper[..., 0], upper[..., 0], lower[..., 0], lower[..., 0], bottom[..., 0]]
    closed = np.median((closing * (1 - smooth_step(gap, 0.03, 0.07)))[:, COUNT // 4 : -COUNT // 4], axis=1)
    return frame.columns(depths, [still, up, behind, inner, low, still], closed)


class _Frames:
    """Columns along the lines between pairs of corners."""

    def __init__(self, start: FloatArray, end: FloatArray, margin: float) -> None:
        """Take `[T, 2]` corners on the left and right, and how far columns go beyond, in lengths of the line."""
        self.length = np.maximum(np.linalg.norm(end - start, axis=1), 1e-2)
        self.along = (end - start) / self.length[:, None]
        self.down = np.stack([-self.along[:, 1], self.along[:, 0]], 1)
        self.origin = start - margin * self.length[:, None] * self.along
        self.spacing = self.length * (1 + 2 * margin) / (COUNT - 1)
        self.x = np.arange(COUNT) * self.spacing[:, None]
        length = self.length[:, None]
        inner = np.minimum(self.x - margin * length, (1 + margin) * length - self.x)
        self.inside = np.clip(inner / (0.12 * length), 0, 1)  # 0 at and beyond the corners

    def local(self, points: FloatArray) -> FloatArray:
        """(pixels along, pixels down) of `[N, 2]` or `[T, N, 2]` points."""
        return np.asarray((points - self.origin[:, None]) @ np.stack([self.along, self.down], -1))

    def curve(self, points: FloatArray, shifts: FloatArray, row: IntArray | Sequence[int]) -> FloatArray:
        """`[T, COUNT, 3]` depth and shift at each column of the rounded line through the landmarks of `row`."""
        path = _rounder(len(row)) @ self._path(points, shifts, row)
        order = np.maximum.accumulate(path[..., 0], axis=1)
        values = np.empty((len(path), COUNT, 3))
        for index, x in enumerate(self.x):
            for axis in range(3):
                values[index, :, axis] = np.interp(x, order[index], path[index, :, axis + 1])
        return self._fading(values)

    def arc(self, points: FloatArray, shifts: FloatArray, row: IntArray) -> FloatArray:
        """As `curve`, but the parabola next to the landmarks: a lid has no kinks, a detector's four points do."""
        path = self._path(points, shifts, row)
        basis = _powers(path[..., 0] / self.length[:, None])
        weighted = np.swapaxes(basis, 1, 2) * np.array([9.0, 1.0, 1.0, 9.0])  # corners are found best
        fit = np.linalg.solve(weighted @ basis + 1e-9 * np.eye(3), weighted @ path[..., 1:])
        ends = np.clip(self.x, path[:, :1, 0], path[:, -1:, 0])
        return self._fading(np.asarray(_powers(ends / self.length[:, None]) @ fit))

    def _path(self, points: FloatArray, shifts: FloatArray, row: IntArray | Sequence[int]) -> FloatArray:
        """`[T, R, 4]` places along and down, and shifts, of the landmarks of `row`."""
        return np.concatenate([self.local(points[..., row, :]), shifts[:, row]], -1)

    def _fading(self, values: FloatArray) -> FloatArray:
        """Values whose shifts are 0 at and beyond the corners."""
        values[..., 1:] *= np.minimum(4 * self.inside, 1)[..., None]
        return values

    def opening(self, upper: FloatArray, lower: FloatArray) -> FloatArray:
        """`[T, COUNT]` gap; curves that cross are made to touch at their middle, in place, with one shift each kept."""
        middle = 0.5 * (upper[..., 0] + lower[..., 0])
        upper[..., 0] = np.minimum(upper[..., 0], middle)
        lower[..., 0] = np.maximum(lower[..., 0], middle)
        return np.asarray(lower[..., 0] - upper[..., 0])

    def columns(self, depths: list[FloatArray], shifts: list[FloatArray], shut: FloatArray) -> list[Columns]:
        """Columns with knots at `depths`, put into order where landmarks cross."""
        ordered = np.maximum.accumulate(np.stack(depths, 1), axis=1)
        parts = zip(self.origin, self.along, self.spacing, ordered, np.stack(shifts, 1), shut, strict=True)
        return [
            Columns(origin, along, float(spacing), depth, shift, float(share))
            for origin, along, spacing, depth, shift, share in parts
        ]


def _powers(x: FloatArray) -> FloatArray:
    """`[..., 3]` squares, values and ones."""
    return np.stack([x * x, x, np.ones_like(x)], -1)


@lru_cache(maxsize=8)
def _rounder(count: int) -> FloatArray:
    """`[(count - 1) * rounding + 1, count]` Catmull-Rom weights that round a polyline through its points."""
    padded = np.vstack(
        [2 * np.eye(count)[0] - np.eye(count)[1], np.eye(count), 2 * np.eye(count)[-1] - np.eye(count)[-2]]
    )
    rows = []
    rounding = 8  # points per stretch between two landmarks of a curve
    for stretch in range(count - 1):
        a, b, c, d = padded[stretch : stretch + 4]
        for t in np.arange(rounding) / rounding:
            rows.append(
                0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            )
    return np.array([*rows, np.eye(count)[-1]])
