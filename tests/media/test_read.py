"""Photos and videos come out upright, in sRGB and on the file's own clock."""

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from talkface.errors import MediaError
from talkface.media.read import is_photo, is_video, probe_video, read_frames, read_photo

ORIENTATION = 0x0112  # EXIF tag


@pytest.fixture
def picture(astronaut: np.ndarray) -> np.ndarray:
    """Small, and not square."""
    return astronaut[:160, 100:300].copy()


def save(path: Path, picture: np.ndarray, **options: object) -> Path:
    Pillow.fromarray(picture).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_lossless_formats_come_back_to_the_bit(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    np.testing.assert_array_equal(read_photo(save(tmp_path / f"photo{suffix}", picture)), picture)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_come_back_close(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    read = read_photo(save(tmp_path / f"photo{suffix}", picture, quality=95))
    assert np.abs(read.astype(int) - picture).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, picture: np.ndarray, orientation: int) -> None:
    stored = {  # what a camera held this way stores, EXIF 2.3 table 6
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture, 1),
        7: picture[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(picture, -1),
    }[orientation]
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path / "photo.png", np.ascontiguousarray(stored), exif=exif)
    np.testing.assert_array_equal(read_photo(path), picture)


def test_grey_of_every_depth_is_the_same_grey(tmp_path: Path, picture: np.ndarray) -> None:
    grey = picture[..., 0]
    deep = grey.astype(np.uint16) * 257
    expected = np.repeat(grey[..., None], 3, axis=2)
    for name, values in {
        "8.png": grey,
        "16.png": deep,
        "16.tiff": deep,
        "32.tiff": deep.astype(np.int32),
        "float.tiff": grey.astype(np.float32) / 255,
    }.items():
        np.testing.assert_array_equal(read_photo(save(tmp_path / name, values)), expected, err_msg=name)


def test_sixteen_bit_colour_keeps_its_colours(tmp_path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), picture[..., ::-1].astype(np.uint16) * 257)
    assert np.abs(read_photo(tmp_path / "deep.png").astype(int) - picture).max() <= 1


def test_transparent_parts_are_white(tmp_path: Path, picture: np.ndarray) -> None:
    alpha = np.full((*picture.shape[:2], 1), 255, np.uint8)
    alpha[:, :50] = 0
    path = save(tmp_path / "cut.png", np.concatenate([picture, alpha], axis=2))
    read = read_photo(path)
    assert (read[:, :50] == 255).all()
    np.testing.assert_array_equal(read[:, 50:], picture[:, 50:])


def test_palette_cmyk_and_one_bit_pictures_are_read(tmp_path: Path, picture: np.ndarray) -> None:
    whole = Pillow.fromarray(picture)
    whole.quantize(256).save(tmp_path / "palette.png")
    whole.convert("CMYK").save(tmp_path / "press.jpg", quality=95)
    whole.convert("CMYK").save(tmp_path / "press.tiff")
    whole.convert("1").save(tmp_path / "fax.tiff")
    whole.convert("LA").save(tmp_path / "grey_alpha.png")
    for name, tolerance in {"palette.png": 8, "press.jpg": 4, "press.tiff": 1}.items():
        assert np.abs(read_photo(tmp_path / name).astype(int) - picture).mean() < tolerance, name
    assert set(np.unique(read_photo(tmp_path / "fax.tiff"))) == {0, 255}
    assert read_photo(tmp_path / "grey_alpha.png").shape == picture.shape


def test_an_embedded_colour_profile_is_applied(tmp_path: Path, picture: np.ndarray) -> None:
    lab = ImageCms.createProfile("sRGB")
    profile = ImageCms.ImageCmsProfile(lab).tobytes()
    np.testing.assert_array_equal(read_photo(save(tmp_path / "srgb.png", picture, icc_profile=profile)), picture)
    np.testing.assert_array_equal(read_photo(save(tmp_path / "bad.png", picture, icc_profile=b"broken")), picture)


def test_an_animation_is_a_video_whose_first_frame_can_be_read_as_a_photo(tmp_path: Path, picture: np.ndarray) -> None:
    frames = [Pillow.fromarray(np.full_like(picture, level)) for level in (0, 255)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert read_photo(tmp_path / "two.gif").max() == 0
    assert is_video(tmp_path / "two.gif") and not is_photo(tmp_path / "two.gif")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no file"), (b"", "is empty"), (b"a text", "is not a picture"), ("half", "damaged picture or cut short")],
)
def test_what_is_no_picture_is_refused_in_one_line(
    tmp_path: Path, picture: np.ndarray, content: bytes | str | None, says: str
) -> None:
    path = tmp_path / "photo.jpg"
    if content == "half":
        whole = save(path, picture, quality=95).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(MediaError, match=says) as refusal:
        read_photo(path)
    assert "\n" not in str(refusal.value)


def test_a_huge_picture_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    blank = io.BytesIO()
    Pillow.new("1", (20_000, 10_000)).save(blank, "png")
    (tmp_path / "huge.png").write_bytes(blank.getvalue())
    with pytest.raises(MediaError, match="far too many pixels"):
        read_photo(tmp_path / "huge.png")


