"""Photo file -> upright sRGB image, whatever its mode."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, UnidentifiedImageError

from talkface.errors import MediaError, check_readable
from talkface.media.container import is_still, open_container
from talkface.types import Image

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # names that mean a photo in a folder
ANIMATED = ("GIF", "WEBP", "PNG")  # formats whose further pictures are frames, not pages or views
PAPER = (255, 255, 255)  # what shows through transparent parts
LARGEST_PHOTO = 150_000_000  # pixels; a file that claims more is a mistake or an attack


def read_photo(path: Path | str) -> Image:
    """Read a still picture as it is meant to be seen: EXIF rotation applied, sRGB, transparent parts white.

    Any mode Pillow knows (grey, 16 bit, palette, CMYK, float, alpha); of animations the first frame.

    Returns:
        `[H, W, 3]` RGB uint8.

    Raises:
        MediaError: missing, unreadable, empty or cut-short file, no picture, or above 150 megapixels.
    """
    path = Path(path)
    data = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large photos and of odd EXIF blocks
            with Pillow.open(io.BytesIO(data)) as photo:
                if photo.width * photo.height > LARGEST_PHOTO:
                    raise MediaError(f"{path} is {photo.width}x{photo.height}, above 150 megapixels: scale it")
                return to_rgb(photo)
    except UnidentifiedImageError as error:
        raise MediaError(f"{path} is {_what_else(path)}: expected JPEG, PNG, WebP, BMP or TIFF") from error
    except Pillow.DecompressionBombError as error:
        raise MediaError(f"{path} is too large a picture, expected at most 150 megapixels: scale it") from error
    except (OSError, ValueError, SyntaxError, IndexError, EOFError) as error:
        raise MediaError(f"{path} is a damaged picture or cut short: save it anew ({error})") from error


def is_photo(path: Path | str) -> bool:
    """Whether the file's first bytes are those of a still picture, whatever its name; an animation is a video."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(path) as photo:
                return not (photo.format in ANIMATED and getattr(photo, "is_animated", False))
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return False


def _read_bytes(path: Path) -> bytes:
    check_readable(path, "a picture")
    try:
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error


def _what_else(path: Path) -> str:
    """What a file is that is no picture."""
    try:
        with open_container(path) as container:
            if is_still(container):
                return "not a picture"
            kind = "a video" if container.streams.video else "a sound file"
    except MediaError:
        return "not a picture"
    return f"{kind}, not a photo (the photo is given first, the speech second)"


def to_rgb(photo: Pillow.Image) -> Image:
    """Opened picture of any mode -> `[H, W, 3]` RGB uint8, as `read_photo` gives; raises what Pillow does."""
    photo = ImageOps.exif_transpose(photo)
    photo.load()
    if photo.mode.startswith(("I", "F")):
        return _from_deep_grey(np.asarray(photo))
    if photo.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in photo.info:
        photo = photo.convert("RGBA")
    if photo.mode == "RGBA":
        alpha = photo.getchannel("A")
        photo = _to_srgb(photo.convert("RGB"), photo.info.get("icc_profile"))
        sheet = Pillow.new("RGB", photo.size, PAPER)
        sheet.paste(photo, mask=alpha)
        photo = sheet
    else:
        photo = _to_srgb(photo, photo.info.get("icc_profile"))
    return np.array(photo.convert("RGB"))


def _from_deep_grey(values: np.ndarray) -> Image:
    """16 or 32 bit or float grey -> 8 bit RGB; the range is guessed from the largest value."""
    grey = np.nan_to_num(values.astype(np.float64))
    top = float(grey.max())
    full = next((level for level in (1.0, 255.0, 65_535.0) if top <= level), top)
    if np.issubdtype(values.dtype, np.integer):
        full = 65_535.0 if top <= 65_535 else top
    grey = np.clip(grey / full, 0, 1) * 255
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)


def _to_srgb(photo: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """Apply an embedded colour profile (Display P3, Adobe RGB, press CMYK); broken ones are passed over."""
    if not profile or photo.mode not in ("RGB", "CMYK", "L"):
        return photo
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if photo.mode != "CMYK" and "srgb" in ImageCms.getProfileDescription(source).lower():
            return photo
        turned = ImageCms.profileToProfile(photo, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return photo
    return photo if turned is None else turned
