"""Rendered frame -> face window, or photo | sketch | mask | result (or driver | sketch | result) side by side."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.renderers.base import Rendered
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class PanelSettings:
    """Sizes of panels and of the window around a face."""

    height: int = 512  # pixels at most: four photos of 8K side by side fit no screen
    window: float = 1.9  # side of the face window over the larger side of the landmarks' bounding box


PANEL = PanelSettings()


def face_window(size: tuple[int, int], landmarks: FloatArray) -> tuple[slice, slice]:
    """Square around the face, inside the photo, of even side: rows and columns to slice a frame with.

    Args:
        size: height and width of the photo.
        landmarks: `[68, 2]` pixel landmarks.
    """
    low, high = landmarks.min(0), landmarks.max(0)
    side = int(min(*size, round(PANEL.window * float((high - low).max())))) // 2 * 2
    centre = (low + high) / 2 - [0, 0.08 * side]  # the box ends at the brows, the head does not
    left = int(np.clip(centre[0] - side / 2, 0, size[1] - side))
    top = int(np.clip(centre[1] - side / 2, 0, size[0] - side))
    return slice(top, top + side), slice(left, left + side)


def panel(photo: Image, rendered: Rendered, window: tuple[slice, slice] | None = None) -> Image:
    """Photo | landmark sketch | mask | result, `[h, 4 w, 3]`, at most 512 pixels high."""
    height, width = photo.shape[:2]
    blank = np.zeros((height, width), np.float32)
    mask = rendered.mask if rendered.mask is not None else blank
    grey = np.repeat((255 * np.clip(mask, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)
    sketch = rendered.sketch if rendered.sketch is not None else np.zeros_like(photo)
    return np.concatenate(
        [_fit(image if window is None else image[window]) for image in (photo, sketch, grey, rendered.image)], axis=1
    )


def reenact_panel(driver: Image, rendered: Rendered, window: tuple[slice, slice] | None = None) -> Image:
    """Driver's picture | landmark sketch | result, `[h, w, 3]`, at most 512 pixels high."""
    sketch, result = (_fit(image if window is None else image[window]) for image in (rendered.sketch, rendered.image))
    return np.concatenate([_fit(driver, len(result)), sketch, result], axis=1)


def _fit(image: Image, target_height: int | None = None) -> Image:
    """At most `PANEL.height` high, or exactly `target_height`; even sides."""
    height, width = image.shape[:2]
    scale = min(1.0, PANEL.height / height) if target_height is None else target_height / height
    even = (max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2))
    if even == (width, height):
        return image
    return np.asarray(cv2.resize(image, even, interpolation=cv2.INTER_AREA), np.uint8)
