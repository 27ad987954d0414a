"""Videos are complete, exact in length, playable and marked, or not there at all."""

import contextlib
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkface.__main__ import _interrupt, _terminate
from talkface.errors import MediaError, stopped_by
from talkface.media.ffmpeg import reason
from talkface.media.mark.tag import MARK, read_comment, verify_mark
from talkface.media.read import read_frames
from talkface.media.speech import open_speech
from talkface.media.write import VideoWriter
from talkface.types import Waveform, num_frames

RATES = [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(25, 3)]
SIZE = (64, 48)


def speech(duration_s: float, rate: int = 16_000) -> Waveform:
    time_s = np.arange(round(duration_s * rate)) / rate
    return Waveform((0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32), rate)


def grey(level: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((size[1], size[0], 3), level, np.uint8)


def write(path: Path, count: int, fps: Fraction = Fraction(25), size: tuple[int, int] = SIZE, **options) -> Path:
    with VideoWriter(path, size, fps, **options) as writer:
        for index in range(count):
            writer.write(grey(index % 256, size))
    return path


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("duration_s", [0.2, 1.013, 2.5])
def test_picture_and_sound_are_exactly_as_long_as_asked(tmp_path: Path, fps: Fraction, duration_s: float) -> None:
    stream = open_speech(speech(duration_s))
    count = num_frames(stream.duration_s, fps)
    assert count == round(stream.duration_s * fps)
    with av.open(str(write(tmp_path / "o.mp4", count, fps, speech=stream))) as video:
        pictures, sound = video.streams.video[0], video.streams.audio[0]
        assert pictures.average_rate == fps
        assert pictures.frames == count
        assert pictures.start_time == 0 and sound.start_time == 0
        assert float(pictures.duration * pictures.time_base) == pytest.approx(count / fps, abs=1e-6)
        assert abs(pictures.duration * pictures.time_base - sound.duration * sound.time_base) <= 1 / fps / 2
        times = [frame.time for frame in video.decode(pictures)]
        np.testing.assert_allclose(times, np.arange(count) / float(fps), atol=1e-6)


def test_the_file_is_what_players_want(tmp_path: Path) -> None:
    path = write(tmp_path / "o.mp4", 10, speech=open_speech(speech(0.4)), comment="renderer hybrid")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "not faststart"
    with av.open(str(path)) as video:
        context = video.streams.video[0].codec_context
        assert (context.name, context.format.name) == ("h264", "yuv420p")
        assert video.streams.audio[0].codec_context.name == "aac"
    assert verify_mark(path)
    assert read_comment(path) == f"{MARK}: renderer hybrid"
    assert [item.name for item in tmp_path.iterdir()] == ["o.mp4"]


def test_sound_is_in_time_with_the_original(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = (0.2 * rng.standard_normal(32_000)).astype(np.float32)
    path = write(tmp_path / "o.mp4", 50, speech=open_speech(Waveform(samples)))
    heard = open_speech(path).waveform().samples
    size = 1 << 16
    lag = int(np.argmax(np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(heard, size)))))
    assert min(lag, size - lag) <= 16  # 1 ms


