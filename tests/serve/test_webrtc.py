"""WebRTC on loopback: a client's sound track comes back as a person who speaks it."""

import asyncio
import fractions
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from talkface.serve.server import Server
from talkface.testing.clips import draw_person, mouth_motion, speech_of

aiortc = pytest.importorskip("aiortc")
av = pytest.importorskip("av")
httpx = pytest.importorskip("httpx")

RATE, PIECE = 48_000, 960


class Voice(aiortc.MediaStreamTrack):
    """A microphone: silence, then a hum from `starts_s` on."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        hum = speech_of(mouth_motion(rng, 200), draw_person(rng), rng)
        self._pcm = (np.repeat(hum, 3) * 32_767).astype(np.int16)
        self._at = 0

    async def recv(self) -> Any:
        await asyncio.sleep(0.02)
        part = np.resize(self._pcm[self._at : self._at + PIECE], PIECE)
        frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at = (self._at + PIECE) % (len(self._pcm) - PIECE)
        return frame


async def talk(app: Any, photo: bytes, frames: int) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    pictures: list[np.ndarray] = []
    sounds: list[np.ndarray] = []
    done = asyncio.Event()

    @connection.on("track")
    def heard(track: Any) -> None:
        async def read() -> None:
            while not done.is_set():
                frame = await track.recv()
                if track.kind == "video":
                    pictures.append(frame.to_ndarray(format="rgb24"))
                else:
                    sounds.append(frame.to_ndarray().reshape(-1))
                if len(pictures) >= frames and len(sounds) >= frames:
                    done.set()

        tasks.append(asyncio.ensure_future(read()))

    tasks: list[Any] = []
    connection.addTrack(Voice())
    connection.addTransceiver("video", direction="recvonly")
    channel = connection.createDataChannel("commands")
    await connection.setLocalDescription(await connection.createOffer())
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:
        form = {"sdp": connection.localDescription.sdp, "consent": "true"}
        answered = await client.post("/v1/live/offer", data=form, files={"photo": photo})
        assert answered.status_code == 200, answered.text
        await connection.setRemoteDescription(aiortc.RTCSessionDescription(**answered.json()))
        await asyncio.wait_for(done.wait(), 40)
        channel.send("interrupt")
        busy = [app.state.server.live]
    await connection.close()
    for task in tasks:
        task.cancel()
    for _ in range(200):
        if not app.state.server.live:
            break
        await asyncio.sleep(0.05)
    return pictures, sounds, [*busy, app.state.server.live]


def test_a_voice_comes_back_as_a_face(client: TestClient, photo: bytes) -> None:
    pictures, sounds, places = asyncio.run(talk(client.app, photo, 60))
    assert pictures[-1].shape == (160, 160, 3) and pictures[-1].std() > 20
    assert np.abs(np.concatenate(sounds)).max() > 1000
    assert places == [1, 0]  # the place is given back


def test_offers_that_are_none_are_refused(client: TestClient, photo: bytes, server: Server) -> None:
    answer = client.post("/v1/live/offer", data={"sdp": "v=0 nothing", "consent": "true"}, files={"photo": photo})
    assert answer.status_code == 422 and answer.json()["error"]["code"] == "bad_offer" and server.live == 0
    answer = client.post("/v1/live/offer", data={"sdp": "v=0", "consent": "true"}, files={"x": b""})
    assert answer.json()["error"]["code"] == "no_photo"
