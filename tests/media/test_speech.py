"""Speech files of every kind come out as 16 kHz mono on the file's own clock."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from scipy.io import wavfile

from talkface.errors import MediaError
from talkface.media.speech import open_speech, read_waveform, speech_level
from talkface.types import SAMPLE_RATE, Waveform

DURATIONS = {  # seconds, of files in ../shared/data/speech; from their making, not from this reader
    "jfk.mp3": 11.0,
    "jfk.m4a": 11.0,
    "jfk.ogg": 11.0,
    "jfk.opus": 11.0,
    "en_jfk.flac": 11.0,
    "jfk_8k.wav": 11.0,
    "jfk_24bit.wav": 4.0,
    "jfk_f32.wav": 4.0,
    "jfk_mulaw.wav": 4.0,
    "jfk_48k_stereo.wav": 5.0,
    "jfk_short_0p2s.wav": 0.2,
    "jfk_lead_silence.wav": 15.0,
}


def tone(duration_s: float, rate: int = SAMPLE_RATE, hz: float = 220.0, gain: float = 0.3) -> np.ndarray:
    return (gain * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate)) / rate)).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE) -> Path:
    wavfile.write(path, rate, samples)
    return path


def write_late(path: Path, late_s: float, duration_s: float = 1.0) -> Path:
    """Matroska with a one-frame picture at 0 s and a tone that starts `late_s` later."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        sound = out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        picture.pts = 0
        out.mux(video.encode(picture))
        out.mux(video.encode(None))
        samples = (tone(duration_s) * 32767).astype(np.int16)
        for start in range(0, len(samples), 800):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 800], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.time_base = Fraction(1, SAMPLE_RATE)
            frame.pts = start + round(late_s * SAMPLE_RATE)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


def test_16_khz_wav_comes_back_to_the_bit(tmp_path: Path) -> None:
    samples = tone(0.7)
    read = read_waveform(write_wav(tmp_path / "tone.wav", samples))
    assert read.rate == SAMPLE_RATE
    np.testing.assert_array_equal(read.samples, samples)


@pytest.mark.parametrize("words", [[], ["-c:a", "libmp3lame"], ["-c:a", "ac3"], ["-c:a", "dca", "-strict", "-2"]])
def test_a_wav_holds_sound_of_any_codec(tmp_path: Path, words: list[str]) -> None:
    """Even one that the header calls PCM, as DTS music discs were written: its codec is found in the first samples."""
    source = write_wav(tmp_path / "tone.wav", np.stack([tone(3.0, 44_100)] * 2, 1), 44_100)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(source), *words, str(tmp_path / "coded.wav")]
    subprocess.run(command, check=True)
    samples = read_waveform(tmp_path / "coded.wav").samples
    assert len(samples) / SAMPLE_RATE == pytest.approx(3.0, abs=0.06)
    assert np.argmax(np.abs(np.fft.rfft(samples))) / (len(samples) / SAMPLE_RATE) == pytest.approx(220, abs=1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_keeps_pitch_and_length(tmp_path: Path, rate: int) -> None:
    speech = open_speech(write_wav(tmp_path / "tone.wav", tone(1.0, rate), rate))
    assert speech.duration_s == pytest.approx(1.0, abs=2 / SAMPLE_RATE)
    spectrum = np.abs(np.fft.rfft(speech.waveform().samples))
    assert np.argmax(spectrum) / speech.duration_s == pytest.approx(220, abs=1)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(0.5)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    mono = read_waveform(write_wav(tmp_path / "left.wav", both)).samples
    np.testing.assert_allclose(mono, left / 2, atol=1e-6)


def test_five_channels_are_heard(tmp_path: Path) -> None:
    centre = np.zeros((SAMPLE_RATE, 6), np.float32)
    centre[:, 2] = tone(1.0)
    assert speech_level(open_speech(write_wav(tmp_path / "surround.wav", centre))) > 0.03


def test_blocks_join_to_the_whole_and_repeat(tmp_path: Path) -> None:
    speech = open_speech(write_wav(tmp_path / "tone.wav", tone(1.23)))
    first, second = list(speech.blocks(0.5)), list(speech.blocks(0.5))
    assert [len(block.samples) for block in first] == [8000, 8000, 3680]
    np.testing.assert_array_equal(np.concatenate([b.samples for b in first]), speech.waveform().samples)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, second, strict=True))


