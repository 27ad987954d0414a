"""Photo's and target's landmarks -> where each pixel of the frame comes from in the photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from talkface.geometry.affine import compose_affine, fit_similarity, invert, transform, upright_square
from talkface.geometry.resample import look_up
from talkface.geometry.spline import ThinPlate, fit_thin_plate, smooth_step
from talkface.landmarks.columns import Columns, eye_columns, lip_columns
from talkface.landmarks.layout import JAW, LEFT_EYE, NUM_LANDMARKS, RIGHT_EYE, STABLE, eye_angle, eye_distance
from talkface.landmarks.pose import head_camera, head_cameras, lift, mean_face_3d, project
from talkface.types import FloatArray, Image

SOFT = np.array([*range(37), 39, 42, 45, *range(48, 61), 64])
"""Points of the smooth part: all but the lids and the inner lips, which slide down columns."""


@dataclass(frozen=True)
class DeformSettings:
    """Where a motion of the face fades out around the head."""

    head_fade: float = 0.9  # width of the ring in which a small motion of the head fades out, in head radii
    # the same over how far the head moves, for a large one: hair in the ring stretches by its inverse
    fade_rate: float = 4.0
    soft_fade: tuple[float, float] = (1.15, 1.7)  # where jaw and cheeks stop pulling on neck and air, in head radii
    # head motion in outer-eye distances from which they count, and count in full: speech alone
    jaw_ends_from: tuple[float, float] = (0.01, 0.06)
    # also moves them a little, and must not move the head
    lids_reach: float = 2.4  # of the columns of an eye from its middle, in distances of its farthest landmark
    num_scalp: int = 9  # anchors along the outline of the hair
    scalp_depth: float = -0.6  # of that outline, about that of the ears, in mean-face units
    # outer-eye distances by which a turn must shift the scalp against the face before it counts
    scalp_rest: float = 0.03
    scalp_reach: float = 0.3  # and the most it may
    node_spacing: float = 0.12  # of the coarse lattice on which the smooth part is evaluated, in outer-eye distances


DEFORM = DeformSettings()


@dataclass(frozen=True)
class Deformation:
    """Backward map of one frame; lengths in pixels of the photo.

    Attributes:
        to_photo: `[2, 3]` similarity that undoes the head's motion, from the frame to the photo.
        ellipse: `[2, 3]` affine map under which the head's outline in the photo is the unit circle.
        fade: radii (inner, outer) under `ellipse` between which the head's motion fades to none.
        moved: how far the head's motion carries a landmark at most, in head radii.
        unit: outer-eye distance of the photo.
        spline: what the face adds to a place, both in `unit`s.
        columns: eyelids and lips, applied last.
    """

    to_photo: FloatArray
    ellipse: FloatArray
    fade: tuple[float, float]
    moved: float
    unit: float
    spline: ThinPlate
    columns: tuple[Columns, ...]

    def warp_patch(self, photo: Image, to_patch: FloatArray, size: tuple[int, int]) -> Image:
        """`[height, width, 3]` patch of (width, height) of the moved photo; `to_patch` `[2, 3]` maps from the frame."""
        to_frame = invert(to_patch)
        return look_up(photo, self.offsets(to_frame, size, rigid=True), to_frame)

    def offsets(self, to_frame: FloatArray, size: tuple[int, int], rigid: bool = False) -> FloatArray:
        """Offset from its own place at which each pixel of a lattice is looked up in the photo.

        Args:
            to_frame: `[2, 3]` map from lattice pixels to pixels of the frame.
            size: (width, height) of the lattice.
            rigid: let the head's motion go on outside the head, as for a patch of another shot, where no background
                has to stay.

        Returns:
            `[height, width, 2]` float32 pixels of the photo, exactly 0 where nothing moves.
        """
        width, height = size
        zoom = float(np.sqrt(abs(np.linalg.det(to_frame[:, :2]))))
        step = max(1, int(DEFORM.node_spacing * self.unit / zoom))
        fine = 4 if step >= 16 else 1  # pixels that a straight line bridges: between nodes so far apart it bends little
        step -= step % fine
        x, y = _nodes(width, step), _nodes(height, step)
        nodes = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
        smooth = self.smooth_offsets(transform(to_frame, nodes), rigid).reshape(len(y), len(x), 2)
        planes = np.empty((2, len(y) * step, len(x) * step), np.float32)
        between = (len(x) * step // fine, len(y) * step // fine)
        for plane, coarse in zip(planes, np.moveaxis(smooth, -1, 0), strict=True):
            finer = plane if fine == 1 else np.empty(between[::-1], np.float32)
            cv2.resize(coarse.copy(), between, dst=finer, interpolation=cv2.INTER_CUBIC)
            if fine > 1:
                cv2.resize(finer, plane.shape[::-1], dst=plane, interpolation=cv2.INTER_LINEAR)
        full = np.moveaxis(planes, 0, -1)[step // 2 :][:height, step // 2 :][:, :width]
        for part in self.columns:
            self._bend(full, part, to_frame, rigid)
        return full

    def smooth_offsets(self, places: FloatArray, rigid: bool = False) -> FloatArray:
        """Head motion and soft face at `[N, 2]` places of the frame, without lids and inner lips; float32."""
        head = transform(self.to_photo, places)
        radius = np.linalg.norm(transform(self.ellipse, head), axis=1)
        head_share = np.ones(len(radius)) if rigid else 1 - smooth_step(radius, *self.fade)
        still = places + head_share[:, None] * (head - places)
        soft_radius = np.linalg.norm(transform(self.ellipse, still), axis=1)
        soft_share = 1 - smooth_step(soft_radius, *DEFORM.soft_fade)
        offsets = np.asarray(still - places, np.float32)
        near = np.flatnonzero(soft_share)
        offsets[near] += soft_share[near, None] * (self.spline(still[near] / self.unit) * self.unit)
        return offsets

    def reach(self) -> FloatArray:
        """`[2, 2]` box (left top, right bottom) of the frame outside which nothing moves."""
        radius = max(self.fade[1], DEFORM.soft_fade[1])
        turn = np.linalg.inv(self.ellipse[:, :2])
        half = radius * np.linalg.norm(turn, axis=1)
        centre = -turn @ self.ellipse[:, 2]
        corners = centre + half * np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]])
        inverse = np.linalg.inv(self.to_photo[:, :2])
        moved = (corners - self.to_photo[:, 2]) @ inverse.T
        both = np.concatenate([corners, moved])
        return np.stack([both.min(0), both.max(0)])

    def _bend(self, full: FloatArray, part: Columns, to_frame: FloatArray, rigid: bool) -> None:
        """Add one lid's or the lips' shift to `full`, in place, inside the part's own box only."""
        height, width = full.shape[:2]
        frame_box = transform(invert(self.to_photo), part.corners())
        box = transform(invert(to_frame), frame_box)
        left, top = np.clip(np.floor(box.min(0)).astype(int), 0, (width, height))
        right, bottom = np.clip(np.ceil(box.max(0)).astype(int) + 1, 0, (width, height))
        if left >= right or top >= bottom:
            return
        across = np.arange(left, right, dtype=np.float32)
        down = np.arange(top, bottom, dtype=np.float32)[:, None]
        to_photo = compose_affine(self.to_photo, to_frame).astype(np.float32)
        x, y = (row[0] * across + row[1] * down + row[2] for row in to_photo)
        full[top:bottom, left:right] += part.shift_at(x, y)


