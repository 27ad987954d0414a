"""Adapters for voice agents against the packages' own classes, with a room that exists on paper."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import talkface
from talkface.serve.agents.face import AgentFace, SegmentEnd
from talkface.testing.clips import draw_face, draw_person, mouth_motion, speech_of

RATE = 24_000  # Hz, what speech services give


def new_session(animator: talkface.Animator) -> Any:
    return animator.live(draw_face(draw_person(np.random.default_rng(1)), 0.0), 16_000)


@pytest.fixture
def session(animator: talkface.Animator) -> Any:
    return new_session(animator)


def utterance(frames: int) -> bytes:
    rng = np.random.default_rng(4)
    samples = speech_of(mouth_motion(rng, frames), draw_person(rng), rng)
    samples = np.interp(np.arange(frames * RATE // 25) * 16_000 / RATE, np.arange(len(samples)), samples)
    return (samples * 32_767).astype("<i2").tobytes()


async def collect(face: AgentFace, ends: int, most: int = 200) -> list[Any]:
    found: list[Any] = []
    async for made in face.moments():
        found.append(made)
        if sum(isinstance(each, SegmentEnd) for each in found) == ends or len(found) >= most:
            face.close()
    return found


def test_every_segment_ends_once_when_it_was_heard(session: Any) -> None:
    face = AgentFace(session)
    for frames in (10, 15):
        face.push(utterance(frames), RATE)
        face.end_segment()
    found = asyncio.run(collect(face, 2))
    ends = [index for index, each in enumerate(found) if isinstance(each, SegmentEnd)]
    heard = [each.speaking for each in found if not isinstance(each, SegmentEnd)]
    assert len(ends) == 2 and ends[1] == len(found) - 1
    assert 9 <= sum(heard[: ends[0]]) <= 11 and 24 <= sum(heard) <= 27


def test_an_interrupted_segment_has_no_end(session: Any) -> None:
    face = AgentFace(session)

    async def run() -> list[Any]:
        face.push(utterance(100), RATE)
        face.end_segment()
        task = asyncio.ensure_future(collect(face, 1, most=60))
        await until(lambda: session.unheard_s < 3.7)
        face.clear()
        return await task

    found = asyncio.run(run())
    assert not any(isinstance(each, SegmentEnd) for each in found)
    assert not any(each.speaking for each in found[-20:]) and session.report.dropped_s > 2


class Room:
    """A LiveKit room on paper."""

    def isconnected(self) -> bool:
        return True

    def on(self, *_: object) -> None: ...

    def off(self, *_: object) -> None: ...


async def until(reached: Callable[[], bool]) -> None:
    """Wait for it, for 8 s at most: a busy machine takes longer than an idle one."""
    for _ in range(400):
        if reached():
            return
        await asyncio.sleep(0.02)


def test_livekit_runner_gets_what_it_expects(session: Any) -> None:
    rtc = pytest.importorskip("livekit.rtc")
    avatar = pytest.importorskip("livekit.agents.voice.avatar")
    from talkface.serve.agents.livekit import livekit_face

    published: list[Any] = []
    ended: list[tuple[float, bool]] = []

    async def push(frame: Any) -> None:
        published.append(frame)

    def sounds() -> int:
        return sum(isinstance(frame, rtc.AudioFrame) for frame in published)

    async def run() -> None:
        generator = livekit_face(session)
        assert isinstance(generator, avatar.VideoGenerator)
        receiver = avatar.QueueAudioOutput(sample_rate=RATE)
        receiver.on("playback_finished", lambda event: ended.append((event.playback_position, event.interrupted)))
        options = avatar.AvatarOptions(160, 160, 25.0, 16_000, 1)
        runner = avatar.AvatarRunner(Room(), audio_recv=receiver, video_gen=generator, options=options)
        runner.av_sync.push = push  # frames end here
        runner._video_publication = object()
        await runner.start()
        pcm = utterance(20)
        for at in range(0, len(pcm), 960):
            part = pcm[at : at + 960]
            await receiver.capture_frame(rtc.AudioFrame(part, RATE, 1, len(part) // 2))
        receiver.flush()
        await until(lambda: len(ended) >= 1)
        pcm = utterance(100)
        before = sounds()
        await receiver.capture_frame(rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2))
        await until(lambda: sounds() > before + 5)
        receiver.clear_buffer()
        await until(lambda: len(ended) >= 2)
        await runner.aclose()

    asyncio.run(run())
    assert ended[0][0] == pytest.approx(0.8, abs=0.06) and ended[0][1] is False
    assert ended[1][1] is True and 0 < ended[1][0] < 3
    pictures = [frame for frame in published if isinstance(frame, rtc.VideoFrame)]
    assert len(pictures) > 20 and (pictures[0].width, pictures[0].height) == (160, 160)


def pipecat_frames(
    animator: talkface.Animator, frames_to_send: Callable[[], list[Any]], reached: Callable[[list[str]], bool]
) -> list[Any]:
    """Frames that come out of a pipeline, which waits longer where a busy machine had not `reached` those kinds yet."""
    utils = pytest.importorskip("pipecat.tests.utils")
    from talkface.serve.agents.pipecat import pipecat_face

    for factor in (1, 3, 9):
        sent = [utils.SleepFrame(sleep=factor * each) if isinstance(each, float) else each for each in frames_to_send()]
        down, _ = asyncio.run(utils.run_test(pipecat_face(new_session(animator)), frames_to_send=sent))
        if reached([type(frame).__name__ for frame in down]):
            break
    return list(down)


def test_pipecat_holds_the_stop_until_it_was_spoken(animator: talkface.Animator) -> None:
    frames = pytest.importorskip("pipecat.frames.frames")

    def sent() -> list[Any]:
        speech = frames.TTSAudioRawFrame(audio=utterance(15), sample_rate=RATE, num_channels=1)
        return [frames.TTSStartedFrame(), speech, frames.TTSStoppedFrame(), 1.6]

    def reached(kinds: list[str]) -> bool:
        return "TTSStoppedFrame" in kinds and kinds.count("OutputImageRawFrame") > 20

    down = pipecat_frames(animator, sent, reached)
    kinds = [type(frame).__name__ for frame in down]
    stop = kinds.index("TTSStoppedFrame")
    sound = [index for index, kind in enumerate(kinds) if kind == "TTSAudioRawFrame"]
    assert kinds.index("TTSStartedFrame") < sound[0] and sound[-1] < stop
    assert sum(len(down[index].audio) for index in sound) / 2 / 16_000 == pytest.approx(0.6, abs=0.08)
    pictures = [frame for frame in down if isinstance(frame, frames.OutputImageRawFrame)]
    assert len(pictures) >= len(sound)  # one with every frame of sound, and those of the silence around it
    assert len(pictures) > 20 and pictures[0].size == (160, 160) and len(pictures[0].image) == 160 * 160 * 3


def test_pipecat_drops_what_is_interrupted(animator: talkface.Animator) -> None:
    frames = pytest.importorskip("pipecat.frames.frames")

    def sent() -> list[Any]:
        speech = frames.TTSAudioRawFrame(audio=utterance(400), sample_rate=RATE, num_channels=1)
        return [speech, frames.TTSStoppedFrame(), 0.7, frames.InterruptionFrame(), 0.5]

    def reached(kinds: list[str]) -> bool:
        cut = kinds.index("InterruptionFrame")
        return "TTSAudioRawFrame" in kinds[:cut] and "OutputImageRawFrame" in kinds[cut + 3 :]

    kinds = [type(frame).__name__ for frame in pipecat_frames(animator, sent, reached)]
    cut = kinds.index("InterruptionFrame")
    assert "TTSAudioRawFrame" in kinds[:cut] and "TTSStoppedFrame" not in kinds
    assert kinds[cut:].count("TTSAudioRawFrame") <= 2 and "OutputImageRawFrame" in kinds[cut + 3 :]
