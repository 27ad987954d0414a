"""Photo + offsets -> photo looked up elsewhere; only the pixels that move are touched."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.types import FloatArray, Image


def look_up(
    image: Image,
    offsets: FloatArray | None,
    to_frame: FloatArray,
    size: tuple[int, int] = (0, 0),
    zoom: FloatArray = np.ones(2, np.float32),  # noqa: B008 - never changed
) -> Image:
    """Lattice of samples of `image`, bilinear.

    Args:
        image: `[H, W, 3]` or `[H, W]`.
        offsets: `[h, w, 2]` float32 pixels, added to each lattice pixel's own place; None adds nothing.
        to_frame: `[2, 3]` map from lattice pixels to pixels of `image`.
        size: (width, height) of the lattice where there are no offsets.
        zoom: across and down, what the offsets are divided by.

    Returns:
        `[h, w, 3]`; outside the image its border pixels repeat.
    """
    if offsets is None:
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(image, to_frame, size, flags=how, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    height, width = offsets.shape[:2]
    across = np.arange(width, dtype=np.float32)
    down = np.arange(height, dtype=np.float32)[:, None]
    maps = []
    for axis, row in enumerate(to_frame.astype(np.float32)):
        places = offsets[..., axis] * (1 / zoom[axis])
        if row[0] and row[1]:
            places += row[0] * across
        places += (row[1] * down if row[1] else row[0] * across) + row[2]
        maps.append(places)
    x, y = maps
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def blend(below: Image, above: Image, cover: Image, amount: float = 1.0) -> Image:
    """One picture over another.

    Args:
        below: `[h, w, 3]`.
        above: the same.
        cover: `[h, w]` uint8, 255 where only `above` is to be seen.
        amount: 0 to 1, factor on `cover`.
    """
    share = (amount / 255 * np.arange(256)).astype(np.float32)
    return np.asarray(cv2.blendLinear(below, above, cv2.LUT(cover, 1 - share), cv2.LUT(cover, share)), np.uint8)


def shrink_part(image: Image, box: tuple[int, int, int, int], zoom: float) -> tuple[Image, FloatArray]:
    """Part of `image` inside `box` (left, top, right, bottom), reduced to `zoom` <= 1 of its size by area.

    Returns:
        The part, and the `[2, 3]` map from pixels of `image` to its pixels.
    """
    left, top, right, bottom = box
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    part = image[top:bottom, left:right]
    width, height = max(1, round(part.shape[1] * zoom)), max(1, round(part.shape[0] * zoom))
    scale_x, scale_y = width / part.shape[1], height / part.shape[0]
    if zoom < 1:
        part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    shift_x, shift_y = (0.5 - left) * scale_x - 0.5, (0.5 - top) * scale_y - 0.5
    return part, np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])


def pixel_box(reach: FloatArray, image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) whole pixels of an image of (width, height) that `reach` `[2, 2]` covers."""
    width, height = image_size
    left, top = np.clip(np.floor(reach[0]).astype(int), 0, (width, height))
    right, bottom = np.clip(np.ceil(reach[1]).astype(int) + 1, 0, (width, height))
    return int(left), int(top), int(max(left, right)), int(max(top, bottom))


def cut_patch(image: Image, matrix: FloatArray, size: int) -> Image:
    """Resample a square patch, shrinking without aliasing; what is the whole image already is not copied.

    Args:
        image: `[H, W, 3]` or grey `[H, W]`; beyond its border the edge pixels are repeated.
        matrix: `[2, 3]` affine map (a similarity) from image to patch pixels.
        size: side of the patch.

    Returns:
        `[size, size, 3]`, or `[size, size]`.
    """
    if image.shape[:2] == (size, size) and np.array_equal(matrix, np.eye(2, 3)):
        return image
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.7:  # bilinear sampling would skip source pixels: average blocks of the part it needs first
        image, matrix = _halve(image, matrix, size, scale)
    return np.asarray(
        cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def _halve(image: Image, matrix: FloatArray, size: int, scale: float) -> tuple[Image, FloatArray]:
    """Part of `image` that the patch shows, halved until the patch is .7 of its size or more, and the map to the patch.

    Means of 2 x 2 pixels take a tenth of the time of areas that are no whole pixels, and look as sharp.
    """
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    source = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    low = np.clip(np.floor(source.min(0)) - 2, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(source.max(0)) + 2, low + 1, [width, height]).astype(int)
    part, matrix = image[low[1] : high[1], low[0] : high[0]], matrix.astype(np.float64)
    matrix[:, 2] += matrix[:, :2] @ low
    while scale < 0.7 and min(part.shape[:2]) > 1:
        height, width = part.shape[0] // 2, part.shape[1] // 2
        part = np.asarray(cv2.resize(part[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA))
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5)
        matrix[:, :2] *= 2
        scale *= 2
    return part, matrix


@dataclass(frozen=True)
class Patch:
    """Output of a network over a warp, at the network's resolution.

    Attributes:
        change: `[S, S, 3]` float32, generated minus warped, in grey levels; 0 on the border.
        warped: `[S, S, 3]` the warp that it was generated over.
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
