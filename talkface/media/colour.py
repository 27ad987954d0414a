"""Stored colour values of any primaries and transfer curve -> sRGB, high dynamic range tone-mapped; -> [-1, 1].

Code points are those of ITU-T H.273, as MP4, Matroska, AVIF, HEIC and PNG's cICP chunk store them.
"""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageCms

from talkface.types import FloatArray, Image

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""CIE x, y of red, green, blue and white."""
GAMMAS = {4: 2.2, 5: 2.8}
Values = TypeVar("Values", bound=Any)  # array, tensor (this room does without torch) or number


@dataclass(frozen=True)
class ColourSettings:
    """White levels and tone curve of high dynamic range."""

    d65: tuple[float, float] = (0.3127, 0.3290)
    linear: int = 8
    pq: int = 16
    hlg: int = 18
    adobe_gamma: float = 563 / 256
    reference_white: float = 203.0  # cd/m2 that HDR keeps for a white sheet (ITU-R BT.2408)
    hdr_peak: float = 1000.0  # cd/m2 that become the brightest sRGB value
    knee: float = 0.75  # of the reference white: darker values keep their brightness, brighter ones are compressed
    fine: int = 4096  # steps of the curve back to sRGB


COLOUR = ColourSettings()
BT709: Chromaticities = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), COLOUR.d65)
PRIMARIES: dict[int, Chromaticities] = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), COLOUR.d65),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # DCI-P3
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), COLOUR.d65),  # Display P3
}
"""Wide gamuts by code point; those of standard definition differ from BT.709 less than players care for."""


@dataclass(frozen=True)
class ColourSpace:
    """Meaning of stored RGB values.

    Attributes:
        primaries: chromaticities of the three lights and of white.
        transfer: code point of the curve; 0 where `gamma` gives it.
        gamma: exponent from stored to linear values.
    """

    primaries: Chromaticities = BT709
    transfer: int = 13
    gamma: float = 0.0

    @property
    def hdr(self) -> bool:
        """Whether values may be brighter than a white sheet."""
        return self.transfer in (COLOUR.pq, COLOUR.hlg)

    @property
    def is_srgb(self) -> bool:
        """Whether stored values are shown as they are: sRGB, or the curves of television, which players take for it."""
        curved = self.gamma != 0 or self.transfer in (*GAMMAS, COLOUR.linear, COLOUR.pq, COLOUR.hlg)
        return not curved and np.abs(np.subtract(self.primaries, BT709)).max() < 0.005


def coded_space(primaries: int, transfer: int) -> ColourSpace:
    """Colour space of H.273 code points; unknown and unspecified ones count as BT.709."""
    return ColourSpace(PRIMARIES.get(primaries, BT709), transfer)


def to_srgb(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], space: ColourSpace) -> Image:
    """Convert an image to sRGB.

    High dynamic range is shown as on a standard screen: a white sheet (203 cd/m2, ITU-R BT.2408) becomes nearly white,
    what is darker keeps its brightness, highlights up to 1,000 cd/m2 are compressed into the rest by Reinhard's
    extended curve (Reinhard et al. 2002, eq. 4) on the largest channel, so that hues stay.

    Args:
        values: `[H, W, 3]` RGB of full range, 8 or 16 bit.
        space: what they mean.

    Returns:
        `[H, W, 3]` uint8.
    """
    if space.is_srgb:
        return np.asarray(values, np.uint8) if values.dtype == np.uint8 else _to_eight_bits(values)
    light = _linear_curve(space.transfer, space.gamma, values.dtype.itemsize)[values]
    if space.transfer == COLOUR.hlg:
        luminance = light @ np.asarray([0.2627, 0.6780, 0.0593], np.float32)
        light *= np.float32(COLOUR.hdr_peak / COLOUR.reference_white) * np.power(luminance, np.float32(0.2))[..., None]
    if space.hdr:
        light *= _highlight_gain(light.max(axis=-1))[..., None]
    matrix = conversion_matrix(space.primaries, BT709).astype(np.float32)
    light = np.clip(np.asarray(cv2.transform(light, matrix)), 0, 1)
    return np.asarray(_srgb_curve()[(np.sqrt(light) * (COLOUR.fine - 1) + 0.5).astype(np.uint16)], np.uint8)


def conversion_matrix(source: Chromaticities, target: Chromaticities) -> FloatArray:
    """`[3, 3]` linear RGB of `source` -> linear RGB of `target`, white to white (von Kries scaling in XYZ)."""
    to_xyz, from_xyz = _xyz_matrix(source), np.linalg.inv(_xyz_matrix(target))
    white = _xyz_matrix(target).sum(1) / to_xyz.sum(1)
    return np.asarray(from_xyz @ (white[:, None] * to_xyz))


def _xyz_matrix(primaries: Chromaticities) -> FloatArray:
    x, y = np.asarray(primaries, np.float64).T
    columns = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


def _to_eight_bits(values: npt.NDArray[np.integer]) -> Image:
    return ((values.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)


@cache
def _linear_curve(transfer: int, gamma: float, size: int) -> npt.NDArray[np.float32]:
    """Stored value -> linear light, 1 for a white sheet; of HLG the scene's light, 1 for its peak."""
    stored = np.linspace(0, 1, 256**size)
    if gamma or transfer in GAMMAS:
        light = stored ** (gamma or GAMMAS[transfer])
    elif transfer == COLOUR.linear:
        light = stored
    elif transfer == COLOUR.pq:  # SMPTE ST 2084, eq. 4.1
        root = stored ** (32 / 2523)
        light = (np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)
        light *= 10_000 / COLOUR.reference_white
    elif transfer == COLOUR.hlg:  # ITU-R BT.2100, table 5
        bright = (np.exp((np.maximum(stored, 0.5) - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(stored <= 0.5, stored**2 / 3, bright)
    else:
        light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _highlight_gain(brightest: FloatArray) -> FloatArray:
    """Factor on all channels, from the largest of them: 1 below the knee, the peak lands on 1."""
    peak = (COLOUR.hdr_peak / COLOUR.reference_white - COLOUR.knee) / (1 - COLOUR.knee)
    above = np.maximum(brightest - COLOUR.knee, 0) / (1 - COLOUR.knee)
    curved = COLOUR.knee + (1 - COLOUR.knee) * above * (1 + above / peak**2) / (1 + above)
    return np.where(above > 0, curved / np.maximum(brightest, COLOUR.knee), 1).astype(np.float32)


@cache
def _srgb_curve() -> Image:
    """Square root of linear light, in `COLOUR.fine` steps -> stored 8 bit value."""
    light = np.linspace(0, 1, COLOUR.fine) ** 2
    stored = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * stored), np.uint8)


def on_white(image: npt.NDArray[np.uint8]) -> Image:
    """`[H, W, 4]` with straight alpha -> `[H, W, 3]` on a white sheet."""
    colour, alpha = np.ascontiguousarray(image[..., :3]), image[..., 3]
    if alpha.min() == 255:
        return colour
    share = cv2.merge([alpha] * 3)
    return cv2.add(cv2.multiply(colour, share, scale=1 / 255), cv2.bitwise_not(share)).astype(np.uint8)


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
    adobe_rgb = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), COLOUR.d65)
    if _is_adobe(photo):
        return ColourSpace(adobe_rgb, gamma=COLOUR.adobe_gamma)
    return ColourSpace()


