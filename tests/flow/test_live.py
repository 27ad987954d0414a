"""Speech that comes piece by piece: in time, in step, interruptible, and in bounded memory."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import talkface
from talkface.audio.level import RunningLevel
from talkface.audio.rhythm import speech_rhythm
from talkface.cli.demo import DEMO_SPEECH
from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.live import LONGEST_QUEUE_S, Moment, Session
from talkface.inference.live_clock import in_time
from talkface.inference.live_motion import MotionStream
from talkface.inference.subject import Subject, spoken_pose
from talkface.landmarks.lip_shape import lip_measures
from talkface.landmarks.motion import blink_track
from talkface.landmarks.motion_stream import Brows, Lids, Nods
from talkface.media.speech import open_speech, speech_level
from talkface.models.mouth_stream import MouthStream
from talkface.renderers.base import Identity, Rendered, Tuning
from talkface.testing.clips import draw_person, mouth_motion, speech_of
from talkface.types import SAMPLE_RATE, FloatArray

RATE = 16_000


def spoken(frames: int = 50, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return speech_of(mouth_motion(rng, frames), draw_person(rng), rng)


class Outline:
    """A renderer whose pictures are the landmarks: small, exact and quick."""

    name = "outline"
    tuning = Tuning()

    def enroll(self, shots: object) -> Identity:
        return Identity(())

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        for points in landmarks:
            yield Rendered(np.frombuffer(points.astype(np.float32).tobytes(), np.uint8).reshape(68, 8, 1), points)


def points_of(image: np.ndarray) -> FloatArray:
    return np.frombuffer(image.tobytes(), np.float32).reshape(68, 2)


def gap(image: np.ndarray) -> float:
    points = points_of(image)
    return float(points[66, 1] - points[62, 1])


@pytest.fixture(scope="module")
def outlines(animator: Animator) -> Animator:
    shipped = Animator.from_pretrained("warp", "cpu")
    return Animator(Outline(), lambda: shipped.speech_network, animator.detector, lambda: shipped.head_network)


@pytest.fixture(scope="module")
def person(outlines: Animator, face: np.ndarray) -> Subject:
    return outlines.prepare(face)


@pytest.fixture
def session(outlines: Animator, person: Subject) -> Session:
    return outlines.live(person)


def test_the_mouth_moves_within_400_ms_of_the_first_speech(session: Session) -> None:
    idle = [session.step() for _ in range(25)]
    rest = max(gap(moment.image) for moment in idle[15:])
    speech = spoken()
    moved = None
    for index in range(10, len(speech) // 640):  # the first 0.4 s of the buzz are silent
        session.push(speech[640 * index : 640 * (index + 1)])
        moment = session.step()
        if moved is None and gap(moment.image) > rest + 0.8:
            moved = 0.04 * (index - 10 + 1)
    assert moved is not None and moved <= 0.4


@pytest.mark.parametrize(("fps", "rate"), [("25", 16_000), ("30000/1001", 44_100), ("12", 8_000), ("60", 48_000)])
def test_sound_and_frames_share_one_clock(outlines: Animator, person: Subject, fps: str, rate: int) -> None:
    session = outlines.live(person, rate, talkface.AnimateOptions(fps=fps))
    pushed = (0.1 * np.random.default_rng(0).standard_normal(rate)).astype(np.float32).clip(-1, 1)
    session.push(pushed[: rate // 3])
    session.push(pushed[rate // 3 :])
    session.flush()
    moments = list(session)
    assert [moment.time_s for moment in moments] == [Fraction(i) / session.fps for i in range(len(moments))]
    sound = np.concatenate([moment.audio for moment in moments])
    assert len(sound) == round(len(moments) * rate / session.fps)
    late = round(session.delay_s * rate)
    assert np.array_equal(sound[late : late + rate], pushed) and not sound[:late].any()
    assert session.delay_s <= 0.25 and not session.ready and moments[-1].speaking


def test_bytes_are_the_same_as_samples(outlines: Animator, person: Subject) -> None:
    whole = (spoken(12) * 32_767).astype(np.int16)
    heard = []
    for pcm in (whole, whole.tobytes()):
        session = outlines.live(person)
        session.push(pcm)
        session.flush()
        heard.append([moment.audio for moment in session])
    assert all(np.array_equal(*pair) for pair in zip(*heard, strict=True))


def test_interruption_drops_the_queue_and_shuts_the_mouth_within_150_ms(session: Session) -> None:
    session.push(spoken(150))
    said = [session.step() for _ in range(60)]
    rest = gap(said[0].image)
    widest = max(range(30, 60), key=lambda index: gap(said[index].image))
    while gap(session.step().image) < 0.6 * gap(said[widest].image):
        pass
    session.interrupt()
    after = [session.step() for _ in range(10)]
    assert not any(moment.audio.any() or moment.speaking for moment in after)
    assert abs(gap(after[2].image) - rest) < 0.6  # the third frame is shown 80 to 120 ms after
    assert session.queued_s == 0 and session.report.dropped_s > 1
    session.push(spoken(20))
    session.flush()
    assert any(moment.audio.any() for moment in session)


def test_idle_faces_blink_and_breathe(session: Session) -> None:
    points = np.stack([points_of(session.step().image) for _ in range(250)])
    lids = points[:, 41, 1] - points[:, 37, 1]
    assert lids.min() < 0.3 * np.median(lids)
    assert 0.05 < points[50:, 27, 1].std() < 3
    assert session.report.idle == session.report.frames == 250


def test_a_stop_in_the_middle_is_counted_and_a_flush_is_not(session: Session) -> None:
    session.push(spoken(10)[: 640 * 5 + 100])
    for _ in range(9):
        session.step()
    assert session.report.starved == 1 and session.queued_s == 100 / RATE
    session.flush()
    session.step()
    assert session.queued_s == 0
    session.push(spoken(10))
    session.flush()
    list(session)
    assert session.report.starved == 1


def test_somebody_who_speaks_now_is_caught_up_with_in_pauses(session: Session) -> None:
    for part in (0.5, 0.0, 0.0, 0.5, 0.0):
        session.push(np.full(RATE // 10, part, np.float32))
    session.skip_silence(0.1)
    assert session.queued_s == 0.5 and session.report.dropped_s == 0  # speech is not dropped
    session.step(), session.step(), session.step()
    session.skip_silence(0.1)
    assert session.queued_s == pytest.approx(0.2) and session.report.dropped_s == pytest.approx(0.18)


def held(value: object) -> int:
    """Bytes of arrays and numbers that an object of ours holds, networks left out."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return int(value.nbytes)
    if isinstance(value, list | tuple | deque):
        return sum(map(held, value)) + 8 * len(value)
    if isinstance(value, torch.nn.Module) or not type(value).__module__.startswith("talkface"):
        return 8
    return sum(map(held, vars(value).values()))


