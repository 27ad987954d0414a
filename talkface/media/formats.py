"""Name of a video, and whether it is transparent -> how ffmpeg encodes its pictures and its sound."""

from dataclasses import dataclass, field
from typing import Any

import ffmpeg

from talkface.errors import MediaError

SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".gif", ".png")
TRANSPARENT = (".mov", ".webm", ".png")


@dataclass(frozen=True)
class FormatSettings:
    """Quality settings of the encoders."""

    crf: int = 17  # constant quality; 17-18 is where H.264 differences stop being visible
    aac_bitrate: int = 160_000  # bits per second


ENCODE = FormatSettings()
PRESET = "veryfast"
FRUGAL = "rc-lookahead=0:sync-lookahead=0:bframes=0:ref=1:sliced-threads=1:threads=2"
BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}


@dataclass(frozen=True)
class Format:
    """How a video is encoded.

    Attributes:
        pictures: ffmpeg's options of the video stream.
        sound: its options of the sound; empty where the format has none.
        subtitles: its codec of a text track; empty where the format has none.
        quicktime: whether it is MP4 or one of its like.
        palette: whether each frame gets a palette of 256 colours.
    """

    pictures: dict[str, Any]
    sound: dict[str, Any] = field(default_factory=dict)
    subtitles: str = ""
    quicktime: bool = False
    palette: bool = False

    @property
    def yuv(self) -> bool:
        """Whether pictures are stored with the BT.709 matrix, not as RGB."""
        return "pix_fmt" in self.pictures and self.pictures["pix_fmt"].startswith("yuv")


def format_of(suffix: str, *, alpha: bool = False, large: bool = False) -> Format:
    """Format of a file with this suffix.

    MP4, M4V and MOV hold H.264 and AAC, a transparent MOV ProRes 4444; WebM holds VP9 and Opus; GIF and PNG (animated)
    are silent.

    Args:
        suffix: one of `SUFFIXES`, lower case.
        alpha: whether pictures have a fourth channel.
        large: whether frames are so large that few may be held.

    Raises:
        MediaError: a transparent video in a format that has no transparency.
    """
    if alpha and suffix not in TRANSPARENT:
        raise MediaError(f"{suffix} has no transparency: write .mov (ProRes 4444), .webm (VP9) or .png (animated)")
    aac = {"acodec": "aac", "audio_bitrate": ENCODE.aac_bitrate}
    if suffix == ".webm":
        vp9 = {"vcodec": "libvpx-vp9", "crf": 20, "b:v": 0, "deadline": "good", "cpu-used": 5, "row-mt": 1}
        own = {"pix_fmt": "yuva420p", "auto-alt-ref": 0} if alpha else {"pix_fmt": "yuv420p"}
        return Format({**vp9, **own}, {"acodec": "libopus", "audio_bitrate": 128_000}, "webvtt")
    if suffix == ".gif":
        return Format({"vcodec": "gif", "loop": 0}, palette=True)
    if suffix == ".png":
        return Format({"vcodec": "apng", "f": "apng", "plays": 0, "pix_fmt": "rgba" if alpha else "rgb24"})
    if alpha:
        prores = {"vcodec": "prores_ks", "profile:v": 4, "pix_fmt": "yuva444p10le", "vendor": "apl0", "alpha_bits": 16}
        return Format(prores, aac, "mov_text", quicktime=True)
    h264 = {"vcodec": "libx264", "preset": PRESET, "crf": ENCODE.crf, "pix_fmt": "yuv420p"}
    frugal = {"x264-params": FRUGAL} if large else {}
    return Format({**h264, **frugal}, aac, "mov_text", quicktime=True)


def encoded(frames: "ffmpeg.Stream", chosen: Format) -> "ffmpeg.Stream":
    """RGB frames in the colours of the format: BT.709 as tagged, a palette, or as they are."""
    if chosen.yuv:
        return frames.filter("scale", out_color_matrix="bt709", out_range="tv").filter("setparams", **BT709, range="tv")
    if chosen.palette:
        both = frames.filter_multi_output("split")
        own = both[1].filter("palettegen", stats_mode="single")
        return ffmpeg.filter([both[0], own], "paletteuse", new=1, dither="bayer", bayer_scale=4)
    return frames
