"""Warped frame, lids' columns -> frame whose shutting lids have skin, a crease and lashes.

A warp covers the eye by stretching the short strip of skin above it: streaks of lashes, no texture, no lash line. Here
that strip is evened out, gets the fine detail of the skin below the eye, a fold's shadow and the dark edge that
the open eye's own upper lid has.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.errors import ConfigError
from talkface.geometry.affine import invert, transform
from talkface.geometry.resample import pixel_box
from talkface.landmarks.columns import COUNT, Columns
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class LidSettings:
    """Light and shade of closed lids."""

    light: float = 0.95  # a shut lid's light over that of the skin below the eye, at least
    skin_percentile: int = 60  # of the pixels below the eye, by channel, that is its skin
    # share of the opening that is shut from which a lid is redrawn, and wholly so
    shaded: tuple[float, float] = (0.25, 0.75)
    longest_tile: float = 0.22  # of the eye's length: skin below the eye that lends its detail
    detail_limit: float = 10.0  # grey levels: larger steps are the rim of glasses or hair, not skin
    crease_shade: float = 0.08  # share of its light that a lid loses where it folds and towards its edge
    edge_shade: float = 0.10
    bulge_light: float = 0.06  # share that it gains in the middle, where the eyeball bulges, and loses at the corners
    lash_width: float = 0.022  # of the eye's length, standard deviation of the lash line across
    lash_strength: float = 0.85  # of that line in its middle
    eye_shade: float = 0.5  # share of its light that what still shows of the eye loses under a lid that is nearly shut
    lash_light: float = 0.62  # light of the lash line over that of the skin around it, at most

    def __post_init__(self) -> None:
        if self.skin_percentile > 100:
            raise ConfigError(f"invalid lids.skin_percentile {self.skin_percentile}: expected at most 100")


LIDS = LidSettings()


@dataclass(frozen=True)
class EyePatch:
    """Pixels around one eye in coordinates of its lids.

    Attributes:
        part: `[h, w, 3]` float32 view's copy.
        place: (left, top) of it in the frame.
        along: `[h, w]` 0 at one corner of the eye, 1 at the other.
        depth: `[h, w]` pixels of the photo, down the face.
        knots: `[K, h, w]` depths of the lid's knots at each pixel, see `columns.eye_columns`.
        length: of the eye, pixels of the photo.
        to_frame: `[2, 3]` (pixels along, depth) -> pixels of `part`.
        settings: of the renderer.
    """

    part: FloatArray
    place: tuple[int, int]
    along: FloatArray
    depth: FloatArray
    knots: FloatArray
    length: float
    to_frame: FloatArray
    settings: LidSettings

    @property
    def zoom(self) -> float:
        """Pixels of the frame in one of the photo."""
        return float(np.sqrt(abs(np.linalg.det(self.to_frame[:, :2]))))


def draw_lid(frame: Image, lid: Columns, to_frame: FloatArray, lash: FloatArray, settings: LidSettings = LIDS) -> None:
    """Redraw, in place, one lid as far as it is shut.

    Args:
        frame: warped.
        lid: columns that warped it.
        to_frame: `[2, 3]` from the plane of the columns to pixels of the frame.
        lash: `[3]` colour of the open eye's upper lid edge.
        settings: of the renderer.
    """
    low, high = settings.shaded
    amount = float(np.clip((lid.shut - low) / (high - low), 0, 1))
    if amount <= 0:
        return
    eye = _cut(frame, lid, to_frame, settings)
    if eye is None:
        return
    part = eye.part * (1 - amount * settings.eye_shade * _eye_share(eye))
    part = part + amount * _skin_share(eye) * (_skin(eye) - part)
    share = amount * _lash_share(eye)
    dark = np.minimum(
        lash, settings.lash_light * cv2.GaussianBlur(part, (0, 0), max(0.7, 0.08 * eye.length * eye.zoom))
    )
    part = part + share * (dark - part)
    left, top = eye.place
    height, width = part.shape[:2]
    frame[top : top + height, left : left + width] = np.clip(part + 0.5, 0, 255).astype(np.uint8)


def lash_colour(image: Image, upper: FloatArray, unit: float) -> FloatArray:
    """`[3]` colour of the dark edge of an open eye's upper lid.

    Args:
        image: photo.
        upper: `[4, 2]` outer corner, two points of the upper lid, inner corner, pixels.
        unit: outer-eye distance, pixels.
    """
    edge = np.zeros(image.shape[:2], np.uint8)
    line = np.round(np.asarray(upper) * 16).astype(np.int32)[:, None]
    cv2.polylines(edge, [line], False, 255, max(1, round(0.03 * unit)), cv2.LINE_8, 4)
    colours = image[edge > 0].astype(np.float32)
    if not len(colours):
        return np.full(3, 40, np.float32)
    light = colours.mean(1)
    return np.asarray(colours[light <= np.percentile(light, 20)].mean(0))


def _cut(frame: Image, lid: Columns, to_frame: FloatArray, settings: LidSettings) -> EyePatch | None:
    """The eye's surroundings in coordinates of its lids; None where the frame does not show them."""
    height, width = frame.shape[:2]
    corners = transform(to_frame, lid.corners())
    left, top, right, bottom = pixel_box(np.stack([corners.min(0) - 2, corners.max(0) + 2]), (width, height))
    if right - left < 4 or bottom - top < 4:
        return None
    turn = np.column_stack([lid.along, [-lid.along[1], lid.along[0]]])  # (along, down) -> plane of the columns
    local = np.column_stack([to_frame[:, :2] @ turn, transform(to_frame, lid.origin[None])[0] - (left, top)])
    grid = np.stack(np.meshgrid(np.arange(right - left), np.arange(bottom - top)), -1).reshape(-1, 2)
    places = transform(invert(local), grid.astype(np.float64)).astype(np.float32)
    shape = (bottom - top, right - left)
    column = np.clip(places[:, 0] / lid.spacing, 0, COUNT - 1)
    knots = np.stack([np.interp(column, np.arange(COUNT), depth) for depth in lid.depths]).astype(np.float32)
    length = (COUNT - 1) * lid.spacing / 1.6
    along = places[:, 0] / length - 0.3
    part = frame[top:bottom, left:right].astype(np.float32)
    depth, knots = places[:, 1].reshape(shape), knots.reshape(-1, *shape)
    return EyePatch(part, (left, top), along.reshape(shape), depth, knots, length, local, settings)


