"""Painted patch + frame -> frame with the patch in it, the photo's own fine detail kept."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.geometry.resample import pixel_box
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class Patch:
    """What a network painted over a warp, at its own resolution.

    Attributes:
        change: `[S, S, 3]` float32, painted minus warped, in grey levels; 0 on the border.
        warped: `[S, S, 3]` the warp that it was painted over.
        replaced: `[S, S]` float32 in [0, 1], where the warp's fine detail is wrong and has to go, as inside the mouth.
    """

    change: FloatArray
    warped: Image
    replaced: FloatArray


def paste_patch(frame: Image, patch: Patch, to_patch: FloatArray) -> None:
    """Add `patch` to `frame`, in place.

    The frame keeps its own detail, finer than the patch can hold, wherever it is not replaced: the low-resolution
    change is added to the frame instead of put in the frame's place. Pixels outside the patch are not touched.

    Args:
        frame: `[H, W, 3]`, already warped.
        patch: what to add.
        to_patch: `[2, 3]` from pixels of the frame to pixels of the patch.
    """
    size = patch.change.shape[0]
    left, top, right, bottom = patch_box(to_patch, size, (frame.shape[1], frame.shape[0]))
    if left >= right or top >= bottom:
        return
    shape = (right - left, bottom - top)
    change = place_patch(patch.change, to_patch, (left, top), shape)
    part = frame[top:bottom, left:right].astype(np.float32)
    zoom = float(np.sqrt(abs(np.linalg.det(to_patch[:, :2]))))
    if zoom < 0.9 and patch.replaced.any():
        replaced = place_patch(patch.replaced, to_patch, (left, top), shape)[..., None]
        coarse = place_patch(patch.warped.astype(np.float32), to_patch, (left, top), shape)
        part += replaced * (coarse - part)
    frame[top:bottom, left:right] = np.clip(part + change + 0.5, 0, 255).astype(np.uint8)


def place_patch(values: FloatArray, to_patch: FloatArray, corner: tuple[int, int], size: tuple[int, int]) -> FloatArray:
    """Patch values seen from the frame's pixels; 0 outside the patch.

    Args:
        values: `[S, S]` or `[S, S, C]` float32.
        corner: (left, top) of the frame's part.
        size: its (width, height).
    """
    from_corner = np.array(to_patch, np.float64)
    from_corner[:, 2] += from_corner[:, :2] @ np.asarray(corner, np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(values, from_corner, size, flags=flags, borderMode=cv2.BORDER_CONSTANT))


def patch_box(to_patch: FloatArray, size: int, frame_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) pixels of a frame of (width, height) that a patch of `size` covers."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64) - to_patch[:, 2]
    seen = corners @ np.linalg.inv(to_patch[:, :2]).T
    return pixel_box(np.stack([seen.min(0), seen.max(0)]), frame_size)


def match_colour(image: Image, reference: Image, sample: Image) -> Image:
    """`image` in the colours that take `sample` (a part of it) to the mean and spread of `reference`, per channel."""
    mean, spread = sample.mean((0, 1)), sample.std((0, 1)) + 1e-3
    gain = np.clip((reference.std((0, 1)) + 1e-3) / spread, 0.75, 1.33)
    return np.asarray(np.clip((image - mean) * gain + reference.mean((0, 1)), 0, 255).astype(np.uint8))