class FaceDeformer:
    """One photo's landmarks, ready to be moved to any target's.

    The head moves as a whole by the similarity of its stable points; what that leaves over (jaw, cheeks, brows, outer
    lips) is a thin-plate spline with anchors around the face, at rest in the air and, on the hair, where a head that
    turns in depth takes them; lids and inner lips slide down columns, so that they shut and open without folding or
    tearing the spline.
    """

    def __init__(self, landmarks: FloatArray, camera: FloatArray | None = None) -> None:
        """Take `[68, 2]` landmarks of the photo, and its `head_camera` where that is known already."""
        self.landmarks = np.asarray(landmarks, np.float64)
        self.unit = eye_distance(self.landmarks)
        self.ellipse = head_ellipse(self.landmarks)
        self.anchors = self._anchors()
        self.camera = head_camera(self.landmarks) if camera is None else camera
        self.scalp = lift(self.camera, self.anchors[: DEFORM.num_scalp], DEFORM.scalp_depth)

    def toward(self, target: FloatArray) -> Deformation:
        """Deformation that shows the photo with `target` `[68, 2]` landmarks, pixels of the photo's frame."""
        return self.toward_all(np.asarray(target, np.float64)[None])[0]

    def toward_all(self, targets: FloatArray) -> list[Deformation]:
        """The same for many targets `[T, 68, 2]`, at a fraction of the time each."""
        return deform_each([self], targets)

    def _anchors(self) -> FloatArray:
        """`[N, 2]` points that the soft part holds: the outline of the hair, then a ring through neck and air."""
        return transform(invert(self.ellipse), _around_head())


