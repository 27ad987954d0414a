"""Photo and driving video -> video, through the public door and before a file that plays the camera."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.io import wavfile

import talkface
from talkface.__main__ import run
from talkface.data.interop.quintuple_write import write_quintuple
from talkface.errors import ConfigError, DatasetError, MediaError, NoFaceError
from talkface.inference.animator import Animator
from talkface.inference.reenact import driven_landmarks, rest_of
from talkface.inference.reenact_live import reenact_live
from talkface.inference.request import ReenactOptions
from talkface.inference.tracking import track_driver
from talkface.landmarks.layout import JAW, mouth_opening
from talkface.landmarks.retarget import Retargeter
from talkface.media.mark.tag import verify_mark
from talkface.media.read import probe_video, read_frames
from talkface.media.speech import open_speech
from talkface.media.write import VideoWriter
from talkface.types import Shot, Waveform

pytestmark = pytest.mark.flow

FPS = Fraction(30000, 1001)
FRAMES, LOST = 30, range(16, 24)


@pytest.fixture(scope="module")
def driver_landmarks(animator: Animator, face: np.ndarray) -> np.ndarray:
    """Landmarks of a driver who opens and shuts the mouth and nods a little, on the small photo."""
    own = animator.detector.detect(face)[0].landmarks
    retargeter = Retargeter(own)
    amount = np.maximum(np.sin(np.arange(FRAMES) * 2 * np.pi / 12), 0)
    motion = np.zeros((FRAMES, 68, 2), np.float32)
    motion[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] = 0.2 * amount[:, None]
    motion[:, [6, 7, 8, 9, 10], 1] = 0.14 * amount[:, None]
    return retargeter(motion)


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory, animator: Animator, face, driver_landmarks, hum) -> Path:
    """The driver as a video with sound, at the photo's size; in its middle the face is hidden."""
    path = tmp_path_factory.mktemp("driving") / "driver.mp4"
    identity = animator.renderer.enroll([Shot(face, animator.detector.detect(face)[0].landmarks)])
    sound = open_speech(Waveform(np.tile(hum.samples, 3)[: round(16_000 * FRAMES / FPS)]))
    with VideoWriter(path, (300, 300), FPS, sound) as writer:
        for index, each in enumerate(animator.renderer.render(identity, driver_landmarks)):
            writer.write(np.full_like(face, 90) if index in LOST else each.image)
    return path


@pytest.fixture(scope="module")
def wide(face: np.ndarray) -> np.ndarray:
    """A photo of somebody with a wider face."""
    return np.asarray(Pillow.fromarray(face).resize((390, 300), Pillow.Resampling.LANCZOS))


def test_the_video_has_the_drivers_rate_length_and_sound(tmp_path, animator, wide, driving):
    seen = []
    result = talkface.reenact(
        wide, driving, tmp_path / "o.mp4", animator=animator, progress=lambda done, of: seen.append((done, of))
    )
    assert result.num_frames == FRAMES and result.fps == FPS and result.size == (390, 300)
    assert seen[-1] == (FRAMES, FRAMES) and len(seen) == 2 * FRAMES
    info = probe_video(result.path)
    assert info.has_sound and info.fps == FPS
    assert len(list(read_frames(result.path))) == FRAMES
    assert abs(open_speech(result.path).duration_s - float(FRAMES / FPS)) < 0.5 / float(FPS) + 0.03
    assert verify_mark(result.path)
    assert [item.name for item in tmp_path.iterdir()] == ["o.mp4"]


def test_frames_without_a_face_are_counted_and_said(tmp_path, animator, face, driving):
    result = talkface.reenact(face, driving, tmp_path / "o.mp4", animator=animator, sound=False)
    assert 4 <= result.frames_without_face <= 12  # the tracker looks at every fourth frame
    said = f"no face in {result.frames_without_face} of {FRAMES} driving frames"
    assert any(note.startswith(said) for note in result.notes)
    assert not probe_video(result.path).has_sound