def test_long_speech_is_not_kept_but_reads_the_same(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).standard_normal(62 * SAMPLE_RATE).astype(np.float32) * 0.1
    speech = open_speech(write_wav(tmp_path / "long.wav", samples))
    assert speech.kept is None
    np.testing.assert_array_equal(speech.waveform().samples, samples)


@pytest.mark.parametrize("late_s", [0.0, 0.24, 1.5])
def test_sound_that_starts_late_is_padded(tmp_path: Path, late_s: float) -> None:
    samples = read_waveform(write_late(tmp_path / "late.mkv", late_s)).samples
    assert len(samples) / SAMPLE_RATE == pytest.approx(1.0 + late_s, abs=0.001)
    heard_s = np.flatnonzero(np.abs(samples) > 0.02)[0] / SAMPLE_RATE
    assert heard_s == pytest.approx(late_s, abs=0.002)


def test_level_ignores_pauses_and_clicks_but_not_gain() -> None:
    rng = np.random.default_rng(1)
    words = [np.concatenate([tone(0.3, hz=150), np.zeros(3200, np.float32)]) for _ in range(5)]
    speech = np.concatenate(words)
    padded = np.concatenate([np.zeros(48_000, np.float32), speech, np.zeros(48_000, np.float32)])
    padded[100] = 1.0
    noisy = (padded + 1e-4 * rng.standard_normal(len(padded))).astype(np.float32)
    level = speech_level(open_speech(Waveform(speech)))
    assert level == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    assert speech_level(open_speech(Waveform(noisy))) == pytest.approx(level, rel=0.1)
    assert speech_level(open_speech(Waveform(noisy * 0.1))) == pytest.approx(level * 0.1, rel=0.1)


def test_silence_has_no_level_and_is_speech_all_the_same() -> None:
    speech = open_speech(Waveform(np.zeros(SAMPLE_RATE, np.float32)))
    assert speech_level(speech) == 0.0
    assert speech.duration_s == 1.0


def test_a_given_waveform_of_another_rate_is_resampled() -> None:
    speech = open_speech(Waveform(tone(1.0, 44_100), 44_100))
    assert speech.duration_s == pytest.approx(1.0, abs=2 / SAMPLE_RATE)
    assert speech.path is None
    assert speech.mux_format() == (44_100, 1)
    np.testing.assert_array_equal(np.concatenate(list(speech.mux_blocks()))[:, 0], tone(1.0, 44_100))


def test_numbers_that_are_none_become_silence() -> None:
    samples = tone(0.5)
    samples[1000:2000] = np.nan
    heard = open_speech(Waveform(samples)).waveform().samples
    assert np.isfinite(heard).all()
    assert not heard[1000:2000].any()