def test_memory_is_bounded_and_nothing_drifts(outlines: Animator, person: Subject) -> None:
    session = outlines.live(person, RATE, talkface.AnimateOptions(seed=3))
    for minute in range(3):
        session.push(spoken(30, seed=minute))
        session.flush()
        list(session)
        for _ in range(400 - session.report.frames % 400):
            last = session.step()
        assert held(session._motion) + held([session._coming, session._movements, session._queue]) < 400_000
    assert last.time_s == Fraction(3 * 400 - 1, 25)
    assert session._fed - session._heard == round(session.delay_s * RATE)


def test_an_hour_of_levels_keeps_half_a_minute() -> None:
    level = RunningLevel(1.0)
    for second in range(3600):
        level.push(np.full(100, 4.0 if second % 3 else 1e-6))
    assert held(level) < 10_000 and level.value == pytest.approx(4.0, rel=0.05) and level.noise < 2e-6


def test_streamed_mouths_are_close_to_those_of_whole_clips(outlines: Animator) -> None:
    speech = open_speech(DEMO_SPEECH)
    samples = speech.waveform().samples
    count = len(samples) // 640
    whole = outlines.speech_network.predict(speech.blocks(), count, speech_level(speech))
    stream = MouthStream(outlines.speech_network)
    padded = np.concatenate([samples, np.zeros(SAMPLE_RATE, np.float32)])
    live = np.concatenate([stream.push(padded[i : i + 1000]) for i in range(0, len(padded), 1000)])[:count]
    wanted, found = lip_measures(whole)[:, 0], lip_measures(live)[:, 0]
    lags = {lag: np.corrcoef(wanted[5:-5], np.roll(found, lag)[5:-5])[0, 1] for lag in range(-3, 4)}
    assert max(lags, key=lags.__getitem__) == 0 and lags[0] > 0.75
    assert 0.8 < found.std() / wanted.std() < 1.2


def test_parts_of_any_length_give_the_same_mouth(outlines: Animator) -> None:
    samples, made = spoken(20), []
    for step in (640, 997):
        stream = MouthStream(outlines.speech_network)
        made.append(np.concatenate([stream.push(samples[i : i + step]) for i in range(0, len(samples), step)]))
    assert len(made[0]) == len(made[1]) == 16  # 20 frames less 200 ms, and the one that is whole
    assert np.abs(made[0][:8] - made[1][:8]).max() < 0.01


def test_a_steady_noise_does_not_speak(session: Session) -> None:
    noise = 0.004 * np.random.default_rng(1).standard_normal(6 * RATE).astype(np.float32)
    session.push(noise)
    gaps = [gap(session.step().image) for _ in range(150)]
    assert max(gaps[75:]) - gaps[0] < 1.0


def test_blinks_without_end_are_those_of_a_clip() -> None:
    for profile in ("natural", "rhythmic"):
        clip = blink_track(500, Fraction(25), np.random.default_rng(5), profile)
        lids = Lids(25, np.random.default_rng(5), profile)
        assert np.allclose(clip, [lids() for _ in range(500)], atol=1e-6)


def test_a_label_and_an_aspect_are_shown_live(animator: Animator, face: np.ndarray) -> None:
    plain = animator.live(face).step().image
    labelled = animator.live(face, RATE, talkface.AnimateOptions(label=True)).step().image
    assert np.abs(labelled[-60:, -150:].astype(int) - plain[-60:, -150:]).max() > 60
    tall = animator.live(face, RATE, talkface.AnimateOptions(aspect="1:2")).step().image
    assert tall.shape[0] == 2 * tall.shape[1]


