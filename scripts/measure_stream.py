"""Half an hour of live stream over a real socket, as fast as it goes -> what was lost, offset and memory.

The server runs in a process of its own, without its clock: a frame is made as soon as the sound for it has come. All
else is what clients get: scripts/measure_stream.py --minutes 30 [--format mp4] [--renderer warp].
"""

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import uvicorn
import websockets

from talkface import Animator
from talkface.inference.live import Moment, Session
from talkface.media.speech import open_speech
from talkface.scale.memory import memory_mb
from talkface.serve import live
from talkface.serve.app import create_app
from talkface.serve.options import ServeOptions
from talkface.serve.server import open_server
from talkface.types import FloatArray

ROOT = Path(__file__).resolve().parents[1]
RATE, FPS = 16_000, 25
AHEAD_S = 4.0  # of sound that is sent before its frames are back


def serve_unpaced(renderer: str) -> None:
    """A server whose streams do not wait for the clock, until it is ended."""

    def as_it_comes(session: Session, go_on: object) -> Iterator[Moment]:
        while go_on():  # type: ignore[operator]
            if session.ready:
                yield session.step()
            else:
                time.sleep(0.001)

    live.in_time = as_it_comes  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        server = open_server(ServeOptions(folder=Path(folder)), Animator.from_pretrained(renderer, "cpu"))
        config = uvicorn.Config(create_app(server), port=0, log_level="warning")
        web = uvicorn.Server(config)

        async def run() -> None:
            task = asyncio.create_task(web.serve())
            while not web.started:
                await asyncio.sleep(0.05)
            print(f"ws://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
            await task

        asyncio.run(run())


class Received:
    """Result of a stream: sound, and how far the mouth is open, frame by frame."""

    def __init__(self, format: str, box: tuple[int, int, int, int]) -> None:
        self.format, self.box = format, box
        self.sound: list[np.ndarray] = []
        self.mouths: list[FloatArray | None] = []
        self.frames, self.gaps, self.file = 0, 0, io.BytesIO()

    def add(self, message: bytes) -> None:
        """One message of the server."""
        if self.format == "mp4":
            self.file.write(message)
            return
        head = live.HEAD
        index, sound, picture, _ = head.unpack_from(message)
        self.gaps += self.frames > 0 and index != self.last + 1
        self.last, self.frames = index, self.frames + 1
        self.sound.append(np.frombuffer(message[head.size : head.size + sound], "<i2"))
        coded = np.frombuffer(message[head.size + sound :], np.uint8)
        self.mouths.append(self._cut(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)) if picture else None)

    def _cut(self, grey: np.ndarray) -> FloatArray:
        left, top, right, bottom = self.box
        return np.asarray(grey[top:bottom, left:right][::2, ::2], np.float32).astype(np.float16)

    def decode(self) -> None:
        """Take a received file apart, each frame and its sound by their own time stamps."""
        if self.format == "jpeg":
            return
        self.file.seek(0)
        with av.open(self.file, format="mp4") as container:
            for frame in container.decode(video=0):
                assert frame.pts is not None and frame.time_base is not None
                self.mouths.append(self._cut(frame.to_ndarray(format="gray")))
                self.gaps += round(float(frame.pts * frame.time_base) * FPS) != self.frames
                self.frames += 1
        self.file.seek(0)
        with av.open(self.file, format="mp4") as container:
            heard = list(container.decode(audio=0))
        start = round(float((heard[0].pts or 0) * (heard[0].time_base or 0)) * RATE)
        resampler = av.AudioResampler("s16", "mono", RATE)
        parts = [part.to_ndarray()[0] for frame in [*heard, None] for part in resampler.resample(frame)]
        self.sound = [np.zeros(max(0, start), np.int16), *parts]