def test_colours_survive(tmp_path: Path) -> None:
    bars = np.repeat(
        np.array([[200, 60, 40], [30, 180, 60], [20, 40, 220], [230, 230, 20]], np.uint8)[None], 48, axis=0
    ).repeat(16, axis=1)
    with VideoWriter(tmp_path / "o.mp4", SIZE, Fraction(25)) as writer:
        for _ in range(3):
            writer.write(bars)
    with av.open(str(tmp_path / "o.mp4")) as video:
        frame = next(video.decode(video=0)).to_ndarray(format="rgb24")
    centres = frame[24, 8::16].astype(int)
    assert np.abs(centres - bars[24, 8::16]).max() <= 6


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47)])
def test_odd_sizes_repeat_the_last_row_and_column(tmp_path: Path, size: tuple[int, int]) -> None:
    ramp = np.tile(np.linspace(20, 230, size[0], dtype=np.uint8)[None, :, None], (size[1], 1, 3))
    with VideoWriter(tmp_path / "o.mp4", size, Fraction(25)) as writer:
        for _ in range(3):
            writer.write(ramp)
    with av.open(str(tmp_path / "o.mp4")) as video:
        frame = next(video.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert frame.shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
    assert np.abs(frame[: size[1], : size[0]] - ramp).mean() < 3
    assert abs(frame[0, -1, 0] - 230) < 8


def test_a_video_without_speech_has_no_sound(tmp_path: Path) -> None:
    with av.open(str(write(tmp_path / "o.mp4", 5))) as video:
        assert not video.streams.audio
        assert video.streams.video[0].frames == 5


def test_longer_pictures_get_silence_and_shorter_ones_cut_the_sound(tmp_path: Path) -> None:
    for count in (5, 50):
        path = write(tmp_path / "o.mp4", count, speech=open_speech(speech(1.0)), force=True)
        with av.open(str(path)) as video:
            sound = video.streams.audio[0]
            assert float(sound.duration * sound.time_base) == pytest.approx(count / 25, abs=0.001)


def test_an_error_between_frames_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="renderer"), VideoWriter(tmp_path / "o.mp4", SIZE, Fraction(25)) as writer:
        writer.write(grey(0))
        raise RuntimeError("the renderer broke")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_overwrite_keeps_the_old_video(tmp_path: Path) -> None:
    old = write(tmp_path / "o.mp4", 5).read_bytes()
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "o.mp4", SIZE, Fraction(25), force=True) as writer:
        writer.write(grey(0))
        raise KeyboardInterrupt
    assert (tmp_path / "o.mp4").read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 1


def test_of_two_that_write_one_new_video_the_second_is_refused(tmp_path: Path) -> None:
    first = VideoWriter(tmp_path / "o.mp4", SIZE, Fraction(25))
    second = VideoWriter(tmp_path / "o.mp4", SIZE, Fraction(25), open_speech(speech(0.2)))
    with pytest.raises(MediaError, match="exists: give another name"), second:
        with first:
            first.write(grey(10))
            second.write(grey(200))
        made = (tmp_path / "o.mp4").read_bytes()
    assert (tmp_path / "o.mp4").read_bytes() == made and len(list(tmp_path.iterdir())) == 1


def test_frames_may_be_made_in_one_array(tmp_path: Path) -> None:
    frame = np.empty((1024, 1024, 3), np.uint8)
    with VideoWriter(tmp_path / "grey.mp4", (1024, 1024), Fraction(25), synthetic=False) as writer:
        for light in range(10, 250, 6):  # more bytes than may wait
            frame[:] = light
            writer.write(frame)
    seen = [float(image.mean()) for image, _ in read_frames(tmp_path / "grey.mp4", None)]
    np.testing.assert_allclose(seen, range(10, 250, 6), atol=2)


def test_no_frame_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="shorter than one frame"):
        write(tmp_path / "o.mp4", 0)
    assert list(tmp_path.iterdir()) == []


def test_wrong_outputs_are_refused_before_the_first_frame(tmp_path: Path) -> None:
    there = write(tmp_path / "there.mp4", 2)
    for path, says in {
        there: "exists: give another name, or --force",
        tmp_path / "none/o.mp4": "there is no folder",
        tmp_path / "o.avi": "must end in .mp4",
        tmp_path: "is a folder",
    }.items():
        with pytest.raises(MediaError, match=says):
            VideoWriter(path, SIZE, Fraction(25))
    spoken = open_speech(write(tmp_path / "spoken.mp4", 10, speech=open_speech(speech(0.4))))
    with pytest.raises(MediaError, match="is the speech itself"):
        VideoWriter(tmp_path / "spoken.mp4", SIZE, Fraction(25), spoken, force=True)
    with pytest.raises(MediaError, match="each side must be"):
        VideoWriter(tmp_path / "o.mp4", (8, 8), Fraction(25))


CHILD = """
import resource, sys
from fractions import Fraction
import numpy as np
from talkface.errors import MediaError
from talkface.media.write import VideoWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
rng = np.random.default_rng(0)
try:
    with VideoWriter(sys.argv[1], (256, 256), Fraction(25)) as writer:
        for _ in range(60):
            writer.write(rng.integers(0, 255, (256, 256, 3), dtype=np.uint8))
except MediaError as error:
    print(error)
    sys.exit(7)
"""


