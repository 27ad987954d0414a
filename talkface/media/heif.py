"""HEIC photo, or AVIF with wide colours -> upright sRGB image, high dynamic range tone-mapped."""

import io
from pathlib import Path

import av
import numpy as np
from PIL import Image as Pillow

from talkface.errors import MediaError, MissingExtraError
from talkface.files.read import limit, variable
from talkface.media.colour import ColourSpace, apply_profile, coded_space, on_white, to_srgb
from talkface.media.frame import frame_image
from talkface.types import Image


def read_avif(data: bytes) -> Image:
    """Decode an AVIF with its own primaries and transfer curve, which Pillow leaves out.

    Raises:
        ValueError: damaged.
    """
    try:
        with av.open(io.BytesIO(data), "r", format="mov") as container:
            return frame_image(next(container.decode(video=0)))
    except (av.error.FFmpegError, StopIteration, IndexError) as error:
        raise ValueError(f"no AV1 picture: {error}") from error


def read_heic(data: bytes, path: Path) -> Image:
    """Decode with the package pillow-heif; `path` is for messages.

    Returns:
        `[H, W, 3]` RGB uint8: turned as the file says, on white where it is transparent.

    Raises:
        MissingExtraError: the package is not installed.
        MediaError: damaged, or too large.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is a HEIC photo: pip install 'talkface[heic]', or save the photo as JPEG"
        ) from error
    try:
        photo = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        if photo.size[0] * photo.size[1] > limit("pixels"):
            size = f"{photo.size[0]}x{photo.size[1]}"
            raise MediaError(f"{path} is {size}, above {variable('pixels')} ({limit('pixels'):g} pixels): scale it")
        values = np.asarray(photo)
    except (OSError, ValueError, SyntaxError, RuntimeError, EOFError) as error:
        raise MediaError(f"{path} is a damaged picture or cut short: save it again ({error})") from error
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    coded = photo.info.get("nclx_profile") or {}
    space = coded_space(int(coded.get("color_primaries", 1)), int(coded.get("transfer_characteristics", 13)))
    profile = photo.info.get("icc_profile")
    if profile and not space.hdr:
        eight_bits = Pillow.fromarray(to_srgb(np.ascontiguousarray(values[..., :3]), ColourSpace()))
        colour = np.asarray(apply_profile(eight_bits, profile).convert("RGB"), np.uint8)
    else:
        colour = to_srgb(np.ascontiguousarray(values[..., :3]), space)
    if values.shape[2] == 3:
        return colour
    deepest = 16  # bits that values of more than eight are stored in
    alpha = values[..., 3] if values.dtype == np.uint8 else (values[..., 3] >> deepest // 2).astype(np.uint8)
    return on_white(np.dstack([colour, alpha]))