def test_the_video_keeps_the_original_quality(tmp_path: Path) -> None:
    stereo = np.stack([tone(0.5, 48_000), tone(0.5, 48_000, hz=9_000)], axis=1)
    speech = open_speech(write_wav(tmp_path / "hifi.wav", stereo, 48_000))
    assert speech.mux_format() == (48_000, 2)
    np.testing.assert_array_equal(np.concatenate(list(speech.mux_blocks())), stereo)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no file"),
        (b"", "is empty"),
        (b"this is a text", "not a sound or video file"),
        (b"RIFF\x24\x00\x00\x00WAVE", "not a sound|no sound"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "speech.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=says) as refusal:
        open_speech(path)
    assert "\n" not in str(refusal.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is a folder"):
        open_speech(tmp_path)


def test_a_photo_given_as_speech_is_named(tmp_path: Path, astronaut: np.ndarray) -> None:
    from PIL import Image

    for name in ("photo.jpg", "photo.png", "photo.webp", "photo.bmp"):
        Image.fromarray(astronaut).save(tmp_path / name)
        with pytest.raises(MediaError, match="the photo is given first"):
            open_speech(tmp_path / name)


def test_less_than_a_tenth_of_a_second_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"0\.050 s of sound, expected at least 0\.1 s"):
        open_speech(write_wav(tmp_path / "short.wav", tone(0.05)))
    with pytest.raises(MediaError, match="no sound could be decoded"):
        open_speech(Waveform(np.zeros(0, np.float32)))


def test_a_cut_off_file_is_read_as_far_as_it_goes(tmp_path: Path, shared_data: Path) -> None:
    whole = (shared_data / "speech/jfk.mp3").read_bytes()
    (tmp_path / "half.mp3").write_bytes(whole[: len(whole) // 2])
    assert open_speech(tmp_path / "half.mp3").duration_s == pytest.approx(5.5, abs=0.2)


@pytest.mark.data
@pytest.mark.parametrize("name", DURATIONS)
def test_every_format_has_its_true_length(shared_data: Path, name: str) -> None:
    speech = open_speech(shared_data / "speech" / name)
    assert speech.duration_s == pytest.approx(DURATIONS[name], abs=1 / SAMPLE_RATE)
    rate, _ = speech.mux_format()
    assert sum(len(block) for block in speech.mux_blocks()) / rate == pytest.approx(DURATIONS[name], abs=1 / 8000)


@pytest.mark.data
@pytest.mark.parametrize("name", ["jfk.mp3", "jfk.m4a", "jfk.ogg", "jfk.opus"])
def test_lossy_formats_are_in_time_with_the_original(shared_data: Path, name: str) -> None:
    original = read_waveform(shared_data / "speech/en_jfk.flac").samples
    coded = read_waveform(shared_data / "speech" / name).samples
    size = 1 << 18
    correlation = np.fft.irfft(np.fft.rfft(original, size) * np.conj(np.fft.rfft(coded, size)))
    lag = int(np.argmax(correlation))
    lag = lag - size if lag > size // 2 else lag
    assert abs(lag) <= 16, f"{lag} samples off"  # 1 ms


@pytest.mark.data
def test_published_delay_of_240_ms_is_honoured(shared_data: Path) -> None:
    late = read_waveform(shared_data / "layouts/odd_containers/audio_delay.mkv").samples
    on_time = read_waveform(shared_data / "layouts/odd_containers/gray.mp4").samples
    assert not late[: int(0.23 * SAMPLE_RATE)].any()
    size = 1 << 17
    lag = int(np.argmax(np.fft.irfft(np.fft.rfft(late, size) * np.conj(np.fft.rfft(on_time, size)))))
    assert lag / SAMPLE_RATE == pytest.approx(0.24, abs=0.03)  # MP4 and Matroska differ by the AAC priming


@pytest.mark.parametrize(
    ("left", "right", "mix"),
    [(1, -1, (1, 0)), (0.6, -0.9, (0, 1)), (1, 1, (0.5, 0.5)), (1, 0, (0.5, 0.5)), (1, -0.3, (0.5, 0.5))],
)
def test_channels_that_cancel_each_other_are_not_averaged(
    tmp_path: Path, left: float, right: float, mix: tuple[float, float]
) -> None:
    mono = tone(1.0)
    speech = open_speech(write_wav(tmp_path / "phase.wav", np.stack([left * mono, right * mono], 1)))
    assert speech.mix == mix
    assert ("opposite phase" in " ".join(speech.notes)) == (mix != (0.5, 0.5))
    share = left * mix[0] + right * mix[1]
    np.testing.assert_allclose(speech.waveform().samples, share * mono, atol=1e-4)


def test_channels_that_cancel_are_heard_alike_from_memory_and_from_the_file(tmp_path: Path) -> None:
    mono = tone(61.0)
    speech = open_speech(write_wav(tmp_path / "long.wav", np.stack([mono, -0.8 * mono], 1)))
    assert speech.kept is None
    np.testing.assert_allclose(speech.waveform().samples, mono, atol=1e-4)
    np.testing.assert_allclose(speech.loudness[5], np.sqrt(np.mean(mono**2)), rtol=0.02)


def write_tracks(path: Path, tracks: list[np.ndarray]) -> Path:
    """One file with several sound tracks."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono") for _ in tracks]
        for stream, samples in zip(streams, tracks, strict=True):
            values = (samples * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


def test_of_several_tracks_the_one_with_sound_is_heard_and_kept(tmp_path: Path) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    speech = open_speech(write_tracks(tmp_path / "two.mkv", [silence, tone(1.0)]))
    np.testing.assert_allclose(speech.waveform().samples, tone(1.0), atol=1e-3)
    assert np.abs(np.concatenate(list(speech.mux_blocks()))).max() > 0.25
    assert "track 2 of 2" in speech.notes[0]
    assert open_speech(write_tracks(tmp_path / "first.mkv", [tone(1.0), tone(1.0, hz=500)])).track == 0


def test_silence_is_said(tmp_path: Path) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    for path in (
        write_wav(tmp_path / "zero.wav", silence),
        write_tracks(tmp_path / "zeros.mkv", [silence, silence]),
    ):
        assert "nothing can be heard" in open_speech(path).notes[0]
    assert open_speech(write_wav(tmp_path / "tone.wav", tone(1.0))).notes == ()


def test_a_file_that_is_mostly_gaps_or_silence_is_said(tmp_path: Path) -> None:
    silent = write_wav(tmp_path / "silent.wav", np.concatenate([np.zeros(120 * SAMPLE_RATE, np.float32), tone(2.0)]))
    paused = write_wav(tmp_path / "paused.wav", np.concatenate([tone(40.0), np.zeros(40 * SAMPLE_RATE, np.float32)]))
    for path in (silent, write_late(tmp_path / "late.mkv", 120.0)):
        (note,) = open_speech(path).notes
        assert note.startswith(f"2 of the 2 minutes of {path} are silence or gaps between its time stamps")
    assert open_speech(paused).notes == ()


def test_files_that_are_cut_short_or_joined_are_said(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "whole.wav", tone(4.0)).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 4])
    (tmp_path / "joined.wav").write_bytes(whole + whole)
    start = len(whole) - 4 * 4 * SAMPLE_RATE
    unknown = whole[:4] + b"\xff" * 4 + whole[8 : start - 4] + b"\xff" * 4 + whole[start:]
    (tmp_path / "streamed.wav").write_bytes(unknown)
    cut, joined, streamed = (open_speech(tmp_path / f"{name}.wav") for name in ("cut", "joined", "streamed"))
    assert "claims 4.0 s of sound but holds 1.0 s" in cut.notes[0]
    assert "2 WAV files" in joined.notes[0] and joined.duration_s == pytest.approx(4.0)
    assert streamed.notes == () and streamed.duration_s == pytest.approx(4.0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("stereo_opposite_phase.wav", "opposite phase"),
        ("stereo_opposite_phase.m4a", "opposite phase"),
        ("muted_microphone.mp4", "nothing can be heard"),
        ("all_zero.wav", "nothing can be heard"),
    ],
)
def test_collected_sounds_are_remarked_on(shared_bugs: Path, name: str, says: str) -> None:
    speech = open_speech(shared_bugs / name)
    assert says in " ".join(speech.notes)
    assert (speech_level(speech) > 0.03) == ("opposite" in says)