@cache
def _around_head() -> FloatArray:
    """`[N, 2]` anchors where the head's outline is the unit circle."""
    scalp = np.linspace(1.02 * np.pi, 1.98 * np.pi, DEFORM.num_scalp)
    ring = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    polar = [(1.1, angle) for angle in scalp] + [(1.5, angle) for angle in ring]
    return np.array([(radius * np.cos(angle), radius * np.sin(angle)) for radius, angle in polar])


@cache
def _stiffness(anchors: int) -> FloatArray:
    """`[N]` of the soft points and of so many anchors."""
    stiffness = np.full(NUM_LANDMARKS, 2e-3)
    stiffness[[*JAW[:5], *JAW[12:]]] = 5e-2  # a detector lets these slide along the cheek
    stiffness[JAW[5:12]] = 1e-2
    return np.concatenate([stiffness[SOFT], np.zeros(anchors)])


def deform_each(
    photos: Sequence[FaceDeformer], targets: FloatArray, patches: FloatArray | None = None, size: int = 0
) -> list[Deformation]:
    """Deformation of each photo, or of the only photo every time, to its target.

    Args:
        photos: as many as targets, or a single one.
        targets: `[T, 68, 2]` landmarks, pixels of the photos' frames.
        patches: `[T, 2, 3]` maps from the frames to the only pixels that will be looked up, so that lids which
            cannot be seen there are left out; None keeps all.
        size: side of those patches in pixels.
    """
    targets = np.asarray(targets, np.float64)
    landmarks, ellipse, anchors = (
        np.stack(part) for part in zip(*((each.landmarks, each.ellipse, each.anchors) for each in photos), strict=True)
    )
    units = np.array([each.unit for each in photos])
    unit = units[:, None, None]
    to_photo = _undo_head(landmarks, unit[..., 0], targets)
    still = transform(to_photo, targets)
    moved = np.linalg.norm((targets - still) @ np.swapaxes(ellipse[..., :2], 1, 2), axis=-1).max(-1)
    turned = np.zeros((len(targets), *anchors.shape[1:]))
    turned[:, : DEFORM.num_scalp] = _turned_scalp(photos, unit, targets)
    controls = np.concatenate([still[:, SOFT], anchors + turned], 1) / unit
    offsets = np.concatenate([(landmarks - still)[:, SOFT], -turned], 1) / unit
    splines = fit_thin_plate(controls, offsets, _stiffness(anchors.shape[1]))
    missing = landmarks - still - splines(still / unit) * unit  # what columns still have to add
    lips = lip_columns(landmarks, still, missing, units[:, None])
    seen = np.ones(len(targets), bool) if patches is None else _lids_seen(still, to_photo, patches, size)
    lids: list[tuple[Columns, ...]] = [()] * len(targets)
    if seen.any():
        right = eye_columns(landmarks, still, missing, RIGHT_EYE, np.arange(17, 22))
        left = eye_columns(landmarks, still, missing, LEFT_EYE, np.arange(22, 27))
        lids = [both if shown else () for shown, both in zip(seen, zip(right, left, strict=True), strict=True)]
    every = list(photos) * len(targets) if len(photos) == 1 else photos
    return [
        Deformation(
            to_photo=to_photo[index],
            ellipse=photo.ellipse,
            fade=(1.0, 1.0 + max(DEFORM.head_fade, DEFORM.fade_rate * float(moved[index]))),
            moved=float(moved[index]),
            unit=photo.unit,
            spline=splines[index],
            columns=(*lids[index], lips[index]),
        )
        for index, photo in enumerate(every)
    ]


