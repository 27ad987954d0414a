"""The live socket: sound in, pictures and sound out in time; interruption, limits, wrong clients."""

import io
import json
import time
from typing import Any

import av
import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from talkface.media.mark.search import find_mark
from talkface.serve.live import HEAD
from talkface.serve.server import Server
from talkface.testing.clips import draw_face, draw_person, mouth_motion, speech_of

RATE = 16_000


def hello(photo: bytes, **more: Any) -> str:
    return json.dumps({"photo": len(photo), "rate": RATE, "consent": True, **more})


def speech(frames: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (speech_of(mouth_motion(rng, frames), draw_person(rng), rng) * 32_767).astype("<i2")


def moments(socket: Any, count: int) -> list[tuple[int, np.ndarray, bytes]]:
    """Messages of sound and picture; texts between them are passed over."""
    found = []
    while len(found) < count:
        message = socket.receive()
        if message.get("bytes") is None:
            continue
        index, sound, picture, _ = HEAD.unpack_from(message["bytes"])
        pcm = np.frombuffer(message["bytes"][HEAD.size : HEAD.size + sound], "<i2")
        found.append((index, pcm, message["bytes"][HEAD.size + sound :]))
        assert len(found[-1][2]) == picture
    return found


def test_sound_comes_back_with_pictures_in_step(client: TestClient, photo: bytes) -> None:
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text(hello(photo))
        socket.send_bytes(photo)
        ready = socket.receive_json()
        assert ready["type"] == "ready" and ready["size"] == [160, 160] and ready["delay_s"] == 0.16
        said = speech(20)
        socket.send_bytes(said.tobytes())
        socket.send_text('{"type": "flush"}')
        found = moments(socket, 40)
    assert [index for index, _, _ in found] == list(range(found[0][0], found[0][0] + 40))
    heard = np.concatenate([pcm for _, pcm, _ in found])
    start = int(np.argmax(np.abs(heard) > 400)) - int(np.argmax(np.abs(said) > 400))
    errors = [np.abs(heard[at : at + len(said)].astype(int) - said).max() for at in range(start - 2, start + 3)]
    assert min(errors) <= 2  # rounding to 16 bits, twice
    pictures = [picture for _, _, picture in found if picture]
    assert len(pictures) > 20 and all(picture[:2] == b"\xff\xd8" for picture in pictures)


def test_an_interruption_is_heard_at_once(client: TestClient, photo: bytes) -> None:
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text(hello(photo))
        socket.send_bytes(photo)
        assert socket.receive_json()["type"] == "ready"
        socket.send_bytes(speech(200).tobytes())
        moments(socket, 15)
        socket.send_text('{"type": "interrupt"}')
        while True:
            message = socket.receive()
            if message.get("text") and json.loads(message["text"])["type"] == "interrupted":
                break
        after = moments(socket, 12)
        assert not np.concatenate([pcm for _, pcm, _ in after[4:]]).any()  # 160 ms: a frame in the works, and no more


def test_a_growing_mp4_is_decoded_with_both_tracks(client: TestClient, photo: bytes) -> None:
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text(hello(photo, format="mp4"))
        socket.send_bytes(photo)
        assert socket.receive_json()["type"] == "ready"
        socket.send_bytes(speech(30).tobytes())
        parts: list[bytes] = []
        until = time.monotonic() + 30
        while len(parts) < 45 and time.monotonic() < until:
            message = socket.receive()
            parts += [message["bytes"]] if message.get("bytes") is not None else []
    whole = b"".join(parts)
    assert whole[4:8] == b"ftyp" and b"moof" in whole
    with av.open(io.BytesIO(whole)) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac") and "Synthetic" in str(
            file.metadata
        )
        frames = [float(frame.time) for packet in file.demux(video) for frame in packet.decode()]
    with av.open(io.BytesIO(whole)) as file:
        sound = [frame for frame in file.decode(audio=0)]
    assert len(frames) >= 40 and np.allclose(np.diff(frames), 0.04, atol=1e-3)
    ends = float(sound[-1].time) + sound[-1].samples / sound[-1].sample_rate
    assert abs(ends - (frames[-1] + 0.04)) < 0.15


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ("[]", "bad_request"),
        ("{", "bad_request"),
        ('{"consent": true}', "no_photo"),
        ('{"photo": 3}', "no_consent"),
        ('{"consent": true, "identity": "none"}', "not_found"),
        ('{"consent": true, "photo": 1, "format": "gif"}', "bad_request"),
        ('{"consent": true, "photo": 1, "options": {"landmarks": "x"}}', "bad_option"),
        ('{"consent": true, "photo": 1, "rate": 7}', "bad_option"),
        ('{"consent": true, "photo": 1}', "bad_media"),
    ],
)
def test_wrong_clients_are_told_and_let_go(client: TestClient, photo: bytes, first: str, says: str) -> None:
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text(first)
        socket.send_bytes(photo if '"rate"' in first else b"nothing")
        assert socket.receive_json()["code"] == says
        assert socket.receive()["type"] == "websocket.close"


def test_more_sessions_than_the_machine_bears_are_refused(client: TestClient, photo: bytes, server: Server) -> None:
    server.live, before = 99, server.live
    with client.websocket_connect("/v1/live") as socket:
        assert socket.receive_json()["code"] == "busy"
    server.live = before
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text(hello(photo))
        socket.send_bytes(photo)
        assert socket.receive_json()["type"] == "ready" and "talkface_live_sessions 1" in client.get("/metrics").text
        socket.send_text('{"type": "dance"}')
        while (message := socket.receive()).get("text") is None or json.loads(message["text"])["type"] != "error":
            assert message["type"] == "websocket.send"


def test_other_sites_have_no_live_socket(client: TestClient) -> None:
    with pytest.raises(Exception), client.websocket_connect("/v1/live", headers={"Origin": "https://evil.example"}):  # noqa: B017
        pass


def test_live_pictures_bear_the_invisible_mark(client: TestClient) -> None:
    drawn = draw_face(draw_person(np.random.default_rng(1)), 0.0, size=320)
    large = cv2.imencode(".png", drawn[..., ::-1])[1].tobytes()
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text(hello(large, options={"still": True, "blink": False}))
        socket.send_bytes(large)
        assert socket.receive_json()["type"] == "ready"
        pictures = [picture for _, _, picture in moments(socket, 16) if picture]
    frames = [cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE) for picture in pictures]
    assert find_mark(frames) is not None
    assert find_mark([cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY)] * 2) is None
