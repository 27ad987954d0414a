"""WebSocket: a photo and sound as it comes -> pictures and sound, in time."""

import asyncio
import contextlib
import json
import struct
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect

from talkface.checkpoints.identity import load_identity
from talkface.errors import TalkfaceError
from talkface.inference.live import Moment, Session
from talkface.inference.live_clock import in_time
from talkface.inference.photos import PhotoSource
from talkface.media.fragments import FragmentWriter
from talkface.media.sample_rate import to_pcm16
from talkface.serve.guard import check_token
from talkface.serve.marked import Marked
from talkface.serve.options import read_options
from talkface.serve.replies import Refusal, refusal_of
from talkface.serve.server import Server
from talkface.serve.studio import jpeg
from talkface.serve.uploads import raise_error

HEAD = struct.Struct("<IIII")  # frame number, bytes of sound, bytes of picture, 0


@dataclass(frozen=True)
class Hello:
    """The first message of a client.

    Attributes:
        rate: samples per second of its sound and of ours.
        format: `jpeg`: messages of sound and picture; `mp4`: one growing file.
        photo: bytes of the photo that follows as the next message, 0 for none.
        identity: id of a kept person, in place of a photo.
        options: of `animate`.
    """

    rate: int
    format: Literal["jpeg", "mp4"]
    photo: int
    identity: str | None
    options: dict[str, Any]


