"""WebRTC offer -> answer: sound comes in by a track, pictures and sound go out by two."""

import asyncio
import contextlib
import fractions
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

from talkface.inference.live import Moment, Session
from talkface.inference.live_clock import Pace
from talkface.media.sample_rate import to_pcm16
from talkface.serve.live import Hello, open_session
from talkface.serve.marked import Marked
from talkface.serve.replies import Refusal
from talkface.serve.server import Server

RATE = 48_000  # Hz, Opus's own


class Feed:
    """One session's moments for both tracks, made when they are due."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._pace: Pace | None = None  # the clock starts when a track is first asked
        self._lock = asyncio.Lock()
        self._moments: dict[str, asyncio.Queue[Moment]] = {kind: asyncio.Queue() for kind in ("video", "audio")}

    async def next(self, kind: str) -> Moment:
        """The next moment for one of the tracks; the other one gets the same."""
        mine = self._moments[kind]
        async with self._lock:
            if mine.empty():
                moment = await self._make()
                for waiting in self._moments.values():
                    if waiting.qsize() < 50:  # a track that nobody takes must not fill the memory
                        waiting.put_nowait(moment)
            return await mine.get()

    async def _make(self) -> Moment:
        self._pace = self._pace or Pace(self.session)
        await asyncio.sleep(self._pace.wait_s())
        self.session.skip_silence()
        return await asyncio.to_thread(self.session.step, render=self._pace.render())


class VideoOut(MediaStreamTrack):
    """Pictures of a feed."""

    kind = "video"

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed, self._count, self._marked = feed, 0, Marked()

    async def recv(self) -> VideoFrame:
        """The next picture."""
        moment = await self._feed.next("video")
        height, width = moment.image.shape[:2]
        image = np.ascontiguousarray(self._marked(moment.image)[: height - height % 2, : width - width % 2])
        frame = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = self._count, 1 / fractions.Fraction(self._feed.session.fps)
        self._count += 1
        return frame


class AudioOut(MediaStreamTrack):
    """Sound of a feed, in pieces of 20 ms."""

    kind = "audio"

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed, self._samples = feed, 0
        self._pcm = np.zeros(0, np.int16)

    async def recv(self) -> AudioFrame:
        """The next 20 ms."""
        piece = RATE // 50  # samples of a frame of sound, 20 ms
        while len(self._pcm) < piece:
            moment = await self._feed.next("audio")
            pcm = to_pcm16(moment.audio)
            self._pcm = np.concatenate([self._pcm, pcm])
        frame = AudioFrame.from_ndarray(self._pcm[None, :piece].copy(), format="s16", layout="mono")
        self._pcm = self._pcm[piece:]
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._samples, fractions.Fraction(1, RATE)
        self._samples += piece
        return frame


async def take_offer(server: Server, sdp: str, hello: Hello, photo: bytes) -> dict[str, str]:
    """Answer a client's offer, and go on until it leaves.

    What its sound track carries is pushed into a session; messages `flush` and `interrupt` of its data channel are
    followed. No server of others is asked for addresses, so both ends must reach each other.

    Args:
        server: where one live session more has its place.
        sdp: the offer.
        hello: who is to speak, at `RATE`.
        photo: bytes of the photo, if there is one.

    Returns:
        The answer as `sdp` and `type`.

    Raises:
        Refusal: an offer that cannot be understood, or too many sessions.
        TalkfaceError: an unusable photo or option.
    """
    with contextlib.ExitStack() as places:
        places.enter_context(server.live_place())
        session = await open_session(server, hello, photo)
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        left = _Leaving(server, connection)
        _follow(connection, session, left)
        feed = Feed(session)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            connection.addTrack(VideoOut(feed))
            connection.addTrack(AudioOut(feed))
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:
            await connection.close()
            message = "the offer cannot be understood: send the SDP of an RTCPeerConnection"
            raise Refusal(422, "bad_offer", message) from error
        left.place = places.pop_all()
        server.leaving.add(left)
    described = connection.localDescription
    return {"sdp": described.sdp, "type": described.type}


class _Leaving:
    """Closes a connection once, and gives its place back."""

    def __init__(self, server: Server, connection: RTCPeerConnection) -> None:
        self._server, self._connection = server, connection
        self.place = contextlib.ExitStack()

    async def __call__(self) -> None:
        self._server.leaving.discard(self)
        self.place.close()
        await self._connection.close()


def _follow(connection: RTCPeerConnection, session: Session, left: _Leaving) -> None:
    """Push the client's sound, obey its messages, and notice its end."""
    tasks: set[asyncio.Task[None]] = set()

    @connection.on("track")
    def heard(track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            task = asyncio.ensure_future(_listen(track, session))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    @connection.on("datachannel")
    def opened(channel: Any) -> None:
        @channel.on("message")  # type: ignore[untyped-decorator]
        def obey(message: object) -> None:
            acts = {"flush": session.flush, "interrupt": session.interrupt}
            if isinstance(message, str) and message in acts:
                acts[message]()

    @connection.on("connectionstatechange")
    async def changed() -> None:
        if connection.connectionState in ("failed", "closed", "disconnected"):
            await left()


async def _listen(track: MediaStreamTrack, session: Session) -> None:
    """Push what a track carries, until it ends."""
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    with contextlib.suppress(Exception):  # the track's own end, a lost connection, or a full queue
        while True:
            frame = await track.recv()
            for part in resampler.resample(frame):  # type: ignore[arg-type]
                session.push(part.to_ndarray().reshape(-1).astype(np.int16))
