"""A photo, video or sound does nothing but be read: no other file, no program, no more memory than allowed."""

import io
import os
import struct
import wave
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.errors import MediaError
from talkface.media.photo import decode_picture, is_photo, read_photo
from talkface.media.read import is_video, probe_video, read_frames
from talkface.media.speech import open_speech

PICTURES = ("PPM", "TGA", "SGI", "PCX", "ICO", "IM", "SPIDER", "MSP", "DDS", "BLP", "QOI", "JPEG2000", "ICNS")


@pytest.fixture
def private_sound(tmp_path: Path) -> Path:
    """A transport stream in a sub-folder, as a playlist would name it."""
    path = tmp_path / "private" / "call.ts"
    path.parent.mkdir()
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("aac", rate=16_000)
        stream.layout = "mono"
        for index in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, index * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["speech.wav", "photo.jpg", "x.m3u8", "x.mp4", "x.ffconcat"])
def test_scripts_and_playlists_open_no_other_file(private_sound: Path, tmp_path: Path, name: str):
    assert open_speech(private_sound).duration_s > 1
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\n{private_sound}\n#EXT-X-ENDLIST\n"
    for text in ("ffconcat version 1.0\nfile private/call.ts\n", playlist, f"v=0\nc=IN IP4 127.0.0.1\n{private_sound}"):
        (tmp_path / name).write_text(text)
        with pytest.raises(MediaError, match="not a sound or video file"):
            open_speech(tmp_path / name)
        with pytest.raises(MediaError, match="not a video"):
            probe_video(tmp_path / name)
        with pytest.raises(MediaError, match="is not a picture"):
            read_photo(tmp_path / name)


def test_a_pattern_in_a_name_is_a_name(tmp_path: Path):
    for index in range(3):
        Pillow.new("RGB", (32, 32)).save(tmp_path / f"{index}.png")
    with pytest.raises(MediaError, match="no file"):
        probe_video(tmp_path / "%d.png")


def test_a_photo_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in = tmp_path / "bin" / "gs"
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    path = tmp_path / "a.jpg"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n")
    assert not is_photo(path)
    with pytest.raises(MediaError, match="expected JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"):
        read_photo(path)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("kind", PICTURES)
def test_only_the_promised_picture_formats_are_decoded(tmp_path: Path, kind: str):
    Pillow.init()
    if kind not in Pillow.SAVE:
        pytest.skip("this Pillow cannot write it")
    mode = {"SPIDER": "F", "MSP": "1", "BLP": "P"}.get(kind, "RGB")
    with io.BytesIO() as content:  # under no name: the SPIDER writer claims the suffix it is given for itself
        Pillow.new(mode, (64, 64)).save(content, format=kind)
        (tmp_path / "a.jpg").write_bytes(content.getvalue())
    assert not is_photo(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match="expected JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"):
        read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_the_promised_ones_are(tmp_path: Path, kind: str):
    Pillow.new("RGB", (64, 48), (200, 120, 110)).save(tmp_path / "photo", format=kind)
    assert is_photo(tmp_path / "photo")
    assert np.abs(read_photo(tmp_path / "photo").astype(int) - (200, 120, 110)).max() <= 3


