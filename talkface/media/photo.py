"""Photo file -> upright sRGB image, whatever its mode."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from talkface.errors import MediaError, TalkfaceError, check_readable
from talkface.files.read import limit, read_bytes, refusing
from talkface.media.colour import (
    ColourSpace,
    apply_profile,
    coded_points,
    coded_space,
    full_range,
    lab_to_rgb,
    on_white,
    stored_space,
    to_srgb,
)
from talkface.media.container import check_pixels, open_container
from talkface.types import Image

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")
"""Names that mean a photo in a folder."""


@dataclass(frozen=True)
class PhotoLimits:
    """Limits of decoding a photo."""

    orientation: int = 0x0112  # EXIF's tag
    png_colour: tuple[int, int] = (2, 6)  # PNG's colour types without and with transparency
    jpeg_frames: tuple[int, int, int] = (0xC0, 0xC1, 0xC2)  # markers of baseline, extended and progressive frames
    jpeg_tables: int = 0xC4  # first marker of what may stand before them
    draft_scales: tuple[int, int, int, int] = (1, 2, 4, 8)  # by which a JPEG can be reduced while it is decoded


PHOTO_LIMITS = PhotoLimits()
JPEG_MAGIC = b"\xff\xd8"


def read_photo(path: Path | str) -> Image:
    """Read a still picture as it is meant to be seen: EXIF rotation applied, sRGB, transparent parts white.

    Any mode Pillow knows (grey, 16 bit, palette, CMYK, float, alpha); of animations the first frame. A JPEG above the
    limit of pixels is reduced while it is decoded, to a half, a quarter or an eighth of its sides.

    Returns:
        `[H, W, 3]` RGB uint8.

    Raises:
        MediaError: missing, unreadable, empty or cut-short file, no picture, or above the limit of pixels.
    """
    path = Path(path)
    data = _read_bytes(path)
    expected = "expected JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
    with warnings.catch_warnings(), refusing(f"{path} is a damaged picture or cut short: save it again", MediaError):
        _ignore_pillow_warnings()
        if is_heic(data):
            from talkface.media.heif import read_heic

            return read_heic(data, path)
        try:
            with _opened(io.BytesIO(data)) as photo:
                _reduce(photo)
                check_pixels(photo.width, photo.height, path, "scale it down or save it as JPEG")
                return to_rgb(photo, data)
        except UnidentifiedImageError as error:
            raise MediaError(f"{path} is {_what_else(path)}: {expected}") from error
        except Pillow.DecompressionBombError as error:
            raise MediaError(f"{path} has far too many pixels: scale it down or save it as JPEG") from error


def _ignore_pillow_warnings() -> None:
    """Inside `catch_warnings`: Pillow warns of large photos, whose size is checked here, and of odd EXIF blocks."""
    warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\b")


def encode_png(image: Image) -> bytes:
    """`[H, W, 3]` RGB uint8 -> the bytes of a PNG."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    assert done, "a uint8 picture can always be encoded"
    return data.tobytes()


def decode_picture(
    content: bytes, formats: tuple[str, ...], where: str, error: type[TalkfaceError] = MediaError
) -> Image:
    """A picture inside another file, as `[H, W, 3]` RGB uint8; its size is checked before it is decoded.

    Args:
        content: the picture's bytes.
        formats: Pillow's names of those it may have.
        where: what errors call it.
        error: what is raised.

    Raises:
        error: damaged, of another format, or above the limit of pixels.
    """
    with warnings.catch_warnings(), refusing(f"{where} is damaged", error):
        _ignore_pillow_warnings()
        size = _jpeg_size(content) if "JPEG" in formats else None
        if size is None:
            with Pillow.open(io.BytesIO(content), formats=formats) as header:
                size = header.size
        check_pixels(*size, where)
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise error(f"{where} is damaged: it cannot be decoded")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """(width, height) in a JPEG's frame header, which Pillow takes ten times as long to find; None for anything odd."""
    place = len(JPEG_MAGIC)
    if content[:place] != JPEG_MAGIC:
        return None
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker in PHOTO_LIMITS.jpeg_frames:
            height, width = (int.from_bytes(content[at : at + 2], "big") for at in (place + 5, place + 7))
            return (width, height) if width and height else None
        if not PHOTO_LIMITS.jpeg_tables <= marker < 0xFF or length < 2:
            return None
        place += 2 + length
    return None


def is_photo(path: Path | str) -> bool:
    """Whether the file's first bytes are those of a still picture, whatever its name; an animation is a video."""
    animated = ("GIF", "WEBP", "PNG", "AVIF")  # formats whose further pictures are frames, not pages or views
    try:
        check_readable(Path(path), "a picture")
        with Path(path).open("rb") as file:
            if is_heic(file.read(64)):
                return True
        with warnings.catch_warnings(), refusing("not a picture", MediaError):
            _ignore_pillow_warnings()
            with Path(path).open("rb") as file, _opened(file) as photo:
                return not (photo.format in animated and getattr(photo, "is_animated", False))
    except (MediaError, OSError):
        return False


def is_hdr_photo(path: Path | str) -> bool:
    """Whether a picture is tagged as high dynamic range, which `read_photo` maps to sRGB; raises as it does."""
    coded = coded_points(_read_bytes(Path(path)))
    return coded is not None and coded_space(*coded).hdr


def _read_bytes(path: Path) -> bytes:
    check_readable(path, "a picture")
    return read_bytes(path, "picture", MediaError, "photo_mb")


