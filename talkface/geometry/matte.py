"""Outline of a polygon or a head -> mask of what is inside: polygon, person in a photo, the background they hide."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class MatteSettings:
    """Settings of cutting out a head."""

    cut_side: int = 256  # pixels of the longer side at which the person is cut out; a matte has soft edges anyway
    cut_rounds: int = 4  # of GrabCut; more change nothing that can be seen
    surely_head: float = 0.82  # head radii inside which all is person
    maybe_head: float = 1.15  # and up to which it probably is
    smallest_hole: float = 0.004  # share of the picture; smaller holes belong to the person
    soft_edge: float = 1.2  # standard deviation of the matte's edge, pixels of the reduced picture


MATTE = MatteSettings()

Mask = npt.NDArray[np.uint8]


def polygon_mask(outline: FloatArray, size: tuple[int, int], *, soft: bool = True, onto: Mask | None = None) -> Mask:
    """Fill a polygon.

    Args:
        outline: `[N, 2]` corners in pixels, x right and y down.
        size: (width, height) of the mask.
        soft: corners at 1/16 of a pixel and edges in shades, as pictures need it; else corners at whole pixels and all
            pixels of the edge inside, as measures count them. The two differ along the whole edge.
        onto: a mask that is filled further, in place, and returned.

    Returns:
        `[H, W]` uint8, 255 inside.
    """
    mask = np.zeros((size[1], size[0]), np.uint8) if onto is None else onto
    shift = 4 if soft else 0  # fractional bits of a corner
    corners = np.round(np.asarray(outline) * (1 << shift)).astype(np.int32)
    cv2.fillPoly(mask, [corners[:, None]], 255, cv2.LINE_AA if soft else cv2.LINE_8, shift)
    return mask


def person_matte(image: Image, outline: FloatArray) -> Mask:
    """Where head, hair and neck are, as far as colours tell (GrabCut, Rother et al. 2004).

    Args:
        image: `[H, W, 3]`, with some room around the head.
        outline: `[2, 3]` map from its pixels to a plane in which the head is the unit circle, chin downwards.

    Returns:
        `[H, W]` uint8, 255 on the person, with soft edges; the same for the same image.
    """
    height, width = image.shape[:2]
    zoom = min(1.0, MATTE.cut_side / max(height, width))
    size = (max(8, round(width * zoom)), max(8, round(height * zoom)))
    small = cv2.bilateralFilter(cv2.resize(image, size, interpolation=cv2.INTER_AREA), 5, 25, 5)
    marks = _first_guess(size, outline, (width / size[0], height / size[1]))
    cv2.setRNGSeed(0)  # GrabCut's clusters start at random
    cv2.grabCut(
        small, marks, [0, 0, 0, 0], np.zeros((1, 65)), np.zeros((1, 65)), MATTE.cut_rounds, cv2.GC_INIT_WITH_MASK
    )
    person = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    closed = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    smooth = np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    whole = _one_piece(smooth, marks == cv2.GC_FGD)
    soft = cv2.GaussianBlur(255 * whole, (0, 0), MATTE.soft_edge)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def hidden_background(image: Image, matte: Mask) -> tuple[Image, Mask]:
    """Background behind the person, continued from around them (Telea 2004), and where it is needed.

    Returns:
        `[H, W, 3]` background, smooth where the person stands, and `[H, W]` uint8, 255 where it replaces the photo.
    """
    height, width = image.shape[:2]
    zoom = min(1.0, MATTE.cut_side / max(height, width))
    size = (max(8, round(width * zoom)), max(8, round(height * zoom)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    unknown = cv2.dilate(cv2.resize(matte, size, interpolation=cv2.INTER_AREA), np.ones((5, 5), np.uint8)) > 12
    filled = cv2.inpaint(small, unknown.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    wide = cv2.GaussianBlur(cv2.dilate(matte, np.ones((3, 3), np.uint8)), (0, 0), 1.5)
    needed = np.clip(3.0 * wide, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8), needed


def _first_guess(size: tuple[int, int], outline: FloatArray, step: tuple[float, float]) -> Mask:
    """GrabCut's marks, from the head's outline alone: person in the head, background high above and far beside it."""
    x, y = np.meshgrid((np.arange(size[0]) + 0.5) * step[0] - 0.5, (np.arange(size[1]) + 0.5) * step[1] - 0.5)
    across, down = (outline[axis, 0] * x + outline[axis, 1] * y + outline[axis, 2] for axis in (0, 1))
    radius = np.hypot(across, down)
    shoulders = (down > 1.0) & (np.abs(across) < 0.55 + 1.1 * np.clip(down - 1.15, 0, 3))
    marks = np.full(radius.shape, cv2.GC_PR_BGD, np.uint8)
    marks[(radius < MATTE.maybe_head) | shoulders] = cv2.GC_PR_FGD
    marks[radius < MATTE.surely_head] = cv2.GC_FGD
    marks[(np.abs(across) < 0.3) & (down > 0.5) & (down < 1.3)] = cv2.GC_FGD  # the neck
    marks[(down < -1.9) | ((np.abs(across) > 2.0) & (down < 0.3))] = cv2.GC_BGD
    return marks


def _one_piece(person: Mask, sure: npt.NDArray[np.bool_]) -> Mask:
    """Only the parts that hang together with the sure ones, their small holes filled."""
    _, labels = cv2.connectedComponents(person)
    kept = np.isin(labels, np.unique(labels[sure & (person > 0)])) & (person > 0)
    count, holes = cv2.connectedComponents((~kept).astype(np.uint8))
    sizes = np.bincount(holes.ravel(), minlength=count)
    sizes[0] = kept.size  # the person itself is not a hole
    filled = kept | (sizes < MATTE.smallest_hole * kept.size)[holes]
    return np.asarray(filled, np.uint8)
