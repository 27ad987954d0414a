"""Picture of a face that a network generated + photo -> frame with that face, without a seam.

The network generates a square at its own size. Of it the face, from the brows to the jaw, is blended over the warped
photo; what differs in colour along the edge is evened out, and detail finer than the network's pixels stays the photo's
where both show the same thing.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.geometry.affine import transform
from talkface.geometry.matte import polygon_mask
from talkface.geometry.resample import Patch, cut_patch, paste_patch
from talkface.landmarks.layout import INNER_LIP, JAW, LEFT_BROW, RIGHT_BROW, interocular
from talkface.renderers.base import Rendered
from talkface.renderers.canvas import Canvas
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class BlendSettings:
    """Settings by which a rendered face is blended into the photo."""

    edge: float = 0.12  # width of the blend between generated face and photo, in outer-eye distances
    brow_raise: float = 0.12  # how far above the brows the generated face reaches, in outer-eye distances
    # grey levels between generated and warped: up to here one thing, from here another
    alike: tuple[float, float] = (8.0, 24.0)
    # how far a difference of colour at the face's edge is carried inwards, over the picture's side
    cast_reach: float = 0.16


BLEND = BlendSettings()


def blend_face(canvas: Canvas, target: FloatArray, picture: Image, to_picture: FloatArray) -> Rendered:
    """Blend a generated face into the photo.

    Args:
        canvas: the photo.
        target: `[68, 2]` landmarks in its pixels, which the face was generated for.
        picture: `[S, S, 3]`.
        to_picture: `[2, 3]` from pixels of the frame to those of the picture.
    """
    size = len(picture)
    frame = canvas.warp(canvas.deform(target))
    warped = cut_patch(frame, to_picture, size)
    mask = face_mask(transform(to_picture, np.asarray(target, np.float64)), size)
    lips = transform(to_picture, np.asarray(target[INNER_LIP], np.float64))
    inner = polygon_mask(lips, (size, size)).astype(np.float32) / 255
    change = even_edge(picture.astype(np.float32) - warped, mask)
    if canvas.tones is not None:
        change = np.repeat(change.mean(-1, keepdims=True), 3, -1)
    other = np.maximum(cv2.GaussianBlur(inner, (0, 0), 1.0), unlike(change))
    paste_patch(frame, Patch(change * mask[..., None], warped, mask * other), to_picture)
    return Rendered(frame, target, mask, to_picture)


def face_mask(points: FloatArray, size: int) -> FloatArray:
    """`[S, S]` float32, 1 on the face from above the brows to the jaw, fading out at its edge and the picture's.

    Args:
        points: `[68, 2]` in pixels of the picture.
    """
    unit = max(float(interocular(points)), 1.0)
    up = points[27] - points[33]  # from the nose's base to its bridge
    up = up / max(float(np.linalg.norm(up)), 1e-6)
    brows = points[np.concatenate([RIGHT_BROW, LEFT_BROW])] + BLEND.brow_raise * unit * up
    outline = cv2.convexHull(np.concatenate([points[JAW], brows]).astype(np.float32))[:, 0]
    area = polygon_mask(np.asarray(outline, np.float32), (size, size)).astype(np.float32) / 255
    edge = max(1.0, BLEND.edge * unit)
    inside = cv2.erode(area, np.ones((2 * round(edge) + 1,) * 2, np.uint8))
    mask = cv2.GaussianBlur(inside, (0, 0), 0.5 * edge)
    place = np.minimum(np.arange(size), np.arange(size)[::-1]) / max(1.0, 0.06 * size)
    border = np.clip(place, 0, 1).astype(np.float32)
    return np.asarray(mask * border * border[:, None], np.float32)


def even_edge(change: FloatArray, mask: FloatArray) -> FloatArray:
    """Change `[S, S, 3]` less what it is along the mask's edge, carried inwards: no step in light or colour.

    Where generated and warped show two things, such as a cheek and what is behind it, the difference is not a cast of
    light: it counts the less, the larger it is.
    """
    difference = cv2.GaussianBlur(np.abs(change).mean(-1), (0, 0), 1.0)
    edge = (mask * (1 - mask) * 4 / (1 + np.square(difference / BLEND.alike[0])))[..., None]
    reach = BLEND.cast_reach * len(mask)
    weight = cv2.GaussianBlur(edge, (0, 0), reach)[..., None]
    cast = cv2.GaussianBlur(change * edge, (0, 0), reach) / np.maximum(weight, 1e-4)
    return np.asarray(change - cast, np.float32)


def unlike(change: FloatArray) -> FloatArray:
    """`[S, S]` float32 in [0, 1]: where generated and warped show two things, and the warp's detail has to go."""
    difference = cv2.GaussianBlur(np.abs(change).mean(-1), (0, 0), 1.0)
    return np.asarray(np.clip((difference - BLEND.alike[0]) / (BLEND.alike[1] - BLEND.alike[0]), 0, 1), np.float32)
