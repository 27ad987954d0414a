"""Text -> a picture of it with transparency, and that picture on a frame."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from talkface.errors import MediaError
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class LetteringSettings:
    """Size and margin of labels and captions."""

    label_share: float = 0.045  # height of the label's letters over the frame's shorter side
    caption_share: float = 0.052
    smallest_letters: int = 9  # pixels
    margin: float = 0.03  # from the frame's edge, over its shorter side


LETTERING = LetteringSettings()
FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "msgothic.ttc",
)


@dataclass(frozen=True)
class Sticker:
    """A picture `[h, w, 4]` that lies on every frame at one place.

    Attributes:
        picture: RGBA uint8, straight alpha.
        left: pixels from the frame's left edge.
        top: pixels from the upper one.
    """

    picture: Image
    left: int
    top: int

    @cached_property
    def _parts(self) -> tuple[FloatArray, FloatArray]:
        share = self.picture[..., 3:].astype(np.float32) / 255
        return share, self.picture[..., :3] * share

    def __call__(self, frame: Image) -> Image:
        """The frame `[H, W, 3 or 4]` with the picture on it; the given one stays as it is."""
        share, colour = self._parts
        made = frame.copy()
        part = made[self.top : self.top + len(share), self.left : self.left + share.shape[1]]
        part[..., :3] = np.rint(part[..., :3] * (1 - share) + colour)
        if frame.shape[2] == 4:
            part[..., 3:] = np.maximum(part[..., 3:], np.rint(255 * share))
        return made


def label(text: str, size: tuple[int, int], corner: str, opacity: float) -> Sticker:
    """White letters on a dark, rounded plate in a corner of frames of this width and height."""
    width, height = size
    letters = max(LETTERING.smallest_letters, round(LETTERING.label_share * min(size)))
    font = _font(text, letters, 0.8 * width, find_font(text))
    left, top, right, bottom = font.getbbox(text)
    room = round(0.45 * font.size)
    plate = (int(right - left) + 2 * room, int(bottom - top) + 2 * room)
    picture = Pillow.new("RGBA", plate, (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, plate[0] - 1, plate[1] - 1), radius=room, fill=(16, 16, 20, 200))
    draw.text((room - left, room - top), text, font=font, fill=(255, 255, 255, 255))
    made = np.asarray(picture).copy()
    made[..., 3] = np.rint(made[..., 3] * opacity)
    margin = round(LETTERING.margin * min(size))
    down, across = corner.split("-")
    x = margin if across == "left" else width - plate[0] - margin
    y = margin if down == "top" else height - plate[1] - margin
    return _inside(made, x, y, size)


def caption(text: str, size: tuple[int, int], file: Path | None = None) -> Sticker:
    """White letters with a dark edge, in the middle below, as wide as the frame at most."""
    width, height = size
    letters = max(LETTERING.smallest_letters, round(LETTERING.caption_share * min(size)))
    font = _font(max(text.split(), key=len, default=""), letters, 0.9 * width, file)
    edge = max(1, letters // 12)
    lines = [line for part in text.split("\n") for line in _wrapped(part, font, 0.9 * width)]
    whole = "\n".join(lines)
    measure = ImageDraw.Draw(Pillow.new("RGBA", (1, 1)))
    left, top, right, bottom = measure.multiline_textbbox((0, 0), whole, font=font, align="center", stroke_width=edge)
    picture = Pillow.new("RGBA", (int(right - left) + 2, int(bottom - top) + 2), (0, 0, 0, 0))
    ImageDraw.Draw(picture).multiline_text(
        (1 - left, 1 - top), whole, font=font, align="center", fill="white", stroke_width=edge, stroke_fill="black"
    )
    x = (width - picture.width) // 2
    y = height - picture.height - round(2 * LETTERING.margin * min(size))
    return _inside(np.asarray(picture).copy(), x, y, size)


def find_font(text: str, given: Path | None = None) -> Path | None:
    """A font that has all these letters: the given one, Pillow's own (None), or one of this computer's.

    Raises:
        MediaError: no such font is known.
    """
    if given is not None:
        try:
            known = _has(ImageFont.truetype(given, 16), text)
        except OSError as error:
            raise MediaError(f"{given} is not a font: expected a TrueType or OpenType file") from error
        if not known:
            raise MediaError(f"the font {given} lacks letters of the captions: give another --caption-font")
        return given
    if _has(ImageFont.load_default(16), text):
        return None
    for name in FONTS:
        try:
            font = ImageFont.truetype(name, 16)
        except OSError:
            continue
        if _has(font, text):
            return Path(str(font.path))
    raise MediaError("no font here has all letters of the text: give --caption-font FILE.ttf, or --captions-as track")


def _has(font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", text: str) -> bool:
    """Whether a font draws every letter as something else than the sign for missing ones."""
    missing = bytes(font.getmask("\U0010ffff"))
    return all(letter.isspace() or bytes(font.getmask(letter)) != missing for letter in set(text))


def _font(text: str, letters: int, width: float, file: Path | None = None) -> ImageFont.FreeTypeFont:
    """The font at this size, or smaller where a line of the text would be wider."""
    widest = max(text.split("\n"), key=len)
    font = _sized(letters, file)
    share = width / max(float(font.getlength(widest)), 1.0)
    return _sized(max(5, int(letters * share)), file) if share < 1 else font


def _sized(letters: int, file: Path | None) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(letters) if file is None else ImageFont.truetype(file, letters)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _inside(picture: Image, x: int, y: int, size: tuple[int, int]) -> Sticker:
    """The picture moved, and cut where it must be, so that it lies within the frame."""
    x, y = max(0, x), max(0, y)
    return Sticker(picture[: size[1] - y, : size[0] - x], x, y)