def test_sound_given_as_photo_is_named(tmp_path: Path) -> None:
    from scipy.io import wavfile

    wavfile.write(tmp_path / "speech.wav", 16_000, np.zeros(16_000, np.int16))
    with pytest.raises(MediaError, match="is a sound file, not a photo"):
        read_photo(tmp_path / "speech.wav")
    assert not is_video(tmp_path / "speech.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(tmp_path: Path, picture: np.ndarray) -> None:
    path = save(tmp_path / "photo.png", picture)
    path.chmod(0)
    with pytest.raises(MediaError, match="may not be read"):
        read_photo(path)


def write_video(path: Path, times_s: list[float], codec: str = "mpeg4", size: tuple[int, int] = (64, 48)) -> Path:
    """Video whose frame k is grey of level 10 + 8 k and is shown at `times_s[k]`."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=1000)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, time_s in enumerate(times_s):
            grey = np.full((size[1], size[0], 3), 10 + 8 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts = round(time_s * 1000)
            frame.time_base = Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def levels(frames: list[tuple[np.ndarray, float]]) -> list[int]:
    """Which frame of `write_video` each one is."""
    return [round((float(image.mean()) - 10) / 8) for image, _ in frames]


def test_stored_frames_keep_their_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.12, 0.16]
    frames = list(read_frames(write_video(tmp_path / "v.mkv", times)))
    assert levels(frames) == [0, 1, 2, 3]
    np.testing.assert_allclose([time_s for _, time_s in frames], times, atol=1e-3)


def test_constant_rate_takes_the_nearest_frame(tmp_path: Path) -> None:
    times = [0.0, 0.05, 0.13, 0.16, 0.30]  # frame 1 belongs to slot 1, 2 to slot 3, 3 to slot 4, 4 to slot 8 at 25
    frames = list(read_frames(write_video(tmp_path / "v.mkv", times), Fraction(25)))
    assert levels(frames)[:9] == [0, 1, 1, 2, 3, 3, 3, 3, 4]
    np.testing.assert_allclose([t for _, t in frames], np.arange(len(frames)) / 25)


def test_doubling_and_halving_the_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", [k / 25 for k in range(10)])
    assert levels(list(read_frames(path, Fraction(50)))) == [k // 2 for k in range(20)]
    assert len(list(read_frames(path, Fraction(25, 2)))) == 5


def test_pictures_that_start_after_the_sound_are_held_from_time_zero(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        quiet.sample_rate, quiet.pts, quiet.time_base = 16_000, 0, Fraction(1, 16_000)
        out.mux(sound.encode(quiet))
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 + 8 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index + 6, Fraction(1, 25)  # 0.24 s late
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert [round(time_s, 2) for _, time_s in read_frames(path)] == [0.24, 0.28, 0.32, 0.36, 0.40]
    assert levels(list(read_frames(path, Fraction(25)))) == [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]


def test_probe_says_what_there_is(tmp_path: Path) -> None:
    info = probe_video(write_video(tmp_path / "v.mkv", [k / 25 for k in range(10)]))
    assert info.size == (64, 48)
    assert not info.has_sound
    assert info.rotation == 0


def test_a_video_without_pictures_is_refused(tmp_path: Path) -> None:
    from scipy.io import wavfile

    wavfile.write(tmp_path / "speech.wav", 16_000, np.zeros(16_000, np.int16))
    for read in (probe_video, lambda path: next(read_frames(path))):
        with pytest.raises(MediaError, match="no moving pictures"):
            read(tmp_path / "speech.wav")


ODD = {  # file of ../shared/data/layouts/odd_containers -> upright size, stored frames, frames at 25 per second
    "audio_delay.mkv": ((360, 288), 75, 75),
    "fps60.mp4": ((360, 288), 178, 74),
    "gray.mp4": ((360, 288), 74, 74),
    "hevc10.mp4": ((360, 288), 74, 74),
    "mjpeg_pcm.avi": ((360, 288), 74, 74),
    "no_audio.mp4": ((360, 288), 75, 75),
    "ntsc2997.mp4": ((360, 288), 89, 74),
    "odd_size.mp4": ((351, 287), 74, 74),
    "rot90.mp4": ((288, 360), 74, 74),
    "truncated.mpg": ((360, 288), 26, 26),
    "vfr.mp4": ((360, 288), 63, 73),
    "vp9_opus.webm": ((360, 288), 74, 74),
}


@pytest.mark.data
@pytest.mark.parametrize("name", ODD)
def test_odd_containers_are_read_whole(shared_data: Path, name: str) -> None:
    path = shared_data / "layouts/odd_containers" / name
    size, stored, at_25 = ODD[name]
    assert is_video(path)
    assert probe_video(path).size == size
    frames = list(read_frames(path))
    assert len(frames) == stored
    assert frames[0][0].shape == (size[1], size[0], 3)
    assert len(list(read_frames(path, Fraction(25)))) == at_25


@pytest.mark.data
def test_all_exif_copies_are_the_same_upright_photo(shared_data: Path) -> None:
    copies = [read_photo(shared_data / f"portraits/hard/derived_025_exif{k}.jpg") for k in range(1, 9)]
    for copy in copies[1:]:  # recompressed after turning, hence not equal to the bit
        assert np.abs(copy.astype(int) - copies[0]).mean() < 2