async def stream(
    url: str, format: str, minutes: float, within_s: float, photo: Path, process: int
) -> dict[str, object]:
    """Send speech with pauses, and measure what comes back."""
    speech = open_speech(ROOT / "demo/speech/english.flac").waveform().samples
    said = np.concatenate([(speech * 32_767).astype("<i2"), np.zeros(RATE, "<i2")])
    total = round(minutes * 60 * FPS)
    report, memory, sent, came = {}, [], 0, 0
    began = time.monotonic()
    async with websockets.connect(f"{url}/v1/live", max_size=1 << 24, ping_interval=None) as socket:
        options = {"still": True, "blink": False}
        hello = {"photo": photo.stat().st_size, "rate": RATE, "consent": True, "format": format, "options": options}
        await socket.send(json.dumps(hello))
        await socket.send(photo.read_bytes())
        ready = json.loads(await socket.recv())
        assert ready["type"] == "ready", ready
        width, height = ready["size"]
        box = (round(0.38 * width), round(0.2 * height), round(0.52 * width), round(0.35 * height))
        received = Received(format, box)
        while came < total - AHEAD_S * FPS and time.monotonic() - began < within_s:
            while sent < came / FPS + AHEAD_S:
                start = sent * RATE % len(said)
                second = np.concatenate([said[start:], said])[:RATE]
                await socket.send(second.tobytes())
                sent += 1
            message = await socket.recv()
            if isinstance(message, str):
                event = json.loads(message)
                report = event if event["type"] == "report" else report
                came = max(came, int(report.get("frames", 0))) if format == "mp4" else came
            else:
                received.add(message)
                came = received.frames if format == "jpeg" else came
            if len(memory) <= came / FPS / 60:
                memory.append(memory_mb(process)["VmRSS"])
    took = time.monotonic() - began
    received.decode()
    return {
        "minutes": round(received.frames / FPS / 60, 2),
        "took_s": round(took),
        "frames": received.frames,
        "frames_out_of_order": received.gaps,
        "without_picture": sum(each is None for each in received.mouths),
        "report": {name: report[name] for name in ("repeated", "starved", "slipped_s", "dropped_s", "left_out")},
        **_offsets(received, said),
        "memory_mb_by_minute": [round(each) for each in memory],
        "load": round(os.getloadavg()[1], 1),
    }


def _offsets(received: Received, said: np.ndarray) -> dict[str, object]:
    """Frames by which the mouth follows the sound, and samples by which the sound follows what was sent, over time."""
    sound = np.concatenate(received.sound)
    count = min(received.frames, len(sound) * FPS // RATE)
    per = RATE // FPS
    loud = np.log10(1 + np.sqrt(np.mean(np.square(sound[: count * per].reshape(-1, per).astype(np.float32)), 1)))
    rest = next(each for each in received.mouths if each is not None).astype(np.float32)
    still = [0.0 if each is None else float(np.abs(each.astype(np.float32) - rest).mean()) for each in received.mouths]
    moved = np.array(still[:count])
    lags, late = [], []
    for start in np.linspace(0, max(0, count - 1500), 6).astype(int):
        part = slice(start + 10, start + 1490)
        scores = [float(np.corrcoef(moved[part], np.roll(loud, lag)[part])[0, 1]) for lag in range(-10, 11)]
        lags.append(int(np.argmax(scores)) - 10)
        late.append(_late(sound, said, start * per))
    unpaired = len(sound) - received.frames * per
    return {"mouth_after_sound_frames": lags, "sound_after_sent_samples": late, "samples_beyond_pictures": unpaired}


def _late(sound: np.ndarray, said: np.ndarray, start: int) -> int:
    """Samples by which one second of received sound comes after the same second as it was sent."""
    part = sound[start + 2 * RATE : start + 3 * RATE].astype(np.float32)
    best, place = 0.0, 0
    for shift in range(0, RATE // 2):
        at = (start + 2 * RATE - shift) % len(said)
        sent = np.concatenate([said[at:], said])[:RATE].astype(np.float32)
        alike = float(part @ sent) / max(1.0, float(np.linalg.norm(part) * np.linalg.norm(sent)))
        best, place = (alike, shift) if alike > best else (best, place)
    return place


def main() -> None:
    """Start the server, stream, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--within-s", type=float, default=86_400.0, help="end after so long, however far it came")
    parser.add_argument("--format", choices=("jpeg", "mp4"), default="jpeg")
    parser.add_argument("--renderer", default="hybrid")
    parser.add_argument("--photo", type=Path, default=ROOT / "talkface/cli/demo_photo.jpg")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve_unpaced(given.renderer)
        return
    command = [sys.executable, __file__, "--serve", "--renderer", given.renderer]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        found = asyncio.run(stream(url, given.format, given.minutes, given.within_s, given.photo, server.pid))
    finally:
        server.terminate()
        server.wait()
    print(json.dumps(found, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