def test_a_file_size_limit_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "o.mp4")], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 7, ran.stderr
    assert "larger than allowed here" in ran.stdout
    assert ran.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("code", "said"), [(228, ""), (1, "x.mp4: No space left on device")])
def test_a_full_disk_is_known_by_code_or_words(code: int, said: str) -> None:
    """Its words are in a temporary file, which may lie on the same full disk."""
    assert reason(code, said) == "the disk is full; free some space or write elsewhere"


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """On a 256 kB file system where one can be mounted; elsewhere only ffmpeg's words are read."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode != 0:
        said = "[out#0/mp4 @ 0x1] Error muxing a packet: No space left on device"
        assert reason(228, said) == "the disk is full; free some space or write elsewhere"
        return
    try:
        rng = np.random.default_rng(0)
        writer = VideoWriter(small / "o.mp4", (256, 256), Fraction(25))
        with pytest.raises(MediaError, match="the disk is full"), writer:
            for _ in range(60):
                writer.write(rng.integers(0, 255, (256, 256, 3), dtype=np.uint8))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("name", ["a:b.mp4", "it's é %d.mp4", "-dash.mp4", "http:x.mp4", "two..dots.mp4"])
def test_any_file_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(Path(name), 5, speech=open_speech(speech(0.2)))
    assert verify_mark(path)
    assert open_speech(path).duration_s == pytest.approx(0.2, abs=0.001)
    assert [item.name for item in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("spoken", [False, True])
def test_colours_are_tagged_in_stream_and_container(tmp_path: Path, spoken: bool) -> None:
    colour = np.full((64, 64, 3), (198, 120, 114), np.uint8)
    sound = open_speech(speech(0.4)) if spoken else None
    with VideoWriter(tmp_path / "o.mp4", (64, 64), Fraction(25), sound) as writer:
        for _ in range(10):
            writer.write(colour)
    data = (tmp_path / "o.mp4").read_bytes()
    at = data.index(b"colrnclx")
    assert data[at + 8 : at + 14] == b"\0\1\0\1\0\1"  # primaries, transfer and matrix of BT.709
    with av.open(str(tmp_path / "o.mp4")) as video:
        frame = next(video.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
    image, _ = next(read_frames(tmp_path / "o.mp4"))
    assert np.abs(image.astype(int) - colour).max() <= 2


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name, exists in (("old.mp4", True), ("new.mp4", False)):
        target = tmp_path / "there" / name
        if exists:
            target.write_bytes(b"old")
        link = tmp_path / f"link_{name}"
        link.symlink_to(target)
        write(link, 3, force=True)
        assert link.is_symlink() and target.stat().st_size > 100
        assert [path.name for path in sorted((tmp_path / "there").iterdir()) if path.name.startswith(".")] == []


@pytest.mark.parametrize("stem", ["x" * 245, "月" * 83], ids=["245 letters", "249 bytes"])
def test_names_of_any_legal_length_will_do(tmp_path: Path, stem: str) -> None:
    assert write(tmp_path / f"{stem}.mp4", 3, speech=open_speech(speech(0.12))).is_file()
    with pytest.raises(MediaError, match="too long"):
        VideoWriter(tmp_path / f"{stem}xxxxxxx.mp4", SIZE, Fraction(25))


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_whose_exception_a_library_dropped_ends_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, raised: type[BaseException]
) -> None:
    monkeypatch.setattr(os, "_exit", lambda code: None)  # a timer's, of a process that does not end
    before = signal.signal(number, _interrupt if number == signal.SIGINT else _terminate)
    frame = np.zeros((32, 32, 3), np.uint8)
    try:
        with pytest.raises(raised), VideoWriter(tmp_path / "o.mp4", (32, 32), Fraction(25)) as video:
            video.write(frame)
            with contextlib.suppress(raised):
                signal.raise_signal(number)
            video.write(frame)
    finally:
        signal.signal(number, before)
        stopped_by.clear()
    assert list(tmp_path.iterdir()) == []