def _opened(file: IO[bytes]) -> Pillow.Image:
    """A picture of one of `PHOTO_FORMATS`, its pixels not yet read."""
    magic = file.read(len(JPEG_MAGIC))
    file.seek(0)
    if magic == JPEG_MAGIC:  # by itself, as Pillow refuses above 179 megapixels what can be reduced
        return JpegImageFile(file)
    # Pillow's other forty decoders stay closed; one of them (EPS) starts Ghostscript
    photo_formats = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
    return Pillow.open(file, formats=photo_formats)


def _reduce(photo: Pillow.Image) -> None:
    """Let a JPEG be decoded at a part of its size, where it is too large."""
    if photo.format == "JPEG":
        fits = (
            scale for scale in PHOTO_LIMITS.draft_scales if photo.width * photo.height <= limit("pixels") * scale**2
        )
        scale = next(fits, PHOTO_LIMITS.draft_scales[-1])
        if scale > 1:
            photo.draft(None, (photo.width // scale, photo.height // scale))


def _what_else(path: Path) -> str:
    """Description of a file that is not a picture."""
    try:
        with open_container(path) as container:
            kind = "a video" if container.streams.video else "a sound file"
    except MediaError:
        return "not a picture"
    return f"{kind}, not a photo (the photo is given first, the speech second)"


def to_rgb(photo: Pillow.Image, data: bytes = b"") -> Image:
    """Opened picture of any mode -> upright `[H, W, 3]` RGB uint8, as `read_photo` gives; raises what Pillow does.

    Args:
        photo: opened by Pillow.
        data: its file, where there is one: 16 bit colour and some colour tags are only found there.
    """
    space = stored_space(photo, data)
    profile = photo.info.get("icc_profile")
    if photo.format == "AVIF" and data and not profile and not space.is_srgb:
        from talkface.media.heif import read_avif

        return read_avif(data)
    deep = _deep_colour(photo, data)
    if deep is not None:
        values = _turned(full_range(deep), photo.getexif().get(PHOTO_LIMITS.orientation, 1))
        colour = to_srgb(np.ascontiguousarray(values[..., :3]), space if not profile else ColourSpace())
        photo = Pillow.fromarray(colour)
        if values.shape[2] == 4:
            photo.putalpha(Pillow.fromarray(np.asarray(values[..., 3] >> 8, np.uint8)))
        space = ColourSpace()
    else:
        photo = ImageOps.exif_transpose(photo)
        photo.load()
        if photo.mode.startswith(("I", "F")):
            grey = _deep_grey(np.asarray(photo))
            return to_srgb(np.repeat(grey[..., None], 3, axis=2), space)
    alpha = None
    if photo.mode in ("P", "PA", "LA", "La", "RGBa", "RGBA") or "transparency" in photo.info:
        alpha = photo.convert("RGBA").getchannel("A")
        photo = photo.getchannel("L") if photo.mode == "LA" else photo.convert("RGBA").convert("RGB")
    if profile and not space.hdr:
        photo = apply_profile(photo, profile)
        space = ColourSpace()
    photo = lab_to_rgb(photo) if photo.mode == "LAB" else photo.convert("RGB")
    image = to_srgb(np.array(photo), space)
    return image if alpha is None else on_white(np.dstack([image, np.asarray(alpha)]))


def _deep_colour(photo: Pillow.Image, data: bytes) -> npt.NDArray[np.generic] | None:
    """`[H, W, 3 or 4]` of a PNG or TIFF with 16 bits per colour, of which Pillow keeps eight; None for all others."""
    bits = data[24] if photo.format == "PNG" and len(data) > 25 and data[25] in PHOTO_LIMITS.png_colour else 0
    if photo.format == "TIFF" and data:
        from talkface.media.tiff import TIFF, is_planar, read_planes

        if is_planar(photo):
            planes = read_planes(photo, data)
            return planes[..., :4] if planes.dtype != np.uint8 and photo.mode in ("RGB", "RGBA", "RGBX") else None
        if photo.mode in ("RGB", "RGBA"):
            bits = max(getattr(photo, "tag_v2", {}).get(TIFF.bits, (8,)))
    if bits != 16:
        return None
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 3 or stored.shape[2] < 3:
        return None
    return np.concatenate([stored[..., 2::-1], stored[..., 3:]], axis=2)


def _turned(values: npt.NDArray[np.uint16], orientation: int) -> npt.NDArray[np.uint16]:
    """Apply EXIF's orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values[:, ::-1] if orientation in (2, 3, 6, 7) else values


def _deep_grey(values: np.ndarray) -> npt.NDArray[np.uint16]:
    """16 or 32 bit or float grey -> 16 bit; the range is that of the largest value."""
    if np.issubdtype(values.dtype, np.integer):
        return full_range(values)
    grey = np.nan_to_num(values.astype(np.float64))
    top = float(grey.max())
    full = next((level for level in (1.0, 255.0, 65_535.0) if top <= level), top)
    return np.asarray(np.rint(np.clip(grey / full, 0, 1) * 65_535), np.uint16)


def is_heic(start: bytes) -> bool:
    """Whether a file is a HEIC photo, by its first 64 bytes."""
    heic_brands = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2")
    if start[4:8] != b"ftyp" or start[8:12] not in heic_brands:
        return False
    others = (start[at : at + 4] for at in range(16, min(int.from_bytes(start[:4], "big"), 64), 4))
    return not any(brand in (b"avif", b"avis") for brand in others)
