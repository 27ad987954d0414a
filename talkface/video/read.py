"""Photo or video file -> upright RGB images, one at a time, on the file's own clock.

Time zero is where the file's earliest stream starts, as in `audio/io`, so picture and sound at one time belong
together.
"""

import io
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, UnidentifiedImageError

from talkface.errors import MediaError
from talkface.types import Image

PAPER = (255, 255, 255)  # what shows through transparent parts
LARGEST_PHOTO = 150_000_000  # pixels; a file that claims more is a mistake or an attack
ATTACHED_PICTURE = 0x400  # ffmpeg's disposition bit of cover art inside a sound file
HELD_S = 10.0  # a frame is never held longer than this: a longer hole is a fault of the file's clock


@dataclass(frozen=True)
class VideoInfo:
    """What a video's container says.

    Attributes:
        size: width, height once upright.
        fps: average frames per second.
        duration_s: of the pictures; None where the container does not say.
        has_sound: whether there is a sound track.
        rotation: degrees counter-clockwise that make the stored frames upright; 0, 90, 180 or 270.
    """

    size: tuple[int, int]
    fps: Fraction
    duration_s: float | None
    has_sound: bool
    rotation: int


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
                return _to_rgb(ImageOps.exif_transpose(photo))
    except UnidentifiedImageError as error:
        raise MediaError(f"{path} is {_what_else(path)}: expected JPEG, PNG, WebP, BMP or TIFF") from error
    except Pillow.DecompressionBombError as error:
        raise MediaError(f"{path} is too large a picture, expected at most 150 megapixels: scale it") from error
    except (OSError, ValueError, SyntaxError, IndexError, EOFError) as error:
        raise MediaError(f"{path} is a damaged picture or cut short: save it anew ({error})") from error


def is_photo(path: Path | str) -> bool:
    """Whether the file's first bytes are those of a still picture, whatever its name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(path):
                return True
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return False


def is_video(path: Path | str) -> bool:
    """Whether the file holds moving pictures; no still picture, no sound file with cover art."""
    if is_photo(path):
        return False
    try:
        with _open(Path(path)) as container:
            return bool(_picture_stream(container, Path(path)).codec_context)
    except MediaError:
        return False


def probe_video(path: Path | str) -> VideoInfo:
    """Look at the first moving-picture stream of `path`; the first frame is decoded for its rotation.

    Raises:
        MediaError: missing, unreadable, empty or damaged file, or no moving pictures in it.
    """
    path = Path(path)
    with _open(path) as container:
        stream = _picture_stream(container, path)
        first = next(_decoded(container, stream), None)
        if first is None:
            raise MediaError(f"no picture could be decoded from {path}: the file is damaged or cut short")
        turned = first.rotation % 180 != 0
        size = (first.height, first.width) if turned else (first.width, first.height)
        duration = stream.duration * stream.time_base if stream.duration and stream.time_base else None
        if duration is None and container.duration:
            duration = Fraction(container.duration, av.time_base)
        return VideoInfo(
            size=size,
            fps=Fraction(stream.average_rate or stream.guessed_rate or 25),
            duration_s=None if duration is None else float(duration),
            has_sound=bool(container.streams.audio),
            rotation=first.rotation % 360,
        )


def read_frames(path: Path | str, fps: Fraction | None = None) -> Iterator[tuple[Image, float]]:
    """Decode a video frame by frame.

    Args:
        path: any video that ffmpeg decodes.
        fps: constant rate to resample to; every output frame is the stored one nearest in time, the first one reaches
            back to time zero. None gives the stored frames.

    Yields:
        `[H, W, 3]` RGB upright image and its time in seconds.

    Raises:
        MediaError: as `probe_video`. Damage after the first frame ends the video or leaves frames out.
    """
    path = Path(path)
    with _open(path) as container:
        stream = _picture_stream(container, path)
        frames = _timed(container, stream)
        empty = True
        for frame, time_s in frames if fps is None else _at_rate(frames, fps):
            empty = False
            yield frame_image(frame), time_s
        if empty:
            raise MediaError(f"no picture could be decoded from {path}: the file is damaged or cut short")


def frame_image(frame: VideoFrame) -> Image:
    """Decoded frame -> upright `[H, W, 3]` RGB uint8, with the frame's own colour matrix and range."""
    image: Image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise MediaError(f"{path} is a folder, expected a picture")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MediaError(f"no file {path}: check the name") from error
    except PermissionError as error:
        raise MediaError(f"{path} may not be read: change its permissions (chmod +r) or copy it") from error
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    if not data:
        raise MediaError(f"{path} is empty (0 bytes): give another file")
    return data


def _what_else(path: Path) -> str:
    """What a file is that is no picture."""
    try:
        with _open(path) as container:
            kind = "a video" if container.streams.video else "a sound file"
    except MediaError:
        return "not a picture"
    return f"{kind}, not a photo (the photo is given first, the speech second)"


def _to_rgb(photo: Pillow.Image) -> Image:
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


def _open(path: Path) -> InputContainer:
    if path.is_dir():
        raise MediaError(f"{path} is a folder, expected a video")
    try:
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty (0 bytes): give another file")
        return av.open(str(path), metadata_errors="ignore")
    except FileNotFoundError as error:
        raise MediaError(f"no file {path}: check the name") from error
    except PermissionError as error:
        raise MediaError(f"{path} may not be read: change its permissions (chmod +r) or copy it") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path} is not a picture or video that can be read, or is damaged") from error


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    for stream in container.streams.video:
        if stream.codec_context is not None and not int(stream.disposition) & ATTACHED_PICTURE:
            stream.thread_type = "AUTO"
            return stream
    raise MediaError(f"{path} has no moving pictures: give a photo, or a video of the person")


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in the order they are shown; damaged packets are passed over."""
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in frames if isinstance(frame, VideoFrame))


def _timed(container: InputContainer, stream: VideoStream) -> Iterator[tuple[VideoFrame, float]]:
    """Frames with rising times; a missing or impossible time stamp continues at the average rate."""
    origin_s = (container.start_time or 0) / av.time_base
    step_s = float(1 / (stream.average_rate or stream.guessed_rate or 25))
    last_s = -math.inf
    shift_s = 0.0
    for frame in _decoded(container, stream):
        follows_s = 0.0 if math.isinf(last_s) else last_s + step_s
        time_s = follows_s if frame.time is None else float(frame.time) - origin_s - shift_s
        if not math.isinf(last_s) and not last_s < time_s < last_s + HELD_S:
            shift_s += time_s - follows_s
            time_s = follows_s
        last_s = time_s
        yield frame, time_s


def _at_rate(frames: Iterator[tuple[VideoFrame, float]], fps: Fraction) -> Iterator[tuple[VideoFrame, float]]:
    """Repeat and leave out frames so that frame n is the one nearest to n / fps."""
    index = 0
    held: VideoFrame | None = None
    held_s, step_s = 0.0, 1 / float(fps)
    for frame, time_s in frames:
        slot = math.floor(time_s * fps + 0.5 + 1e-6)
        while held is not None and index < slot:
            yield held, float(index / fps)
            index += 1
        step_s = time_s - held_s if held is not None else step_s
        held, held_s = frame, time_s
    end = max(math.floor((held_s + min(step_s, 1.0)) * fps + 0.5 + 1e-6), index + 1) if held is not None else 0
    while held is not None and index < end:
        yield held, float(index / fps)
        index += 1