def _taper(eye: EyePatch, width: float) -> FloatArray:
    """`[h, w]` 1 along the eye, 0 at its corners."""
    return np.asarray(np.clip(np.minimum(eye.along, 1 - eye.along) / width, 0, 1), np.float32)


def _skin_share(eye: EyePatch) -> FloatArray:
    """`[h, w, 1]` how much of each pixel is the lid's skin: less at the start of the strip, whose crease is kept."""
    start, edge = eye.knots[0], eye.knots[2]
    down = np.clip((eye.depth - start) / np.maximum(0.35 * (edge - start), 1e-3), 0, 1)
    above = np.clip((edge - eye.depth) / (0.03 * eye.length) + 0.5, 0, 1)
    share = (down * above * _taper(eye, 0.16)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(share, (0, 0), max(0.5, 0.02 * eye.length * eye.zoom)))[..., None]


def _eye_share(eye: EyePatch) -> FloatArray:
    """`[h, w, 1]` 1 on what shows of the eye."""
    soft = 0.03 * eye.length
    shown = np.clip(np.minimum(eye.depth - eye.knots[2], eye.knots[4] - eye.depth) / soft + 0.5, 0, 1)
    return np.asarray(shown * _taper(eye, 0.1), np.float32)[..., None]


def _skin(eye: EyePatch) -> FloatArray:
    """`[h, w, 3]` the lid's skin: the stretched strip evened out, shaded, with fine detail."""
    reach = eye.length * eye.zoom
    part, start, edge, rim = eye.part, eye.knots[0], eye.knots[2], eye.knots[4]
    smooth = cv2.GaussianBlur(part, (0, 0), max(0.6, 0.09 * reach), sigmaY=max(0.4, 0.03 * reach))
    below = (eye.depth > rim + 0.08 * eye.length) & (eye.depth < rim + 0.4 * eye.length) & (_taper(eye, 0.1) > 0)
    around = part[below] if below.any() else part.reshape(-1, 3)
    typical = np.percentile(
        around, eye.settings.skin_percentile, axis=0
    )  # neither lashes nor a strand of hair across it
    light = smooth.mean(-1, keepdims=True) / max(float(typical.mean()), 1.0)
    smooth += 0.9 * np.maximum(np.maximum(light, eye.settings.light) * typical - smooth, 0)
    down = np.clip((eye.depth - start) / np.maximum(edge - start, 1e-3), 0, 1)
    fold = np.exp(-np.square((down - 0.18) / 0.1))
    rounding = np.clip((down - 0.6) / 0.4, 0, 1) ** 2
    bulge = eye.settings.bulge_light * (1 - 8 * np.square(np.clip(eye.along, 0, 1) - 0.5)) * np.sin(np.pi * down)
    shade = 1 - eye.settings.crease_shade * fold - eye.settings.edge_shade * rounding + bulge
    return np.asarray(smooth * shade[..., None] + _detail(eye), np.float32)


def _detail(eye: EyePatch) -> FloatArray:
    """`[h, w, 3]` fine detail of the skin below the eye, mirrored up and down the lid at its own size."""
    part, edge, rim = eye.part, eye.knots[2], eye.knots[4]
    fine = part - cv2.GaussianBlur(part, (0, 0), max(0.8, 0.035 * eye.length * eye.zoom))
    fine *= (np.abs(fine).max(-1, keepdims=True) < eye.settings.detail_limit).astype(np.float32)
    tile = eye.settings.longest_tile * eye.length
    away = np.abs((edge - eye.depth) % (2 * tile) - tile)
    below = rim + 0.14 * eye.length + away
    across = (eye.along + 0.3) * eye.length
    linear, shift = eye.to_frame[:, :2], eye.to_frame[:, 2]
    x = linear[0, 0] * across + linear[0, 1] * below + shift[0]
    y = linear[1, 0] * across + linear[1, 1] * below + shift[1]
    places = x.astype(np.float32), y.astype(np.float32)
    return np.asarray(cv2.remap(fine, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def _lash_share(eye: EyePatch) -> FloatArray:
    """`[h, w, 1]` how much of each pixel is the lash line, thinner towards the corners of the eye."""
    width = eye.settings.lash_width * eye.length * (0.35 + 0.65 * _taper(eye, 0.3))
    width = np.maximum(width, 0.45 / eye.zoom)
    line = np.exp(-0.5 * np.square((eye.depth - eye.knots[2]) / width))
    return np.asarray(eye.settings.lash_strength * line * _taper(eye, 0.03), np.float32)[..., None]
