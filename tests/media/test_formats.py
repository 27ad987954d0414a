"""Every format is written, plays, and keeps transparency, sound and captions where it has them."""

import subprocess
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from talkface.errors import MediaError
from talkface.media.captions import Cue, as_srt, cue_at, read_captions
from talkface.media.ffmpeg import SUFFIXES, TRANSPARENT
from talkface.media.mark.search import find_mark
from talkface.media.speech import open_speech
from talkface.media.write import VideoWriter
from talkface.types import Waveform

SIZE, COUNT = 160, 6
CODECS = {".mp4": "h264", ".m4v": "h264", ".mov": "h264", ".webm": "libvpx-vp9", ".gif": "gif", ".png": "apng"}


@pytest.fixture(scope="module")
def picture(astronaut: np.ndarray) -> np.ndarray:
    return cv2.resize(astronaut[0:300, 100:400], (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def write(path: Path, frame: np.ndarray, captions: str = "") -> Path:
    sound = open_speech(Waveform((0.1 * np.random.default_rng(0).standard_normal(3840)).astype(np.float32)))
    alpha = frame.shape[2] == 4
    with VideoWriter(path, (SIZE, SIZE), Fraction(25), sound, alpha=alpha, captions=captions) as writer:
        for _ in range(COUNT):
            writer.write(frame)
    return path


def decode(path: Path, pixels: str, *words: str) -> np.ndarray:
    """`[T, H, W, C]` by ffmpeg itself; `words` choose a decoder."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *words, "-i", str(path)]
    command += ["-f", "rawvideo", "-pix_fmt", pixels, "-"]
    raw = subprocess.run(command, check=True, timeout=60, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, SIZE, SIZE, len(pixels.rstrip("24")))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pictures_sound_and_mark_of_every_format(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / f"o{suffix}", picture)
    frames = decode(path, "rgb24", *(("-f", "apng") if suffix == ".png" else ()))
    assert len(frames) == COUNT
    assert np.abs(frames[2].astype(int) - picture).mean() < (6 if suffix == ".gif" else 4)
    with av.open(str(path)) as video:
        assert bool(video.streams.audio) == (suffix not in (".gif", ".png"))
        assert video.streams.video[0].codec_context.name in (CODECS[suffix], "vp9", "png")
    assert find_mark([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]) is not None
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", TRANSPARENT)
def test_transparency_is_kept(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    alpha = np.zeros((SIZE, SIZE, 1), np.uint8)
    alpha[40:120, 30:90] = 255
    path = write(tmp_path / f"o{suffix}", np.dstack([picture, alpha]))
    words = {".webm": ("-c:v", "libvpx-vp9"), ".png": ("-f", "apng")}.get(suffix, ())
    frame = decode(path, "rgba", *words)[2]
    assert np.abs(frame[..., 3].astype(int) - alpha[..., 0]).mean() < 3
    inside = (slice(60, 100), slice(40, 80))
    assert np.abs(frame[inside][..., :3].astype(int) - picture[inside]).mean() < 5


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix not in TRANSPARENT])
def test_formats_without_transparency_refuse_it(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(MediaError, match=r"has no transparency: write \.mov"):
        VideoWriter(tmp_path / f"o{suffix}", (64, 64), Fraction(25), alpha=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_captions_become_a_text_track(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / f"o{suffix}", picture, as_srt([Cue(0.0, 0.12, "Grüße"), Cue(0.12, 0.2, "two\nlines")]))
    target = tmp_path / "back.srt"
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), str(target)]
    subprocess.run(words, check=True, timeout=60)
    back = read_captions(target)
    assert [cue.text for cue in back] == ["Grüße", "two\nlines"]
    assert back[0].end_s == pytest.approx(0.12, abs=0.002)


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_formats_without_text_tracks_refuse_captions(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(MediaError, match="has no text track: leave out --captions-as track"):
        VideoWriter(tmp_path / f"o{suffix}", (64, 64), Fraction(25), captions="1\n00:00:00,0 --> 00:00:01,0\nx\n")


def test_captions_of_both_kinds_are_read(tmp_path: Path) -> None:
    blocks = (
        "1\r\n00:00:01,500 --> 00:01:02,050\r\n<i>One</i> &amp; two\r\n",
        "2\r\n01:00:00,0 --> 01:00:01,0\r\nlast\r\n",
    )
    (tmp_path / "a.srt").write_text("\r\n".join(blocks))
    (tmp_path / "a.vtt").write_text("WEBVTT\n\nNOTE none\n\n00:01.500 --> 01:02.050 align:start\nOne & two\n")
    first, last = read_captions(tmp_path / "a.srt")
    assert first == read_captions(tmp_path / "a.vtt")[0] == Cue(1.5, 62.05, "One & two")
    assert last == Cue(3600.0, 3601.0, "last")
    assert cue_at([first, last], 1.5) == first and cue_at([first, last], 62.05) is None


def test_captions_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:02,0 --> 00:00:01,0\nlate\n")
    (tmp_path / "b.srt").write_text("words")
    for name, says in {"a.srt": "ends before it starts", "b.srt": "no captions in", "c.txt": "ends in .srt"}.items():
        with pytest.raises(MediaError, match=says):
            read_captions(tmp_path / name)


def test_many_open_brackets_in_captions_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("00:00:00,000 --> 00:00:01,000\n" + "<" * 100_000 + "{\\" * 100_000 + "<i>x</i>\n")
    began = time.process_time()
    assert read_captions(path)[0].text.endswith("x")
    assert time.process_time() - began < 2