def png_that_claims(width: int, height: int) -> bytes:
    """The first bytes of a PNG with nothing behind them."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"\0\0\0\0IEND"


@pytest.mark.parametrize("side", [7_000, 30_000])
def test_a_picture_above_the_limit_is_refused_by_its_header(tmp_path: Path, side: int):
    (tmp_path / "a.png").write_bytes(png_that_claims(side, side))
    with pytest.raises(MediaError, match="pixels: scale it down or save it as JPEG"):
        read_photo(tmp_path / "a.png")


def test_a_large_jpeg_is_reduced_while_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    left = np.zeros((300, 400, 3), np.uint8)
    left[:, 200:] = 200
    Pillow.fromarray(left).save(tmp_path / "a.jpg", format="JPEG", quality=95)
    assert read_photo(tmp_path / "a.jpg").shape == (300, 400, 3)
    monkeypatch.setenv("TALKFACE_MAX_PIXELS", "40000")
    small = read_photo(tmp_path / "a.jpg")
    assert small.shape == (150, 200, 3)
    assert small[:, :95].max() < 10 < 190 < small[:, 105:].min()
    monkeypatch.setenv("TALKFACE_MAX_PIXELS", "1000")
    with pytest.raises(MediaError, match="TALKFACE_MAX_PIXELS"):
        read_photo(tmp_path / "a.jpg")


def test_frames_above_the_limit_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert is_video(path)
    monkeypatch.setenv("TALKFACE_MAX_PIXELS", "76799")
    assert not is_video(path)
    with pytest.raises(MediaError, match="is 320x240, expected at most"):
        next(read_frames(path))


def test_sound_and_video_longer_than_allowed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_wav(tmp_path / "a.wav", np.zeros(32_000, np.int16), 16_000)
    monkeypatch.setenv("TALKFACE_MAX_SECONDS", "1")
    with pytest.raises(MediaError, match="TALKFACE_MAX_SECONDS"):
        open_speech(path)


@pytest.mark.parametrize("rate", [1, 500, 2_000_000])
def test_impossible_rates_are_refused(tmp_path: Path, rate: int):
    path = write_wav(tmp_path / "a.wav", np.zeros(20_000, np.int16), rate)
    with pytest.raises(MediaError, match=f"at {rate} Hz: expected"):
        open_speech(path)


def test_many_channels_are_refused_in_one_line(tmp_path: Path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(255)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(255 * 2 * 16_000))
    with pytest.raises(MediaError):
        open_speech(path)


@pytest.mark.parametrize("level", [4.0, 1e30, float("inf")])
def test_sound_beyond_full_scale_is_full_scale(tmp_path: Path, level: float):
    samples = np.full(16_000, level, "<f4").tobytes()
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        3,
        1,
        16_000,
        64_000,
        4,
        32,
        b"data",
        len(samples),
    )
    (tmp_path / "a.wav").write_bytes(head + samples)
    loud = open_speech(tmp_path / "a.wav").waveform().samples
    assert loud.min() == loud.max() == 1.0


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", Path("/dev/zero")):
        for read in (open_speech, read_photo, probe_video):
            with pytest.raises(MediaError, match="is a pipe or a device"):
                read(path)
        assert not is_photo(path)
        assert not is_video(path)


def test_names_that_no_file_can_have(tmp_path: Path):
    for name in ("a\0b", "x" * 300, "\udcff"):
        for read in (open_speech, read_photo, probe_video):
            with pytest.raises(MediaError, match="no file"):
                read(tmp_path / name)


def test_a_video_given_as_photo_is_named(tmp_path: Path):
    path = write_wav(tmp_path / "a.jpg", np.zeros(16_000, np.int16), 16_000)
    with pytest.raises(MediaError, match="a sound file, not a photo"):
        read_photo(path)
    buffer = io.BytesIO()
    Pillow.new("RGB", (64, 64)).save(buffer, "PNG")
    (tmp_path / "b.wav").write_bytes(buffer.getvalue())
    with pytest.raises(MediaError, match="is a picture, expected speech"):
        open_speech(tmp_path / "b.wav")


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_every_frame_still_comes_at_its_time(tmp_path: Path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    assert len(list(read_frames(path, Fraction(25)))) == 10


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}])
def test_a_jpegs_size_is_read_and_checked_before_it_is_decoded(options, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 255, (24, 40, 3), np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=90, **options)
    decoded = decode_picture(file.getvalue(), ("JPEG",), "a frame")
    assert decoded.shape == picture.shape and np.abs(decoded.astype(int) - Pillow.open(file)).max() <= 4
    monkeypatch.setenv("TALKFACE_MAX_PIXELS", "900")
    with pytest.raises(MediaError, match="a frame is 40x24, expected at most"):
        decode_picture(file.getvalue(), ("JPEG",), "a frame")
    monkeypatch.delenv("TALKFACE_MAX_PIXELS")
    for cut in (b"", file.getvalue()[:3], file.getvalue()[:100], b"\xff\xd8\xff\xe0\0\0" + file.getvalue()):
        with pytest.raises(MediaError, match="a frame is damaged"):
            decode_picture(cut, ("JPEG",), "a frame")