@pytest.mark.parametrize(("style", "alike"), [("natural", 0.7), ("lively", 0.5)])
def test_a_live_head_is_close_to_that_of_a_whole_clip_and_in_time(outlines: Animator, style: str, alike: float) -> None:
    speech = open_speech(DEMO_SPEECH)
    samples = speech.waveform().samples
    count = len(samples) // 640
    rhythm = speech_rhythm(speech.blocks(), count, Fraction(25), speech_level(speech))
    lags = range(-3, 9)
    found = np.zeros((2, len(lags)))
    for seed in range(2):
        options = talkface.AnimateOptions(seed=seed, head_style=style)
        motion = MotionStream(outlines.speech_network, outlines.head_network, options)
        live = np.stack([moved.pose for moved in motion.push(samples)])
        whole = spoken_pose(outlines.head_network, rhythm, Fraction(25), seed, 1.0, style).rotation[: len(live)]
        for index, lag in enumerate(lags):
            parts = zip(whole[10:-10].T, np.roll(live, -lag, 0)[10:-10].T, strict=False)
            found[seed, index] = np.mean([np.corrcoef(*pair)[0, 1] for pair in parts])
    mean = found.mean(0)
    assert mean.max() > alike and 0 <= lags[int(mean.argmax())] <= 4  # frames of 40 ms


def test_live_brows_rise_with_their_syllable() -> None:
    onsets = [0.0] * 100
    for frame in (30, 60, 90):
        onsets[frame] = 1.2
    brows = Brows(25, np.random.default_rng(0), 3)
    heights = np.array([-brows(onset, 1.0)[19, 1] for onset in onsets])[3:]  # three come before the first frame
    peaks = [frame for frame in range(1, len(heights) - 1) if heights[frame - 1] < heights[frame] >= heights[frame + 1]]
    assert peaks and all(min(abs(peak - frame) for frame in (30, 60, 90)) <= 4 for peak in peaks)


def test_nods_keep_their_size() -> None:
    nods = Nods(25, np.random.default_rng(0))
    poses = np.stack([nods(float(i % 7 == 0), 1.0) for i in range(4000)])[500:]
    assert 0.02 < poses[:, 1].std() < 0.08 and np.abs(poses).max() < 0.4


def test_a_clock_that_runs_ahead_repeats_pictures_and_keeps_the_sound(session: Session) -> None:
    now = [0.0]
    session.push(spoken(60))

    def sleep(seconds: float) -> None:
        now[0] += seconds

    moments = []
    for moment in in_time(session, lambda: len(moments) < 50, lambda: now[0], sleep):
        shown = not moments or moment.image is not moments[-1].image
        moments.append(moment)
        now[0] += (0.06 if len(moments) < 20 else 0.01) if shown else 0.001  # a machine that is busy at first
    report = session.report
    assert 0 < report.repeated < 20 and report.frames == 50
    assert now[0] == pytest.approx(2.0, abs=0.06)
    same = sum(first.image is second.image for first, second in pairwise(moments))
    assert same == report.repeated
    assert len(np.concatenate([moment.audio for moment in moments])) == 50 * 640


def test_a_machine_that_is_far_too_slow_slips_and_still_shows_pictures(session: Session) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    moments: list[Moment] = []
    for moment in in_time(session, lambda: len(moments) < 60, lambda: now[0], sleep):
        moments.append(moment)
        now[0] += 0.05  # more than a frame, whatever is left out
    assert session.report.slipped_s > 0.5
    assert max(sum(1 for _ in run) for _, run in groupby(moments, key=lambda moment: id(moment.image))) <= 4


@pytest.mark.parametrize(
    ("pcm", "says"),
    [
        (np.zeros((2, 3), np.float32), "one channel"),
        (np.zeros(3, np.int32), "int32"),
        (b"abc", "3 bytes"),
        ("hello", "type str"),
        (np.zeros(round(LONGEST_QUEUE_S * RATE) + 1, np.float32), "wait already"),
    ],
)
def test_wrong_sound_is_refused(session: Session, pcm: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        session.push(pcm)


@pytest.mark.parametrize(
    ("rate", "options", "says"),
    [
        (0, {}, "sample rate"),
        (10**6, {}, "sample rate"),
        (16_000, {"report": Path("r.json")}, "report is for whole"),
        (16_000, {"alpha": True}, "alpha"),
    ],
)
def test_what_cannot_be_live_is_refused(
    outlines: Animator, person: Subject, rate: int, options: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        outlines.live(person, rate, talkface.AnimateOptions(**options))


def test_the_real_renderer_shows_the_same_person(animator: Animator, face: np.ndarray) -> None:
    session = animator.live(face)
    session.push(spoken(8))
    session.flush()
    images = [moment.image for moment in session]
    assert len(images) == 12 and all(image.shape == face.shape for image in images)
    assert np.abs(images[0].astype(float) - face).mean() < 3
