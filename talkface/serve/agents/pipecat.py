"""Pipecat's speech frames -> its image and sound frames of a face, between the TTS service and the transport."""

import asyncio
from typing import TYPE_CHECKING, Any

from talkface.inference.live import Moment, Session
from talkface.media.sample_rate import to_pcm16
from talkface.serve.agents.face import AgentFace, SegmentEnd

if TYPE_CHECKING:
    from pipecat.processors.frame_processor import FrameProcessor


def pipecat_face(session: Session) -> "FrameProcessor":
    """A `pipecat` frame processor that speaks by a session.

    Put it behind the TTS service; the transport wants `video_out_enabled` and the frames' size. A `TTSStoppedFrame` is
    held until the speech before it was heard, an `InterruptionFrame` drops what waits, and where rendering fails one
    error frame is pushed and the sound passes on unchanged.
    """
    from pipecat.frames import frames
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

    class PipecatFace(FrameProcessor):
        """See `pipecat_face`."""

        def __init__(self) -> None:
            super().__init__(name="talkface")
            self._player = _Player(session, frames, self)

        async def process_frame(self, frame: frames.Frame, direction: FrameDirection) -> None:
            """One frame of the pipeline."""
            await super().process_frame(frame, direction)
            if await self._player.keeps(frame):
                return
            await self.push_frame(frame, direction)
            if isinstance(frame, frames.StartFrame):
                self._player.start()

        async def cleanup(self) -> None:
            """The pipeline has ended."""
            await self._player.end(drain=False)
            await super().cleanup()  # type: ignore[no-untyped-call]

    return PipecatFace()


class _Player:
    """Work of the processor, apart from Pipecat's base class."""

    def __init__(self, session: Session, frames: Any, processor: Any) -> None:
        """Take a session, the module `pipecat.frames.frames`, and the processor that pushes frames."""
        self._session, self._frames, self._processor = session, frames, processor
        self._face, self._failed = AgentFace(session), False
        self._stopped: list[Any] = []
        self._task: Any = None

    def start(self) -> None:
        """Show the face."""
        self._task = self._processor.create_task(self._talk())

    async def keeps(self, frame: Any) -> bool:
        """Whether a frame is not to be passed on now: speech, and its end until it was heard."""
        frames = self._frames
        if isinstance(frame, frames.TTSAudioRawFrame) and not self._failed:
            self._face.push(frame.audio, frame.sample_rate, frame.num_channels)
            return True
        if isinstance(frame, frames.TTSStoppedFrame) and not self._failed:
            self._stopped.append(frame)
            self._face.end_segment()
            return True
        if isinstance(frame, frames.InterruptionFrame):
            self._face.clear()
            self._stopped.clear()
        if isinstance(frame, frames.EndFrame | frames.CancelFrame):
            await self.end(drain=isinstance(frame, frames.EndFrame))
        return False

    async def end(self, *, drain: bool) -> None:
        """Stop; with `drain` when all was heard."""
        while drain and self._session.unheard_s > 0 and self._task is not None and not self._failed:
            self._session.flush()
            await asyncio.sleep(0.02)
        self._face.close()
        task, self._task = self._task, None
        if task is not None:
            await self._processor.cancel_task(task)

    async def _talk(self) -> None:
        try:
            async for made in self._face.moments():
                if isinstance(made, SegmentEnd):
                    await self._processor.push_frame(self._stopped.pop(0))
                else:
                    await self._show(made)
        except Exception as error:  # noqa: BLE001 - the agent goes on without a picture
            self._failed = True
            await self._processor.push_error(f"talkface stopped: {error}")

    async def _show(self, moment: Moment) -> None:
        frames, (height, width) = self._frames, moment.image.shape[:2]
        image = frames.OutputImageRawFrame(image=moment.image.tobytes(), size=(width, height), format="RGB")
        image.sync_with_audio = moment.speaking
        await self._processor.push_frame(image)
        if moment.speaking:
            pcm = to_pcm16(moment.audio).tobytes()
            sound = frames.TTSAudioRawFrame(audio=pcm, sample_rate=self._session.rate, num_channels=1)
            await self._processor.push_frame(sound)
