"""Opened picture and its bytes -> colour space and profile that its own tags give, applied to its values."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageCms

from talkface.media.colour import ADOBE_RGB, BT709, COLOUR, ColourSpace, coded_space


@dataclass(frozen=True)
class PhotoColourSettings:
    """Tags and gammas of a photo's colour space."""

    exif: int = 0x8769  # directories
    interoperability: int = 0xA005
    exif_colour_space: int = 0xA001
    interoperability_index: int = 1
    usual_gamma: float = 0.45455
    same_gamma: float = 0.05  # of gAMA, within which sRGB's curve is meant
    gammas: tuple[float, float] = (0.1, 5.0)  # of gAMA; what lies outside is a fault of the file
    same_colour: int = 2  # grey levels: profiles that move no colour further are sRGB, whatever their name


PHOTO_COLOUR = PhotoColourSettings()
EXIF_ADOBE, EXIF_UNCALIBRATED, INDEX_SRGB = 2, 0xFFFF, "R98"  # cameras say "uncalibrated" for Adobe RGB only (DCF 2.0)
NCLX = b"colrnclx"


def stored_space(photo: Pillow.Image, data: bytes = b"") -> ColourSpace:
    """Colour space that a picture is stored in where it has no profile.

    The first of PNG's cICP, sRGB, gAMA with cHRM (PNG third edition, 4.3), AVIF's nclx, and EXIF's colour space.

    Args:
        photo: as opened, before any conversion.
        data: the file; cICP and nclx are looked up there.
    """
    coded = coded_points(data)
    if coded is not None:
        return coded_space(*coded)
    if "srgb" not in photo.info and ("gamma" in photo.info or "chromaticity" in photo.info):
        return _png_space(photo.info)
    if _is_adobe(photo):
        return ColourSpace(ADOBE_RGB, gamma=COLOUR.adobe_gamma)
    return ColourSpace()


def coded_points(data: bytes) -> tuple[int, int] | None:
    """H.273 code points of primaries and transfer in a PNG's cICP chunk or an AVIF's nclx box."""
    if data.startswith(b"\x89PNG"):
        chunk = png_chunk(data, b"cICP")
        return (chunk[0], chunk[1]) if chunk is not None and len(chunk) == 4 else None
    if data[4:8] == b"ftyp":
        at = data.find(NCLX, 0, 65_536)
        if 0 <= at <= len(data) - len(NCLX) - 4:
            primaries, transfer = struct.unpack_from(">HH", data, at + len(NCLX))
            return primaries, transfer
    return None


def png_chunk(data: bytes, name: bytes) -> bytes | None:
    """Content of a PNG's chunk that stands before its pixels, or None."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == name:
            return data[at + 8 : at + 8 + length]
        if kind in (b"IDAT", b"IEND"):
            return None
        at += 12 + length
    return None


def apply_profile(photo: Pillow.Image, profile: bytes) -> Pillow.Image:
    """Convert to sRGB by an ICC profile (Display P3, Adobe RGB, press CMYK); broken ones are passed over."""
    if photo.mode not in ("RGB", "CMYK", "L", "LAB"):
        return photo
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if photo.mode == "RGB" and _moves_nothing(source):
            return photo
        turned = _by_profile(photo, source)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return photo
    return photo if turned is None else turned


def lab_to_rgb(photo: Pillow.Image) -> Pillow.Image:
    """CIE L*a*b* -> sRGB."""
    turned = _by_profile(photo, ImageCms.createProfile("LAB"))
    assert turned is not None
    return turned


def full_range(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Integers of 8, 10, 12 or 16 bits in a wider type -> 16 bits; the largest value tells which."""
    top = int(values.max(initial=0))
    full = next((level for level in (255, 1023, 4095, 65_535) if top <= level), top)
    return np.asarray(np.rint(np.clip(values, 0, full) * (65_535 / full)), np.uint16)


def _by_profile(photo: Pillow.Image, source: object) -> Pillow.Image | None:
    return ImageCms.profileToProfile(photo, source, ImageCms.createProfile("sRGB"), outputMode="RGB")  # type: ignore[arg-type]


def _moves_nothing(source: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile leaves a cube of colours where sRGB has them; names prove nothing."""
    steps = np.array([0, 64, 128, 192, 255], np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    turned = _by_profile(Pillow.fromarray(cube), source)
    return turned is not None and int(np.abs(np.asarray(turned).astype(int) - cube).max()) <= PHOTO_COLOUR.same_colour


def _png_space(info: Mapping[str | tuple[int, int], object]) -> ColourSpace:
    """PNG's gAMA and cHRM."""
    gamma, points = info.get("gamma"), info.get("chromaticity")
    exponent = 0.0
    if (
        isinstance(gamma, float)
        and PHOTO_COLOUR.gammas[0] <= gamma <= PHOTO_COLOUR.gammas[1]
        and abs(gamma - PHOTO_COLOUR.usual_gamma) > PHOTO_COLOUR.same_gamma
    ):
        exponent = 1 / gamma
    primaries = BT709
    if isinstance(points, tuple) and len(points) == 8 and min(points[1::2]) > 0:
        white, red, green, blue = ((float(points[k]), float(points[k + 1])) for k in (0, 2, 4, 6))
        if abs(np.linalg.det([[*red, 1], [*green, 1], [*blue, 1]])) > 1e-3:
            primaries = (red, green, blue, white)
    return ColourSpace(primaries, gamma=exponent)


def _is_adobe(photo: Pillow.Image) -> bool:
    tags = photo.getexif()
    details = tags.get_ifd(PHOTO_COLOUR.exif)
    said = details.get(PHOTO_COLOUR.exif_colour_space)
    if said == EXIF_UNCALIBRATED:
        known = PHOTO_COLOUR.interoperability in details  # Pillow 12 has a KeyError for a part that is not there
        index = (
            tags.get_ifd(PHOTO_COLOUR.interoperability).get(PHOTO_COLOUR.interoperability_index, "") if known else ""
        )
        return str(index).strip("\0 ") != INDEX_SRGB
    return bool(said == EXIF_ADOBE)
