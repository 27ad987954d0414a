"""LiveKit agent's audio frames -> video and audio frames of a face, for its `AvatarRunner`."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from talkface.inference.live import Session
from talkface.media.sample_rate import to_pcm16
from talkface.serve.agents.face import AgentFace, SegmentEnd

if TYPE_CHECKING:
    from livekit.agents.voice.avatar import VideoGenerator


def livekit_face(session: Session) -> "VideoGenerator":
    """A `livekit.agents.voice.avatar.VideoGenerator` that speaks by a session.

    Give it to `AvatarRunner` with the frames' size, `float(session.fps)` and the session's rate, one channel. Idle
    moments have pictures only, so that the runner's playback position is that of the speech; the end of a segment
    comes when its last sample was heard, once, and not after an interruption.
    """
    from livekit import rtc
    from livekit.agents.voice.avatar import AudioSegmentEnd, VideoGenerator

    class LiveKitFace(VideoGenerator):
        """See `livekit_face`."""

        def __init__(self) -> None:
            self.face = AgentFace(session)

        async def push_audio(self, frame: "rtc.AudioFrame | AudioSegmentEnd") -> None:
            """Speech, or the end of an utterance."""
            if isinstance(frame, AudioSegmentEnd):
                self.face.end_segment()
            else:
                self.face.push(bytes(frame.data), frame.sample_rate, frame.num_channels)

        def clear_buffer(self) -> None:
            """Stop speaking at once."""
            self.face.clear()

        async def _stream(self) -> "AsyncIterator[Any]":
            async for made in self.face.moments():
                if isinstance(made, SegmentEnd):
                    yield AudioSegmentEnd()
                    continue
                height, width = made.image.shape[:2]
                yield rtc.VideoFrame(width, height, rtc.VideoBufferType.RGB24, made.image.tobytes())
                if made.speaking:
                    pcm = to_pcm16(made.audio)
                    yield rtc.AudioFrame(pcm.tobytes(), session.rate, 1, len(pcm))

        def __aiter__(self) -> "AsyncIterator[Any]":
            return self._stream()

    return LiveKitFace()
