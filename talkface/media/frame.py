"""Decoded video frame -> upright sRGB image with square pixels, as players show it."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from talkface.media.colour import coded_space, on_white, to_srgb
from talkface.types import Image


@dataclass(frozen=True)
class FrameSettings:
    """Levels and sizes of decoded frames."""

    hd_lines: int = 720
    bt709_matrix: int = 1
    unspecified: int = 2
    widest_pixel: int = 4  # width over height of a pixel; beyond it, either way, the tag is a fault of the file
    square_within: Fraction = Fraction(1, 200)  # a width that was rounded when the video was made; nobody sees it


FRAME = FrameSettings()


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width over height of a stored pixel: 64/45 in wide PAL, 1 where the file does not say."""
    stated = stream.sample_aspect_ratio
    if stated is None or not Fraction(1, FRAME.widest_pixel) <= stated <= FRAME.widest_pixel:
        return Fraction(1)
    if abs(stated - 1) <= FRAME.square_within:
        return Fraction(1)  # scaling every frame would take longer than decoding it
    return Fraction(stated)


def frame_size(frame: VideoFrame, aspect: Fraction = Fraction(1)) -> tuple[int, int]:
    """Width and height of what `frame_image` gives."""
    width = max(1, round(frame.width * aspect))
    return (frame.height, width) if round(frame.rotation / 90) % 2 else (width, frame.height)


def is_hdr(frame: VideoFrame) -> bool:
    """Whether the frame is tagged as high dynamic range (PQ or HLG)."""
    return coded_space(int(frame.color_primaries), int(frame.color_trc)).hdr


def frame_image(frame: VideoFrame, aspect: Fraction = Fraction(1)) -> Image:
    """Convert one frame with its own matrix, range, primaries and transfer curve.

    Args:
        frame: as decoded.
        aspect: width over height of its pixels; the width is scaled.

    Returns:
        Upright `[H, W, 3]` RGB uint8; high dynamic range is tone-mapped, transparent parts are white.
    """
    if frame.colorspace == FRAME.unspecified and frame.height >= FRAME.hd_lines:
        frame.colorspace = FRAME.bt709_matrix
    width = max(1, round(frame.width * aspect))
    if any(component.is_alpha for component in frame.format.components):
        image = on_white(np.asarray(frame.to_ndarray(format="rgba", width=width), np.uint8))
    else:
        space = coded_space(int(frame.color_primaries), int(frame.color_trc))
        if space.is_srgb:
            image = np.asarray(frame.to_ndarray(format="rgb24", width=width), np.uint8)
        else:
            image = to_srgb(np.asarray(frame.to_ndarray(format="rgb48le", width=width), np.uint16), space)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