def coded_points(data: bytes) -> tuple[int, int] | None:
    """H.273 code points of primaries and transfer in a PNG's cICP chunk or an AVIF's nclx box."""
    if data.startswith(b"\x89PNG"):
        chunk = png_chunk(data, b"cICP")
        return (chunk[0], chunk[1]) if chunk is not None and len(chunk) == 4 else None
    nclx = b"colrnclx"
    if data[4:8] == b"ftyp":
        at = data.find(nclx, 0, 65_536)
        if 0 <= at <= len(data) - len(nclx) - 4:
            primaries, transfer = struct.unpack_from(">HH", data, at + len(nclx))
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
    stated = details.get(PHOTO_COLOUR.exif_colour_space)
    adobe_rgb, uncalibrated, index_srgb = 2, 0xFFFF, "R98"  # cameras say "uncalibrated" for Adobe RGB only (DCF 2.0)
    if stated == uncalibrated:
        known = PHOTO_COLOUR.interoperability in details  # Pillow 12 has a KeyError for a part that is not there
        index = (
            tags.get_ifd(PHOTO_COLOUR.interoperability).get(PHOTO_COLOUR.interoperability_index, "") if known else ""
        )
        return str(index).strip("\0 ") != index_srgb
    return bool(stated == adobe_rgb)


def to_signed(levels: Values) -> Values:
    """Levels of 0 to 255 -> -1 to 1, the range of pictures in networks.

    Args:
        levels: of floating point, or a tensor of bytes, which torch divides in single precision. (ArcFace's networks
            take (levels - 127.5) / 127.5, which rounds otherwise: `metrics.arcface`.)
    """
    signed: Values = levels / 127.5 - 1
    return signed


def to_levels(signed: Values) -> Values:
    """-1 to 1 -> levels of 0 to 255, neither rounded nor clipped; in half precision levels would be lost."""
    levels: Values = (signed + 1) * 127.5
    return levels
