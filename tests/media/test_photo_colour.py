"""Colours of photos by every tag that can give them, against values worked out from the standards."""

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.errors import MediaError, MissingExtraError
from talkface.media.read import is_photo, is_video, read_photo

SKIN = np.array([198, 120, 114])
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # ITU-R BT.2087
TO_P3 = np.array([[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]])  # linear sRGB -> Display P3
TO_ADOBE = np.array([[0.7152, 0.2848, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0412, 0.9588]])
ADOBE_POINTS = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
ORIENTATION = 0x0112


def linear() -> np.ndarray:
    return ((SKIN / 255 + 0.055) / 1.055) ** 2.4


def pq_skin() -> np.ndarray:
    power = (203 * TO_2020 @ linear() / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def flat(colour: np.ndarray, top: int = 255) -> np.ndarray:
    kind = np.uint8 if top == 255 else np.uint16
    return np.broadcast_to(np.rint(np.asarray(colour) * top).astype(kind), (24, 32, 3)).copy()


def png(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """PNG of 8 or 16 bits with further chunks behind its header."""
    coded = cv2.imencode(".png", values[..., ::-1] if values.ndim == 3 else values)[1].tobytes()
    added = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return coded[:33] + added + coded[33:]


def profile(name: bytes, red: tuple, green: tuple, blue: tuple, gamma: float) -> bytes:
    """ICC profile (version 2) of three lights in XYZ under D50 and one exponent."""

    def xyz(point: tuple) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in point))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" + b"\0" * 78
    tags = {b"desc": text + b"\0" * (-len(text) % 4), b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    tags |= {b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ") + b"\0" * 12
    header += b"acsp" + b"\0" * 28 + struct.pack(">3i", 63_190, 65_536, 54_061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


P3_LIGHTS = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))


def colour_of(tmp_path: Path, data: bytes, name: str = "photo") -> np.ndarray:
    (tmp_path / name).write_bytes(data)
    return read_photo(tmp_path / name)[12, 16]


@pytest.mark.parametrize("top", [255, 65_535])
def test_cicp_comes_before_every_other_tag_of_a_png(tmp_path: Path, top: int) -> None:
    data = png(flat(pq_skin(), top), (b"cICP", bytes([9, 16, 0, 1])), (b"gAMA", struct.pack(">I", 100_000)))
    np.testing.assert_allclose(colour_of(tmp_path, data), SKIN, atol=3)


def test_gamma_and_chromaticities_of_a_png_are_applied(tmp_path: Path) -> None:
    chromaticities = (b"cHRM", struct.pack(">8I", *ADOBE_POINTS))
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    both = png(flat(TO_ADOBE @ linear(), 65_535), gamma, chromaticities)
    np.testing.assert_allclose(colour_of(tmp_path, both), SKIN, atol=1)
    np.testing.assert_allclose(colour_of(tmp_path, png(flat(linear()), gamma)), SKIN, atol=2)


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 45_455))],
        [(b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", struct.pack(">8I", *SRGB_POINTS))],
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", struct.pack(">I", 0))],
        [(b"cHRM", struct.pack(">8I", *[0] * 8))],
    ],
)
def test_usual_and_broken_tags_leave_a_png_as_it_is(tmp_path: Path, chunks: list[tuple[bytes, bytes]]) -> None:
    np.testing.assert_array_equal(colour_of(tmp_path, png(flat(SKIN / 255), *chunks)), SKIN)


@pytest.mark.parametrize(
    ("said", "index", "adobe"), [(2, "", True), (0xFFFF, "", True), (0xFFFF, "R98", False), (1, "", False)]
)
def test_the_colour_space_of_exif_is_applied(tmp_path: Path, said: int, index: str, adobe: bool) -> None:
    tags = Pillow.Exif()
    tags[0x010F] = "maker"  # Pillow leaves out tags whose main directory is empty
    tags.get_ifd(0x8769)[0xA001] = said
    if index:
        tags.get_ifd(0x8769)[0xA005] = {1: index}
    stored = (TO_ADOBE @ linear()) ** (256 / 563)
    file = io.BytesIO()
    Pillow.fromarray(flat(stored)).save(file, "png", exif=tags)
    expected = SKIN if adobe else np.rint(stored * 255)
    np.testing.assert_allclose(colour_of(tmp_path, file.getvalue()), expected, atol=1)


@pytest.mark.parametrize("mode", ["jpeg", "png"])
def test_profiles_count_by_content_not_by_name(tmp_path: Path, mode: str) -> None:
    stored = flat((TO_P3 @ linear()) ** (1 / 2.2))
    for name in (b"sRGB IEC61966-2.1", b"Display P3"):
        file = io.BytesIO()
        options = {"quality": 98, "subsampling": 0} if mode == "jpeg" else {}
        Pillow.fromarray(stored).save(file, mode, icc_profile=profile(name, *P3_LIGHTS, 2.2), **options)
        np.testing.assert_allclose(colour_of(tmp_path, file.getvalue()), SKIN, atol=3, err_msg=str(name))


def test_exif_does_not_override_a_profile(tmp_path: Path) -> None:
    tags = Pillow.Exif()
    tags[0x010F] = "maker"  # Pillow leaves out tags whose main directory is empty
    tags.get_ifd(0x8769)[0xA001] = 0xFFFF
    file = io.BytesIO()
    picture = Pillow.fromarray(flat((TO_P3 @ linear()) ** (1 / 2.2)))
    picture.save(file, "png", icc_profile=profile(b"P3", *P3_LIGHTS, 2.2), exif=tags)
    np.testing.assert_allclose(colour_of(tmp_path, file.getvalue()), SKIN, atol=2)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("end", ["png", "tiff"])
