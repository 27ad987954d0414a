"""Colours and shapes of video frames, against values worked out by hand from the standards."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.media.colour import on_white
from talkface.media.read import is_video, probe_video, read_frames, read_photo
from talkface.media.seek import read_window

SKIN = (198, 120, 114)
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # ITU-R BT.2087


def linear(colour: tuple[int, int, int]) -> np.ndarray:
    stored = np.asarray(colour) / 255
    return np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)


def pq(light: np.ndarray) -> np.ndarray:
    """cd/m2 -> stored, SMPTE ST 2084."""
    power = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light: np.ndarray) -> np.ndarray:
    """cd/m2 on a 1,000 cd/m2 screen -> stored, ITU-R BT.2100."""
    shown = light / 1000
    scene = shown * (shown @ [0.2627, 0.6780, 0.0593]) ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene, 0.3) - 0.28466892) + 0.55991073
    )


def write_flat(
    path: Path,
    colour: np.ndarray,
    *,
    codec: str = "libx264",
    pixels: str = "yuv444p",
    size: tuple[int, int] = (64, 64),
    matrix: int = 0,
    tags: tuple[int, int, int] = (2, 2, 2),
    aspect: Fraction | None = None,
) -> Path:
    """Four frames of one colour, values in 0 to 1; `matrix` makes YUV, `tags` (primaries, transfer, matrix) say so."""
    flat = np.broadcast_to(np.rint(np.asarray(colour) * 65_535).astype(np.uint16), (size[1], size[0], 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.color_primaries, stream.codec_context.color_trc, stream.codec_context.colorspace = tags
        stream.codec_context.color_range = 1
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(flat), format="rgb48le")
            frame = frame.reformat(format=pixels, dst_colorspace=matrix)
            frame.color_primaries, frame.color_trc, frame.colorspace = tags
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def middle(path: Path) -> np.ndarray:
    image, _ = next(read_frames(path))
    return image[image.shape[0] // 2, image.shape[1] // 2]


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "ffv1"])
@pytest.mark.parametrize(("curve", "transfer"), [(pq, 16), (hlg, 18)])
def test_high_dynamic_range_is_shown_as_on_a_standard_screen(tmp_path: Path, codec: str, curve, transfer: int) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this ffmpeg lacks {codec}")
    stored = curve(203 * TO_2020 @ linear(SKIN))
    path = write_flat(tmp_path / "hdr.mkv", stored, codec=codec, pixels="yuv420p10le", matrix=9, tags=(9, transfer, 9))
    np.testing.assert_allclose(middle(path), SKIN, atol=4)
    assert probe_video(path).hdr


def test_highlights_keep_their_order_and_a_white_sheet_stays_light(tmp_path: Path) -> None:
    levels = []
    for light in (100.0, 203.0, 400.0, 1000.0, 4000.0):
        name = tmp_path / f"{light:.0f}.mkv"
        stored = pq(np.full(3, light))
        write_flat(name, stored, codec="ffv1", pixels="yuv444p10le", matrix=9, tags=(9, 16, 9))
        levels.append(int(middle(name)[1]))
    assert levels[0] < 203 < 230 < levels[1] < levels[2] < levels[3] <= levels[4] == 255


@pytest.mark.parametrize(("primaries", "colour"), [(9, TO_2020 @ linear(SKIN)), (1, linear(SKIN))])
def test_wide_gamuts_of_standard_range_become_srgb(tmp_path: Path, primaries: int, colour: np.ndarray) -> None:
    stored = 1.055 * colour ** (1 / 2.4) - 0.055
    path = write_flat(tmp_path / "wide.mkv", stored, codec="ffv1", matrix=1, tags=(primaries, 1, 1))
    np.testing.assert_allclose(middle(path), SKIN, atol=2)
    assert not probe_video(path).hdr


@pytest.mark.parametrize(("lines", "matrix"), [(480, 5), (576, 5), (718, 5), (720, 1), (1080, 1)])
def test_untagged_video_has_the_matrix_that_players_take(tmp_path: Path, lines: int, matrix: int) -> None:
    colour = np.asarray(SKIN) / 255
    path = write_flat(tmp_path / "untagged.mp4", colour, size=(64, lines), matrix=matrix)
    np.testing.assert_allclose(middle(path), SKIN, atol=2)


@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((720, 480), Fraction(8, 9), (640, 480)),
        ((480, 576), Fraction(1), (480, 576)),
        ((64, 64), Fraction(100, 1), (64, 64)),
        ((1300, 730), Fraction(949, 950), (1300, 730)),  # 16:9 but for a rounded width
    ],
)
def test_pixels_are_shown_square(
    tmp_path: Path, stored: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    path = write_flat(tmp_path / "dv.mp4", np.asarray(SKIN) / 255, size=stored, aspect=aspect, matrix=5)
    assert probe_video(path).size == shown
    assert next(read_frames(path))[0].shape == (shown[1], shown[0], 3)
    assert next(read_window(path, Fraction(25), Fraction(0), 1)).shape == (shown[1], shown[0], 3)


def test_straight_alpha_lies_on_white() -> None:
    image = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    np.testing.assert_allclose(on_white(image)[0], [[200, 100, 0], [255] * 3, [244, 224, 204]], atol=1)


@pytest.mark.parametrize(
    ("codec", "name", "pixels"), [("libvpx-vp9", "a.webm", "yuva420p"), ("qtrle", "a.mov", "argb")]
)
def test_transparent_parts_of_videos_are_white(tmp_path: Path, codec: str, name: str, pixels: str) -> None:
    image = np.full((64, 64, 4), (40, 90, 160, 255), np.uint8)
    image[:, :32, 3] = 0
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixels
        if codec == "libvpx-vp9":
            stream.metadata["alpha_mode"] = "1"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgba")))
        container.mux(stream.encode(None))
    frames = list(read_frames(tmp_path / name))
    assert len(frames) == 3
    assert [round(time_s, 3) for _, time_s in frames] == [0, 0.04, 0.08]
    assert (frames[1][0][:, 2:28] > 250).all()
    np.testing.assert_allclose(frames[1][0][32, 48], (40, 90, 160), atol=6)


def test_an_animated_webp_is_a_video(tmp_path: Path) -> None:
    levels = (30, 90, 150, 210)
    pictures = [Pillow.fromarray(np.full((48, 64, 3), level, np.uint8)) for level in levels]
    path = tmp_path / "driver.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 100, 200, 200], lossless=True)
    assert is_video(path)
    info = probe_video(path)
    assert (info.size, info.fps, info.duration_s) == ((64, 48), Fraction(20, 3), 0.6)
    frames = list(read_frames(path))
    assert [int(image.mean()) for image, _ in frames] == list(levels)
    assert [time_s for _, time_s in frames] == [0, 0.1, 0.2, 0.4]
    assert [int(image.mean()) for image, _ in read_frames(path, Fraction(10))] == [30, 90, 150, 150, 210, 210]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("hdr_pq_video.mp4", (720, 960)),
        ("untagged_hd.mp4", (960, 1280)),
        ("transparent_video.webm", (450, 600)),
        ("anamorphic_pal_wide.mp4", (1024, 576)),
    ],
)
def test_collected_videos_are_shown_as_players_do(shared_bugs: Path, name: str, size: tuple[int, int]) -> None:
    assert probe_video(shared_bugs / name).size == size
    image, _ = next(read_frames(shared_bugs / name))
    assert image.shape == (size[1], size[0], 3)
    if name == "transparent_video.webm":
        assert (image[:8, :8] > 250).all()
    elif size != (1024, 576):
        portrait = read_photo(shared_bugs / "ordinary_portrait.jpg")
        np.testing.assert_allclose(image.mean((0, 1)), portrait.mean((0, 1)), atol=3)


@pytest.mark.data
def test_the_collected_animated_webp_moves_like_its_gif(shared_bugs: Path) -> None:
    webp, gif = (probe_video(shared_bugs / f"animated_driver{end}") for end in (".webp", "_works.gif"))
    assert (webp.size, webp.fps, webp.duration_s) == (gif.size, gif.fps, gif.duration_s)