def test_motion_is_carried_over_and_shape_is_not(animator, wide, driving, driver_landmarks):
    subject = animator.prepare(wide)
    seen = track_driver(driving, FPS, probe_video(driving), animator.detector)
    made, _ = driven_landmarks(seen, subject, FPS, ReenactOptions())
    raw, _ = driven_landmarks(seen, subject, FPS, ReenactOptions(raw=True))
    early = slice(0, LOST.start - 4)
    followed = np.corrcoef(mouth_opening(made[early]), mouth_opening(driver_landmarks[early]))[0, 1]
    assert followed > 0.9

    def width(points: np.ndarray) -> np.ndarray:
        return np.ptp(points[:, JAW, 0], axis=1) / np.ptp(points[:, JAW, 1], axis=1)

    own = width(rest_of(subject)[None])[0]
    closed = mouth_opening(driver_landmarks[early]) < 0.03
    assert abs(width(made[early])[closed].mean() / own - 1) < 0.06
    assert width(raw[early])[closed].mean() / own < 0.85  # 1 / 1.3, were they measured without error


def test_panels_show_driver_sketch_and_result(tmp_path, animator, wide, driving):
    result = talkface.reenact(wide, driving, tmp_path / "o.mp4", animator=animator, panel=True, fps=5)
    assert result.size == (300 + 2 * 390, 300) and result.num_frames == round(FRAMES / FPS * 5)
    panels, _ = next(read_frames(result.path))
    shown, _ = next(read_frames(driving))
    assert np.abs(panels[:, :300].astype(int) - shown).mean() < 4
    assert panels[:, 300:690].mean() < 20 < panels[:, 690:].mean()


def test_bad_drivers_are_refused_in_one_line(tmp_path, animator, face, hum):
    with VideoWriter(tmp_path / "grey.mp4", (64, 64), Fraction(25)) as writer:
        for _ in range(3):
            writer.write(np.full((64, 64, 3), 128, np.uint8))
    wavfile.write(tmp_path / "speech.wav", 16_000, hum.samples)
    Pillow.fromarray(face).save(tmp_path / "still.png")
    for name, kind, words in (
        ("grey.mp4", NoFaceError, "no face found in any of the 3 frames"),
        ("speech.wav", MediaError, "no moving pictures"),
        ("none.mp4", MediaError, "no file"),
    ):
        with pytest.raises(kind, match=words) as caught:
            talkface.reenact(face, tmp_path / name, tmp_path / "o.mp4", animator=animator)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="invalid head_scale"):
        talkface.reenact(face, tmp_path / "grey.mp4", tmp_path / "o.mp4", animator=animator, head_scale=2)
    assert not (tmp_path / "o.mp4").exists()


def test_a_file_plays_the_camera(tmp_path, animator, face, driving):
    result = reenact_live(
        animator,
        face,
        str(driving),
        options=ReenactOptions(panel=True),
        out=tmp_path / "live.mp4",
        window=False,
    )
    assert result.num_frames == result.recorded == FRAMES
    assert 4 <= result.frames_without_face <= 12
    with av.open(str(tmp_path / "live.mp4")) as video:
        assert len(list(video.decode(video=0))) == FRAMES
    assert verify_mark(tmp_path / "live.mp4")


def test_a_live_session_ends_on_time_and_on_a_word(tmp_path, animator, face, driving):
    common = {"options": ReenactOptions(force=True), "window": False}
    out = tmp_path / "live.mp4"
    assert reenact_live(animator, face, str(driving), out=out, seconds=0.2, **common).num_frames == 6
    stopped = reenact_live(animator, face, str(driving), out=out, progress=lambda done: done < 3, **common)
    assert stopped.num_frames == 3

    def press_ctrl_c(done: int) -> bool:
        if done == 4:
            raise KeyboardInterrupt
        return True

    kept = reenact_live(animator, face, str(driving), out=out, progress=press_ctrl_c, **common)
    assert kept.num_frames == kept.recorded == 4 and len(list(read_frames(out))) == 4


def test_a_screen_that_cannot_be_reached_is_said_in_one_line(face, driving, monkeypatch, animator):
    """The window library would end the whole program there."""
    for display in (None, "localhost:77"):
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delenv("DISPLAY", raising=False)
        if display:
            monkeypatch.setenv("DISPLAY", display)
        with pytest.raises(MediaError, match=r"no window can be opened here \(no display\): record with -o OUT.mp4"):
            reenact_live(animator, face, str(driving), options=ReenactOptions())