def _undo_head(landmarks: FloatArray, unit: FloatArray, targets: FloatArray) -> FloatArray:
    """`[T, 2, 3]` similarities that lay the targets' heads onto those of `landmarks` `[T or 1, 68, 2]`."""
    stable = fit_similarity(targets[:, STABLE], landmarks[:, STABLE])
    shift = np.linalg.norm(transform(stable, targets[:, STABLE]) - targets[:, STABLE], axis=-1)
    moved = shift.max(-1) / unit[:, 0]
    # the jaw's ends, beside the ears, tell a moving head from a turning one
    points = np.concatenate([STABLE, JAW[:4], JAW[13:]])
    weights = np.ones((len(targets), len(points)))
    weights[:, len(STABLE) :] = smooth_step(moved, *DEFORM.jaw_ends_from)[:, None]
    return fit_similarity(targets[:, points], landmarks[:, points], weights)


def _turned_scalp(photos: Sequence[FaceDeformer], unit: FloatArray, targets: FloatArray) -> FloatArray:
    """`[T, DEFORM.num_scalp, 2]` shift of the hair's outline against the face, as of a head that turns in depth."""
    own, scalp = np.stack([each.camera for each in photos]), np.stack([each.scalp for each in photos])
    cameras, model = head_cameras(targets), mean_face_3d()[STABLE]
    undo = fit_similarity(project(cameras, model), project(own, model))
    shift = transform(undo, project(cameras, scalp)) - np.stack([each.anchors[: DEFORM.num_scalp] for each in photos])
    length = np.linalg.norm(shift, axis=-1, keepdims=True) / unit
    counted = np.clip(length - DEFORM.scalp_rest, 0, DEFORM.scalp_reach)
    return np.asarray(shift * counted / np.maximum(length, 1e-9))


def _lids_seen(still: FloatArray, to_photo: FloatArray, patches: FloatArray, size: int) -> npt.NDArray[np.bool_]:
    """`[T]` whether columns of a lid may reach into the patch: circles around them, wide enough for every blink."""
    zoom = np.sqrt(np.abs(np.linalg.det(patches[:, :, :2]) / np.linalg.det(to_photo[:, :, :2])))
    to_frame, seen = invert(to_photo), np.zeros(len(still), bool)
    for eye in (RIGHT_EYE, LEFT_EYE):
        points = still[:, eye]
        middle = points.mean(1, keepdims=True)
        reach = zoom * (DEFORM.lids_reach * np.linalg.norm(points - middle, axis=-1).max(1))
        place = transform(patches, transform(to_frame, middle))[:, 0]
        seen |= np.linalg.norm(place - np.clip(place, 0, size - 1), axis=1) <= reach
    return seen


def head_ellipse(landmarks: FloatArray) -> FloatArray:
    """`[2, 3]` map under which the head's outline (with hair and ears, judged from the face) is the unit circle."""
    unit = eye_distance(landmarks)
    turn = upright_square(np.zeros(2), eye_angle(landmarks), 1.0, 1)  # photo -> upright, same scale
    upright = transform(turn, landmarks)
    left, right = upright[:27, 0].min(), upright[:27, 0].max()
    chin, brow = upright[JAW, 1].max(), upright[17:27, 1].min()
    top = brow - 0.75 * max(chin - brow, unit)
    bottom = chin + 0.12 * unit
    half_height = 0.5 * (bottom - top)
    half_width = max(0.5 * (right - left) + 0.25 * unit, 0.72 * half_height)
    centre = np.array([0.5 * (left + right), 0.5 * (top + bottom)])
    zoom = np.diag([1 / half_width, 1 / half_height])
    return np.hstack([zoom @ turn[:, :2], (zoom @ (turn[:, 2] - centre))[:, None]])


def _nodes(size: int, step: int) -> FloatArray:
    """Places of nodes, `step` pixels apart, from the first of `size` pixels or before it to the last or beyond.

    Each stands in the middle of `step` pixels, as `cv2.resize` takes it, of which the first begin at `-(step // 2)`.
    """
    first = 0.5 * (step - 1) - step // 2
    return first + step * np.arange(int(np.ceil((size - 1 - first) / step)) + 1)
