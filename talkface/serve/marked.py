"""Pictures of a live stream -> the same with the invisible mark that says they are synthetic."""

from talkface.media.mark.spread import InvisibleMark, can_bear, payload_of
from talkface.types import Image


class Marked:
    """Marks every new picture; one that is shown again is not marked twice."""

    def __init__(self) -> None:
        self._mark: InvisibleMark | None = None
        self._last: tuple[Image, Image] | None = None

    def __call__(self, image: Image) -> Image:
        """`[H, W, 3]` -> the same, marked; as it is where it is too small to bear a mark."""
        height, width = image.shape[:2]
        if not can_bear(width, height):
            return image
        if self._last is None or self._last[0] is not image:
            self._mark = self._mark or InvisibleMark(image, payload_of(image, "live"))
            self._last = image, self._mark(image)
        return self._last[1]
