"""Every awkward file gives a good video or one clear line: the table of file -> outcome."""

import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.io import wavfile

import talkface
from talkface.__main__ import run
from talkface.checkpoints.format import Checkpoint, load_checkpoint, save_checkpoint
from talkface.errors import TalkfaceError
from talkface.inference.animator import Animator
from talkface.inference.request import AnimateOptions
from talkface.landmarks.layout import mouth_opening
from talkface.media.mark.tag import verify_mark
from talkface.media.speech import open_speech
from talkface.types import Waveform

pytestmark = pytest.mark.flow

VIDEO = ""  # outcome: a good video; any other outcome is the pattern of the refusal
NO_FACE = "no face found in"
FPS = Fraction(25)
SLOW = Fraction(3)  # frames per second where a whole speech is animated; only its length is looked at

PORTRAITS = {
    "hard/derived_025_alpha.png": VIDEO,
    "hard/derived_025_blur.jpg": VIDEO,
    "hard/derived_025_cmyk.jpg": VIDEO,
    "hard/derived_025_dark.jpg": VIDEO,
    "hard/derived_025_empty.jpg": r"is empty \(0 bytes\)",
    **{f"hard/derived_025_exif{orientation}.jpg": VIDEO for orientation in range(1, 9)},
    "hard/derived_025_gray.jpg": VIDEO,
    "hard/derived_025_gray16.png": VIDEO,
    "hard/derived_025_image.webp": VIDEO,
    "hard/derived_025_micro_face.jpg": f"{NO_FACE}|too small",
    "hard/derived_025_mouth_covered.jpg": NO_FACE,
    "hard/derived_025_not_an_image.jpg": "is not a picture: expected JPEG",
    "hard/derived_025_palette.png": VIDEO,
    "hard/derived_025_progressive.jpg": VIDEO,
    "hard/derived_025_rot30.jpg": VIDEO,
    "hard/derived_025_tiny_face.jpg": VIDEO,
    "hard/derived_025_truncated.jpg": "damaged picture or cut short",
    "hard/derived_025_two_faces.jpg": VIDEO,
    "hard/derived_025_upside_down.jpg": VIDEO,
    "hard/dog.jpg": NO_FACE,
    "hard/no_face_flower.jpg": NO_FACE,
    "hard/no_face_torso.jpg": NO_FACE,
    "hard/partial_face.jpg": "cut off by the photo's border",
    "hard/rgba_32bit.png": VIDEO,
    "hard/two_faces_Steve_Jobs_and_Bill_Gates__522695099_.jp.jpg": VIDEO,
    "hard/two_people.jpg": VIDEO,
    "makeittalk_draw.png": VIDEO,
    "tiny/abraham-lincoln.png": VIDEO,
    "tiny/george-washington.png": "is too small",
    "tiny/jimmy-carter.png": VIDEO,
}

SPEECH = {
    "hard_not_audio.wav": "is not a sound or video file",
    "acknowledgement_english.m4a": VIDEO,
    "bus_chinese.wav": VIDEO,
    "chinese_poem1.wav": VIDEO,
    "en_jfk.flac": VIDEO,
    "jfk.m4a": VIDEO,
    "jfk.mp3": VIDEO,
    "jfk.ogg": VIDEO,
    "jfk.opus": VIDEO,
    "jfk_24bit.wav": VIDEO,
    "jfk_48k_stereo.wav": VIDEO,
    "jfk_8k.wav": VIDEO,
    "jfk_clipped.wav": VIDEO,
    "jfk_f32.wav": VIDEO,
    "jfk_lead_silence.wav": VIDEO,
    "jfk_mulaw.wav": VIDEO,
    "jfk_quiet.wav": VIDEO,
    "jfk_short_0p2s.wav": VIDEO,
    "noisy_audio_office_snr_0.wav": VIDEO,
    "nonspeech_bach.mp3": VIDEO,
    "nonspeech_sirens_and_a_humming_engine_approach_and_pass.mp3": VIDEO,
    "pink_noise_4s.wav": VIDEO,
    "silence_4s.wav": VIDEO,
    "silero_test.opus": VIDEO,
    "sine440_4s.wav": VIDEO,
}

