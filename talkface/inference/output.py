"""Rendered frames -> what a viewer gets to see: cut, on another background or none, with label and captions."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import ImageColor

from talkface.errors import ConfigError
from talkface.geometry.resample import blend
from talkface.inference.request import RenderOptions
from talkface.media.photo import read_photo
from talkface.renderers.base import Rendered
from talkface.types import FloatArray, Image, Shot

if TYPE_CHECKING:  # few videos need them
    from talkface.media.captions import Cue
    from talkface.media.lettering import Sticker
    from talkface.renderers.cutout import Cutout

Window = tuple[slice, slice]


class Finish:
    """Last stage of every frame, before it is marked and encoded."""

    def __init__(self, options: RenderOptions, shot: Shot) -> None:
        """Read what the options name.

        Raises:
            ConfigError, MediaError: a colour, picture or captions that cannot be used.
        """
        self._options, self._shot = options, shot
        size = (shot.image.shape[0], shot.image.shape[1])
        self.window: Window | None = None
        if options.crop:
            from talkface.inference.panel import face_window

            self.window = face_window(size, shot.landmarks)
        if options.aspect is not None:
            self.window = aspect_window(size, shot.landmarks, options.aspect)
        self._background = None if options.background is None else find_background(options.background, size)
        self._cues: list[Cue] = []
        if options.captions is not None and options.captions_as == "burnt":
            from talkface.media.captions import read_captions
            from talkface.media.lettering import find_font

            self._cues = read_captions(options.captions)
            self._font: Path | None = find_font("".join(cue.text for cue in self._cues), options.caption_font)
        self._stickers: dict[object, Sticker] = {}

    def shown(self, rendered: Rendered, driver: Image | None = None) -> Image:
        """The person, or the panel of photo, or driver, sketch, mask and result where that is asked for."""
        if not self._options.panel:
            return self.person(rendered)
        from talkface.inference.panel import panel, reenact_panel

        if driver is not None:
            return reenact_panel(driver, rendered, self.window)
        return panel(self._shot.image, rendered, self.window)

    def person(self, rendered: Rendered) -> Image:
        """The frame, cut to its window: `[h, w, 3]`, `[h, w, 4]` where it is transparent."""
        image = rendered.image
        if any(self._options.gaze):
            from talkface.renderers.gaze import shift_gaze

            image = shift_gaze(image, rendered.landmarks, self._options.gaze)
        if self._options.alpha:
            image = np.dstack([image, self._cutout(rendered.landmarks)])
        elif self._background is not None:
            image = blend(self._background, image, self._cutout(rendered.landmarks))
        return image if self.window is None else np.ascontiguousarray(image[self.window])

    def letter(self, frame: Image, time_s: float) -> Image:
        """The frame with its label, and with the caption of this time."""
        size, options = (frame.shape[1], frame.shape[0]), self._options
        if not (options.label or self._cues):
            return frame
        from talkface.media.captions import cue_at
        from talkface.media.lettering import caption, label

        if options.label:
            key: object = size
            if key not in self._stickers:
                self._stickers[key] = label(options.label_text, size, options.label_corner, options.label_opacity)
            frame = self._stickers[key](frame)
        cue = cue_at(self._cues, time_s)
        if cue is not None:
            if cue not in self._stickers:
                self._stickers[cue] = caption(cue.text, size, self._font)
            frame = self._stickers[cue](frame)
        return frame

    @cached_property
    def _cutout(self) -> "Cutout":
        from talkface.renderers.cutout import Cutout

        return Cutout(self._shot)


def aspect_window(size: tuple[int, int], landmarks: FloatArray, aspect: str) -> Window:
    """The largest window of this aspect in the photo, around the face: rows and columns to slice a frame with.

    Args:
        size: height and width of the photo.
        landmarks: `[68, 2]` pixel landmarks.
        aspect: width and height such as `9:16`.
    """
    across, down = (int(number) for number in aspect.split(":"))
    height, width = size
    side = min(width / across, height / down)
    wide, high = (max(16, int(side * part) // 2 * 2) for part in (across, down))
    centre = (landmarks.min(0) + landmarks.max(0)) / 2
    left = int(np.clip(centre[0] - wide / 2, 0, width - wide))
    lowest, highest = landmarks[:, 1].min(), landmarks[:, 1].max()
    top = centre[1] - 0.45 * high
    if highest - lowest <= high:
        top = np.clip(top, highest - high, lowest)
    top = int(np.clip(top, 0, height - high))
    return slice(top, top + high), slice(left, left + wide)


def cut_notes(options: RenderOptions, shot: Shot) -> list[str]:
    """A remark where the aspect leaves no room for the whole face."""
    if options.aspect is None:
        return []
    rows, columns = aspect_window((shot.image.shape[0], shot.image.shape[1]), shot.landmarks, options.aspect)
    (left, top), (right, bottom) = shot.landmarks.min(0), shot.landmarks.max(0)
    if columns.start <= left and right <= columns.stop and rows.start <= top and bottom <= rows.stop:
        return []
    return [f"--aspect {options.aspect} cuts off part of the face: the photo shows too little beside it"]


def find_background(given: str, size: tuple[int, int]) -> Image:
    """A picture that fills the frame, or a colour by name or as #rrggbb: `[H, W, 3]`.

    Raises:
        ConfigError: neither a file nor a colour.
        MediaError: a file that is not a picture.
    """
    if not Path(given).is_file():
        try:
            colour = ImageColor.getrgb(given)[:3]
        except ValueError:
            expected = "expected a picture's file name, a colour's name or #rrggbb"
            raise ConfigError(f"invalid background {given!r}: {expected}") from None
        return np.full((*size, 3), colour, np.uint8)
    picture = read_photo(given)
    height, width = size
    zoom = max(width / picture.shape[1], height / picture.shape[0])
    scaled = (max(width, round(picture.shape[1] * zoom)), max(height, round(picture.shape[0] * zoom)))
    full = cv2.resize(picture, scaled, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return np.asarray(full[top : top + height, left : left + width], np.uint8)


def track_text(options: RenderOptions) -> str:
    """SubRip text of the captions that become a text track; empty without one."""
    if options.captions is None or options.captions_as != "track":
        return ""
    from talkface.media.captions import as_srt, read_captions

    return as_srt(read_captions(options.captions))