def test_values_of_fewer_bits_than_stored_are_scaled_by_their_range(tmp_path: Path, bits: int, end: str) -> None:
    ramp = np.linspace(0, 1, 256).reshape(8, 32)
    grey = np.rint(ramp * (2**bits - 1)).astype(np.uint16)
    expected = np.rint(ramp * 255)
    for values in (grey, np.repeat(grey[..., None], 3, axis=2)):
        path = tmp_path / f"deep.{end}"
        cv2.imwrite(str(path), values)
        np.testing.assert_allclose(read_photo(path)[..., 1], expected, atol=1)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "deflate"}, {"tile": (16, 16)}, {"byteorder": ">"}, {"rowsperstrip": 8}]
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_colours_in_separate_planes_are_read(tmp_path: Path, options: dict, kind: type) -> None:
    tifffile = pytest.importorskip("tifffile")
    picture = np.random.default_rng(0).integers(0, 256, (3, 40, 48), np.uint8)
    stored = picture.astype(kind) * (257 if kind is np.uint16 else 1)
    tifffile.imwrite(tmp_path / "p.tif", stored, planarconfig="separate", photometric="rgb", **options)
    np.testing.assert_array_equal(read_photo(tmp_path / "p.tif"), np.moveaxis(picture, 0, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bit_colour_is_turned_as_eight_bit_colour_is(tmp_path: Path, orientation: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    tags = Pillow.Exif()
    tags[ORIENTATION] = orientation
    exif = (b"eXIf", tags.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "8.png").write_bytes(png(picture, exif))
    (tmp_path / "16.png").write_bytes(png(picture.astype(np.uint16) * 257, exif))
    np.testing.assert_array_equal(read_photo(tmp_path / "16.png"), read_photo(tmp_path / "8.png"))


def test_transparency_of_sixteen_bits_lies_on_white(tmp_path: Path) -> None:
    values = np.concatenate([flat(SKIN / 255, 65_535), np.full((24, 32, 1), 65_535, np.uint16)], axis=2)
    values[:, :8, 3] = 0
    cv2.imwrite(str(tmp_path / "cut.png"), values[..., [2, 1, 0, 3]])
    read = read_photo(tmp_path / "cut.png")
    assert (read[:, :8] == 255).all()
    np.testing.assert_array_equal(read[0, 16], SKIN)


def test_lab_is_converted(tmp_path: Path) -> None:
    Pillow.new("LAB", (32, 24), (150, 148, 142)).save(tmp_path / "lab.tiff")  # L* 58.8, a* 20, b* 14
    np.testing.assert_allclose(read_photo(tmp_path / "lab.tiff")[12, 16], [183, 128, 118], atol=4)


def test_wide_avif_is_tone_mapped(tmp_path: Path) -> None:
    path = tmp_path / "hdr.avif"
    with av.open(str(path), "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 16, 9, 1
        values = np.broadcast_to(np.rint(pq_skin() * 65_535).astype(np.uint16), (64, 64, 3))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format="rgb48le")
        frame = frame.reformat(format="yuv420p10le", dst_colorspace=9)
        frame.color_primaries, frame.color_trc, frame.colorspace = 9, 16, 9
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert is_photo(path) and not is_video(path)
    np.testing.assert_allclose(read_photo(path)[32, 32], SKIN, atol=4)


def test_heic_is_read_or_its_package_is_named(tmp_path: Path) -> None:
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200)
    assert is_photo(path) and not is_video(path)
    with pytest.raises((MediaError, MissingExtraError), match=r"damaged|talkface\[heic\]"):
        read_photo(path)


def test_heic_colours(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "phone.heic"
    options = {"format": "HEIF", "quality": 95, "matrix_coefficients": 9, "full_range_flag": 1}
    values = np.broadcast_to(np.rint(pq_skin() * 65_535).astype(np.uint16), (64, 64, 3)).tobytes()
    pillow_heif.encode("RGB;16", (64, 64), values, path, color_primaries=9, transfer_characteristics=16, **options)
    np.testing.assert_allclose(read_photo(path)[32, 32], SKIN, atol=4)
    pillow_heif.from_pillow(Pillow.new("RGB", (64, 64), tuple(SKIN))).save(path, quality=95)
    np.testing.assert_allclose(read_photo(path)[32, 32], SKIN, atol=3)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("hdr_pq_cicp_photo.png", 3),
        ("linear_gama_chunk.png", 3),
        ("adobe_rgb_exif_only.jpg", 3),
        ("p3_profile_named_not_srgb.jpg", 3),
        ("rgb16_planar.tif", 3),
    ],
)
def test_collected_photos_look_like_the_portrait(shared_bugs: Path, name: str, tolerance: float) -> None:
    portrait = read_photo(shared_bugs / "ordinary_portrait.jpg")
    read = cv2.resize(read_photo(shared_bugs / name), portrait.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    difference = np.abs(read.astype(float) - portrait)
    assert difference.mean() < tolerance
    np.testing.assert_allclose(read.mean((0, 1)), portrait.mean((0, 1)), atol=1.5)


@pytest.mark.data
def test_the_collected_deep_grey_photo_has_the_portraits_light(shared_bugs: Path) -> None:
    portrait = cv2.cvtColor(read_photo(shared_bugs / "ordinary_portrait.jpg"), cv2.COLOR_RGB2GRAY)
    read = read_photo(shared_bugs / "grey_12bit_in_16.png")
    assert abs(read.mean() - portrait.mean()) < 3