CONTAINERS = {  # file -> outcome as the person's video, outcome as speech
    "audio_delay.mkv": (VIDEO, VIDEO),
    "audio_only.m4a": ("is a sound file, not a photo", VIDEO),
    "empty.mp4": (r"is empty \(0 bytes\)", r"is empty \(0 bytes\)"),
    "fps60.mp4": (VIDEO, VIDEO),
    "gray.mp4": (VIDEO, VIDEO),
    "hevc10.mp4": (VIDEO, VIDEO),
    "mjpeg_pcm.avi": (VIDEO, VIDEO),
    "no_audio.mp4": (VIDEO, "has no sound: give a sound file"),
    "ntsc2997.mp4": (VIDEO, VIDEO),
    "odd_size.mp4": (VIDEO, VIDEO),
    "rot90.mp4": (VIDEO, VIDEO),
    "truncated.mpg": (VIDEO, VIDEO),
    "vfr.mp4": (VIDEO, VIDEO),
    "vp9_opus.webm": (VIDEO, VIDEO),
}

WITH_NETWORKS = [  # good files that the shipped networks see too: one of each kind of picture, sound and container
    ("portraits/hard/derived_025_alpha.png", "speech/jfk_quiet.wav"),
    ("portraits/hard/derived_025_cmyk.jpg", "speech/jfk_clipped.wav"),
    ("portraits/hard/derived_025_gray16.png", "speech/jfk_8k.wav"),
    ("portraits/hard/derived_025_rot30.jpg", "speech/jfk_mulaw.wav"),
    ("portraits/hard/derived_025_tiny_face.jpg", "speech/pink_noise_4s.wav"),
    ("portraits/hard/derived_025_upside_down.jpg", "speech/silero_test.opus"),
    ("portraits/tiny/jimmy-carter.png", "speech/jfk_short_0p2s.wav"),
    ("layouts/odd_containers/hevc10.mp4", "layouts/odd_containers/vp9_opus.webm"),
]

REMARKS = {  # what the user is told besides getting a video
    "hard/derived_025_two_faces.jpg": "2 faces",
    "hard/two_people.jpg": "2 faces",
    "makeittalk_draw.png": "hard to make out",
    "hard/derived_025_upside_down.jpg": "turned the photo by 180 degrees",
    "hard/derived_025_tiny_face.jpg": "is small",
    "tiny/abraham-lincoln.png": "is small",
}