@pytest.mark.skipif(not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys(), reason="needs a screen")
def test_a_window_shows_the_session(animator, face, driving):
    result = reenact_live(animator, face, str(driving), options=ReenactOptions(), window=True, seconds=0.1)
    assert result.num_frames == 3 and result.recording is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["reenact", "a.png"], "give either a driving video or --camera"),
        (["reenact", "a.png", "b.mp4", "--camera", "0"], "give either a driving video or --camera"),
        (["reenact", "a.png", "--camera", "/dev/video77", "--no-window", "-o", "o.mp4"], "gives no picture"),
        (["reenact", "a.png", "--camera", "0", "--no-window"], "neither window nor recording"),
    ],
)
def test_wrong_commands_are_refused_in_one_line(words, says, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    assert run([*words]) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and says in said


def test_proportions_keep_the_photos_face_and_the_drivers_turns(animator: Animator, wide: np.ndarray, driver_landmarks):
    subject = animator.prepare(wide)
    longer = driver_landmarks * np.float32([1.0, 1.3])  # somebody with another face
    made, raw = (
        driven_landmarks(longer, subject, FPS, ReenactOptions(**{way: True}))[0] for way in ("proportions", "raw")
    )
    centred = [points - points[..., 27:36, :].mean(-2, keepdims=True) for points in (subject.landmarks, made, raw)]
    own, rescaled, as_seen = (np.abs(points - centred[0])[..., :48, :].mean() for points in centred)
    assert own == 0 and rescaled < 0.6 * as_seen
    assert mouth_opening(made).max() > mouth_opening(made).min() + 0.05


def test_windows_of_five_frames_or_none(animator: Animator, face: np.ndarray, driver_landmarks: np.ndarray):
    subject = animator.prepare(face)
    jerky = driver_landmarks.copy()
    jerky[::2, JAW, 1] += 2.0
    ways = [driven_landmarks(jerky, subject, FPS, ReenactOptions(smoothing=way))[0] for way in ("none", "hanning5")]
    jerks = [np.abs(np.diff(points[:, 8, 1], 2)).mean() for points in ways]
    assert jerks[1] < 0.4 * jerks[0]
    with pytest.raises(ConfigError, match="invalid smoothing 'much': expected lips, hanning5 or none"):
        ReenactOptions(smoothing="much")


def test_demo_files_drive_by_their_own_landmarks_and_sound(
    animator: Animator, face: np.ndarray, wide: np.ndarray, driver_landmarks: np.ndarray, tmp_path: Path
):
    class Footage:
        """The driver in 256 pixels: its pictures show nobody, so only the landmarks can tell how it moves."""

        landmarks = driver_landmarks[:8] * np.float32(256 / 300)
        audio = np.full(8 * 640, 0.1, np.float32)

        def image(self, index: int) -> np.ndarray:
            return np.full((256, 256, 3), 90, np.uint8)

    write_quintuple(tmp_path / "ada", Footage())
    made = talkface.reenact(wide, tmp_path / "ada_aligned", tmp_path / "o.mp4", animator=animator)
    assert (made.num_frames, made.fps, made.frames_without_face) == (8, 25, 0)
    assert probe_video(tmp_path / "o.mp4").has_sound
    subject = animator.prepare(wide)
    expected, _ = driven_landmarks(Footage.landmarks, subject, Fraction(25), ReenactOptions())
    shown = mouth_opening(expected)
    assert shown.max() - shown.min() > 0.05
    frames = [image for image, _ in read_frames(tmp_path / "o.mp4")]
    most, least = frames[int(shown.argmax())], frames[int(shown.argmin())]
    assert np.abs(most.astype(int) - least).max() > 40, "the mouth opens"
    Path(f"{tmp_path}/ada_aligned_front.npy").unlink()
    with pytest.raises(DatasetError, match=r"no file .*ada_aligned_front"):
        talkface.reenact(wide, tmp_path, tmp_path / "p.mp4", animator=animator)


def test_the_animators_clip_equals_the_video(tmp_path, animator, wide, driving):
    clip = animator.reenact(wide, driving, ReenactOptions(panel=True, fps=5))
    first = next(iter(clip))
    assert len(clip) == round(FRAMES / FPS * 5) and clip.fps == 5 and first.shape == (300, 300 + 2 * 390, 3)
    assert clip.landmarks.shape == (len(clip), 68, 2) and clip.frames_without_face > 0
    result = clip.save(tmp_path / "clip.mp4")
    assert set(result.timings) == {"enroll", "track", "render"} and probe_video(result.path).has_sound
    written, _ = next(read_frames(result.path))
    assert np.abs(written.astype(int) - first).mean() < 3
    with pytest.raises(ConfigError, match="evaluate video"):
        clip.report()
    with pytest.raises(ConfigError, match=r"pass talkface\.ReenactOptions"):
        animator.reenact(wide, driving, talkface.AnimateOptions())