def add_live(app: FastAPI, server: Server) -> None:
    """Add `/v1/live`."""

    @app.websocket("/v1/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        try:
            with server.live_place():
                await _serve(server, socket)
        except WebSocketDisconnect:
            return
        except (Refusal, TalkfaceError) as error:
            refusal = refusal_of(error)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_json({"type": "error", "code": refusal.code, "message": refusal.message})
                await socket.close(1008)


async def _serve(server: Server, socket: WebSocket) -> None:
    """One client from its first message to its last."""
    hello_s = 20.0  # that a client may take to say what it wants
    try:
        hello, photo = await asyncio.wait_for(_greet(server, socket), hello_s)
    except TimeoutError:
        raise Refusal(408, "too_slow", "nothing was asked for: send a first message, see docs/serve.md") from None
    session = await open_session(server, hello, photo)
    image = await asyncio.to_thread(lambda: session.step().image)
    height, width = image.shape[:2]
    ready = {"type": "ready", "fps": float(session.fps), "rate": session.rate, "size": [width, height]}
    await socket.send_json({**ready, "delay_s": session.delay_s})
    sender = Sender(session, hello.format, (width, height))
    loop = asyncio.get_running_loop()
    outgoing: asyncio.Queue[bytes | str | None] = asyncio.Queue()
    thread = threading.Thread(
        target=sender.run, args=(lambda part: loop.call_soon_threadsafe(outgoing.put_nowait, part), outgoing.qsize)
    )
    thread.start()
    sending = asyncio.create_task(_send(socket, outgoing))
    try:
        await _receive(socket, session, outgoing)
    finally:
        sender.end = True
        await asyncio.to_thread(thread.join)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


async def _greet(server: Server, socket: WebSocket) -> tuple[Hello, bytes]:
    """Token, wishes and photo of a client."""
    try:
        request = json.loads(await socket.receive_text())
    except (ValueError, KeyError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise Refusal(400, "bad_request", "the first message must be a JSON object, see docs/serve.md")
    check_token(server.options.token, request.get("token"))
    if request.get("consent") is not True:
        raise Refusal(422, "no_consent", "animate only people who agreed: say so with consent: true")
    hello = Hello(
        request.get("rate", 16_000),
        request.get("format", "jpeg"),
        request.get("photo", 0),
        request.get("identity"),
        request.get("options", {}),
    )
    if hello.format not in ("jpeg", "mp4") or not isinstance(hello.photo, int) or hello.photo < 0:
        raise Refusal(400, "bad_request", "invalid first message: format is jpeg or mp4, photo a number of bytes")
    if not hello.photo:
        return hello, b""
    try:
        photo = await socket.receive_bytes()
    except KeyError:
        raise Refusal(422, "no_photo", "the second message must be the photo's bytes") from None
    if len(photo) > server.options.max_upload_mb * 1e6:
        raise Refusal(413, "too_large", f"the photo is larger than {server.options.max_upload_mb:g} MB")
    return hello, photo


async def open_session(server: Server, hello: Hello, photo: bytes) -> Session:
    """A session for a client's photo or kept person; raises `Refusal` and our errors."""
    options = read_options(hello.options)
    if hello.identity is not None:
        server.check_person(hello.identity)
        person = await asyncio.to_thread(load_identity, server.studio.identity_file(hello.identity))
        return await asyncio.to_thread(server.studio.animator.live, person, hello.rate, options)
    if not photo:
        raise Refusal(422, "no_photo", "neither photo nor identity: send one")
    async with server.temporary_folder() as folder:
        return await asyncio.to_thread(_photo_session, server, folder, photo, hello.rate, options)


def _photo_session(server: Server, folder: Path, photo: bytes, rate: int, options: Any) -> Session:
    (folder / "photo.upload").write_bytes(photo)
    task = server.task(folder, "photo", options.face)
    raise_error(server.reader.read(task).result())
    plain: PhotoSource = task.out
    return server.studio.animator.live(plain, rate, options)


class Sender:
    """The thread of one session: its moments, encoded, when they are due."""

    def __init__(self, session: Session, format: str, size: tuple[int, int]) -> None:
        self._session, self.end, self.left_out = session, False, 0
        self._marked = Marked()
        self._fragments = FragmentWriter(size, session.fps, session.rate) if format == "mp4" else None

    def run(self, send: Callable[[bytes | str | None], object], waiting: Callable[[], int]) -> None:
        """Until `end`; `send` takes messages, `waiting` says how many the client has not taken."""
        most_waiting = 25  # messages to a slow client, before its pictures are left out
        try:
            for moment in in_time(self._session, lambda: not self.end):
                self._encode(moment, send, waiting() > most_waiting)
        except Exception as error:  # noqa: BLE001 - the client gets an error message, and the session ends
            send(
                json.dumps({"type": "error", "code": "fault", "message": f"fault in talkface: {type(error).__name__}"})
            )
            send(None)

    def _encode(self, moment: Moment, send: Callable[[bytes | str | None], object], behind: bool) -> None:
        index, image = self._session.report.frames - 1, self._marked(moment.image)
        quality = 82  # of a JPEG
        if self._fragments is not None:
            send(self._fragments.add(image, moment.audio))
        else:
            pcm = to_pcm16(moment.audio).tobytes()
            self.left_out += behind
            picture = b"" if behind else jpeg(image, quality)
            send(HEAD.pack(index, len(pcm), len(picture), 0) + pcm + picture)
        report_every = 25  # frames
        if index % report_every == 0:
            report = {**asdict(self._session.report), "fps": float(self._session.fps), "left_out": self.left_out}
            send(json.dumps({"type": "report", **report, "queued_s": self._session.queued_s}))


async def _send(socket: WebSocket, outgoing: "asyncio.Queue[bytes | str | None]") -> None:
    with contextlib.suppress(Exception):  # the client has left, which every web server says in its own way
        while (part := await outgoing.get()) is not None:
            if isinstance(part, str):
                await socket.send_text(part)
            else:
                await socket.send_bytes(part)
        await socket.close(1011)


async def _receive(socket: WebSocket, session: Session, outgoing: "asyncio.Queue[bytes | str | None]") -> None:
    """Sound and commands of the client, until it leaves."""
    most_queued_s = 60.0  # of sound that a client may send ahead
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes") is not None:
            if session.queued_s > most_queued_s:
                raise Refusal(429, "too_fast", f"{most_queued_s:.0f} s of sound wait already: send it as it is spoken")
            session.push(message["bytes"])
            continue
        command = _command(message.get("text"))
        if command == "flush":
            session.flush()
        elif command == "interrupt":
            session.interrupt()
            while not outgoing.empty():  # what was not sent yet would be heard after the interruption
                outgoing.get_nowait()
            outgoing.put_nowait(json.dumps({"type": "interrupted"}))
        elif command == "end":
            return
        else:
            raise Refusal(400, "bad_request", "unknown message: expected sound, or type flush, interrupt or end")


def _command(text: str | None) -> str | None:
    with contextlib.suppress(ValueError, RecursionError, AttributeError):
        kind = json.loads(text or "").get("type")
        return kind if isinstance(kind, str) else None
    return None