def check_video(path: Path, duration_s: float, fps: Fraction, size: tuple[int, int]) -> None:
    """Exact length, equal sound, playable everywhere, marked, nothing else left in the folder."""
    count = round(duration_s * fps)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "not faststart"
    assert verify_mark(path)
    with av.open(str(path)) as video:
        pictures, sound = video.streams.video[0], video.streams.audio[0]
        assert (pictures.codec_context.name, pictures.format.name) == ("h264", "yuv420p")
        assert sound.codec_context.name == "aac"
        assert pictures.average_rate == fps
        assert (pictures.width, pictures.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        assert abs(pictures.duration * pictures.time_base - sound.duration * sound.time_base) <= 1 / fps / 2
        assert sum(1 for _ in video.decode(pictures)) == count
    assert list(path.parent.iterdir()) == [path]


def outcome(animator: Animator, photo: object, speech: object, out: Path, fps: Fraction, expected: str) -> object:
    """Animate, or be refused as expected: then in one line, with no file left behind."""
    if expected == VIDEO:
        return talkface.animate(photo, speech, out, animator=animator, fps=fps)
    with pytest.raises(TalkfaceError, match=expected) as refusal:
        talkface.animate(photo, speech, out, animator=animator, fps=fps)
    assert "\n" not in str(refusal.value)
    assert list(out.parent.iterdir()) == []
    return None


@pytest.mark.data
def test_the_tables_name_every_file(shared_data: Path) -> None:
    portraits = shared_data / "portraits"
    found = {f"{folder}/{path.name}" for folder in ("hard", "tiny") for path in (portraits / folder).iterdir()}
    assert found == {name for name in PORTRAITS if "/" in name}
    assert {path.name for path in (shared_data / "layouts/odd_containers").iterdir()} == set(CONTAINERS)
    speech = {path.name for path in (shared_data / "speech").iterdir()}
    assert set(SPEECH) <= speech
    plain = {name for name in speech - set(SPEECH) if not name.endswith((".wav", ".flac"))}
    assert not plain, f"odd formats missing in the table: {plain}"


@pytest.mark.data
@pytest.mark.parametrize("name", PORTRAITS)
def test_portrait(animator: Animator, shared_data: Path, hum: Waveform, tmp_path: Path, name: str) -> None:
    result = outcome(animator, shared_data / "portraits" / name, hum, tmp_path / "o.mp4", FPS, PORTRAITS[name])
    if result is not None:
        check_video(result.path, hum.duration_s, FPS, result.size)
        assert re.search(REMARKS.get(name, ""), " ".join(result.notes))


@pytest.mark.data
@pytest.mark.parametrize("name", SPEECH)
def test_speech(animator: Animator, shared_data: Path, face: np.ndarray, tmp_path: Path, name: str) -> None:
    speech = shared_data / "speech" / name
    result = outcome(animator, face, speech, tmp_path / "o.mp4", SLOW, SPEECH[name])
    if result is not None:
        check_video(result.path, open_speech(speech).duration_s, SLOW, (300, 300))


@pytest.mark.data
@pytest.mark.parametrize("name", CONTAINERS)
def test_container_as_photos(animator: Animator, shared_data: Path, hum: Waveform, tmp_path: Path, name: str) -> None:
    source = shared_data / "layouts/odd_containers" / name
    result = outcome(animator, source, hum, tmp_path / "o.mp4", FPS, CONTAINERS[name][0])
    if result is not None:
        check_video(result.path, hum.duration_s, FPS, result.size)
        if name == "rot90.mp4":  # its rotation tag lays an upright picture on its side
            assert "turned the photo by 90 degrees clockwise" in " ".join(result.notes)


@pytest.mark.data
@pytest.mark.parametrize("name", CONTAINERS)
def test_container_as_speech(
    animator: Animator, shared_data: Path, face: np.ndarray, tmp_path: Path, name: str
) -> None:
    source = shared_data / "layouts/odd_containers" / name
    result = outcome(animator, face, source, tmp_path / "o.mp4", SLOW, CONTAINERS[name][1])
    if result is not None:
        check_video(result.path, open_speech(source).duration_s, SLOW, (300, 300))


@pytest.fixture(scope="module")
def default_animator() -> Animator:
    return talkface.Animator.from_pretrained(device="cpu")


@pytest.mark.data
@pytest.mark.parametrize(("photo", "speech"), WITH_NETWORKS)
def test_the_shipped_networks_take_the_good_files(
    default_animator: Animator, shared_data: Path, tmp_path: Path, photo: str, speech: str
) -> None:
    sound = shared_data / speech
    result = talkface.animate(
        shared_data / photo, sound, tmp_path / "o.mp4", animator=default_animator, fps=SLOW, crop=True
    )
    check_video(result.path, open_speech(sound).duration_s, SLOW, result.size)


@pytest.mark.data
@pytest.mark.parametrize(("name", "opens"), [("jfk_quiet.wav", True), ("silence_4s.wav", False)])
def test_the_shipped_networks_open_the_mouth_in_speech_only(
    default_animator: Animator, shared_data: Path, face: np.ndarray, name: str, opens: bool
) -> None:
    track = default_animator.track_speech(open_speech(shared_data / "speech" / name), FPS)
    points = default_animator.landmarks(default_animator.prepare(face), track, AnimateOptions(still=True, blink=False))
    opening = mouth_opening(np.concatenate(list(points)))
    assert opening.max() > 0.1 if opens else opening.max() < 0.03


@pytest.mark.parametrize(
    ("fps", "size"),
    [
        ("24", (300, 300)),
        ("30000/1001", (300, 300)),
        ("60", (300, 300)),
        ("25", (299, 300)),
        ("25", (300, 281)),
        ("25", (297, 293)),
    ],
)
def test_any_rate_and_photo_size(
    animator: Animator, face: np.ndarray, hum: Waveform, tmp_path: Path, fps: str, size: tuple[int, int]
) -> None:
    photo = np.ascontiguousarray(face[: size[1], : size[0]])
    result = talkface.animate(photo, hum, tmp_path / "o.mp4", animator=animator, fps=fps)
    assert result.num_frames == round(hum.duration_s * Fraction(fps))
    check_video(result.path, hum.duration_s, Fraction(fps), size)


@pytest.fixture
def files(tmp_path: Path, face: np.ndarray, hum: Waveform) -> Path:
    """Folder with a good photo and speech, from which commands are run."""
    Pillow.fromarray(face).save(tmp_path / "photo.png")
    wavfile.write(tmp_path / "speech.wav", hum.rate, hum.samples)
    return tmp_path


MISTAKES = {  # words after `talkface animate` -> exit code and what is said
    "photo.png none.wav": (1, "no file"),
    "none.png speech.wav": (1, "no file"),
    "speech.wav photo.png": (1, "is a picture, expected speech: the photo is given first"),
    "speech.wav speech.wav": (1, "is a sound file, not a photo"),
    "photo.png photo.png": (1, "is a picture, expected speech"),
    "empty speech.wav": (1, "no photos in folder"),
    "photo.png empty": (1, "is a folder"),
    "photo.png speech.wav -o none/o.mp4": (1, "there is no folder"),
    "photo.png speech.wav -o there.mp4": (1, "there.mp4 exists: give another name, or --force"),
    "photo.png speech.wav -o o.avi": (1, "must end in .mp4"),
    "photo.png speech.wav -o empty": (1, "is a folder: give a file name"),
    "photo.png speech.wav --save-landmarks none/l.npz": (1, "there is no folder"),
    "photo.png speech.wav --landmarks none.npz": (1, "no file none.npz"),
    "photo.png speech.wav --landmarks speech.wav": (1, "is not a .npz or .npy file of landmarks"),
    "photo.png speech.wav --renderer oil": (2, "invalid renderer 'oil': expected hybrid, warp"),
    "photo.png speech.wav --device abacus": (2, "invalid device 'abacus': expected auto, cpu"),
    "photo.png speech.wav --detector eyes": (2, "invalid detector 'eyes': expected dlib or face-alignment"),
    "photo.png speech.wav --speech-model none": (1, "no weights file or shipped network called none"),
    "photo.png speech.wav --renderer-model speech.wav": (1, "speech.wav"),
    "photo.png speech.wav --fps fast": (2, "invalid fps 'fast': expected a number such as 25"),
    "photo.png speech.wav --fps 0": (2, "invalid fps '0'"),
    "photo.png speech.wav --fps 1/0": (2, "invalid fps '1/0'"),
    "photo.png speech.wav --fps 1e9": (2, "at most 240"),
    "photo.png speech.wav --fps nan": (2, "invalid fps 'nan'"),
    "photo.png speech.wav --face 3": (1, "--face 3 asked for"),
    "photo.png speech.wav --face -1": (2, "invalid face '-1': expected a whole number, 0 or more"),
    "photo.png speech.wav --head-scale 2": (2, "invalid head_scale '2': expected a number, 0 to 1"),
    "photo.png speech.wav --expression-scale many": (2, "invalid expression_scale 'many': expected a number, 0 to 4"),
    "photo.png short.wav": (1, "expected at least 0.1 s"),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_end_in_one_line_and_a_code(
    files: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
) -> None:
    monkeypatch.chdir(files)
    (files / "empty").mkdir()
    (files / "there.mp4").write_bytes(b"precious")
    wavfile.write(files / "short.wav", 16_000, np.zeros(800, np.float32))
    before = sorted(path.name for path in files.rglob("*"))
    given = ["animate", *words.split()]
    for option, value in {"--renderer": "warp", "--speech-model": str(untrained), "-o": "out.mp4"}.items():
        given += [] if option in given else [option, value]
    code, says = MISTAKES[words]
    assert run(given) == code
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    assert "fault in talkface" not in said.err
    assert said.out == ""
    assert sorted(path.name for path in files.rglob("*")) == before
    assert (files / "there.mp4").read_bytes() == b"precious"


def test_weights_of_another_version_are_refused(
    files: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    held = load_checkpoint(untrained)
    fewer = dict(list(held.tensors.items())[1:])
    save_checkpoint(files / "old.safetensors", Checkpoint(held.kind, held.config, fewer))
    save_checkpoint(files / "other.safetensors", Checkpoint("poetry", held.config, fewer))
    for name, says in {"old": "does not fit this version", "other": "holds a network of kind poetry"}.items():
        words = ["photo.png", "speech.wav", "-o", "o.mp4", "--renderer", "warp"]
        assert run(["animate", *words, "--speech-model", f"{name}.safetensors"]) == 1
        said = capsys.readouterr().err
        assert says in said and said.count("\n") == 1, said


def test_force_replaces_and_the_report_names_the_networks(
    files: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    (files / "o.mp4").write_bytes(b"old")
    words = ["photo.png", "speech.wav", "-o", "o.mp4", "--force", "--renderer", "warp"]
    assert run(["animate", *words, "--speech-model", str(untrained)]) == 0
    said = capsys.readouterr().out
    assert (
        "untrained.safetensors" in said
        and "15 frames" in said
        and "1 face found" in said
        and "marked as synthetic" in said
    )
    assert verify_mark(files / "o.mp4")


def test_quiet_says_nothing(
    files: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    words = ["photo.png", "speech.wav", "-o", "o.mp4", "--quiet", "--renderer", "warp"]
    assert run(["animate", *words, "--speech-model", str(untrained)]) == 0
    said = capfd.readouterr()
    assert said.out == "" and said.err == ""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_video_leaves_nothing(files: Path, untrained: Path, sent: signal.Signals, code: int) -> None:
    wavfile.write(files / "speech.wav", 16_000, np.random.default_rng(0).normal(0, 0.1, 800_000).astype(np.float32))
    words = ["animate", "photo.png", "speech.wav", "-o", "o.mp4", "--renderer", "warp", "--fps", "60"]
    command = [sys.executable, "-m", "talkface", *words, "--speech-model", str(untrained)]
    # a shell that starts the tests in the background lets its children ignore Ctrl-C
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=files, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    until = time.monotonic() + 120
    while not list(files.glob(".o.*")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    # Ctrl-C inside an import makes Python end by the signal itself: 130 to a shell, -2 here
    assert process.returncode in (code, -sent), said
    assert said == ("error: interrupted\n" if sent == signal.SIGINT else "")
    assert sorted(path.name for path in files.iterdir()) == ["photo.png", "speech.wav"]


def test_a_full_disk_leaves_nothing(files: Path, untrained: Path) -> None:
    """A limit on the size of files stands in for a disk; ffmpeg and this program both run under it."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
        "from talkface.__main__ import run; sys.exit(run(sys.argv[1:]))"
    )
    words = ["animate", "photo.png", "speech.wav", "-o", "o.mp4", "--renderer", "warp"]
    ran = subprocess.run(
        [sys.executable, "-c", code, *words, "--speech-model", str(untrained)],
        cwd=files,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 1
    assert re.fullmatch(r"error: o\.mp4 cannot be written: [^\n]*\n", ran.stderr), ran.stderr
    assert sorted(path.name for path in files.iterdir()) == ["photo.png", "speech.wav"]
