"""A live session over a real socket -> its latencies, what was left out, offset and memory: scripts/measure_live.py."""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import websockets

from talkface import Animator
from talkface.inference.live import Moment
from talkface.media.speech import open_speech
from talkface.renderers.base import Identity, Rendered
from talkface.scale.memory import memory_mb
from talkface.serve.live import HEAD
from talkface.types import FloatArray

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000
PIECE = RATE // 50  # samples sent at a time, 20 ms
MOVED = 6.0  # grey levels of the mouth's 98th percentile from which a frame counts as moved; idle frames have 2 to 4


class Client:
    """Talks in real time, and notes what comes back and when."""

    def __init__(self, photo: Path, speech: FloatArray) -> None:
        self._photo, self._speech = photo.read_bytes(), (speech * 32_767).astype("<i2")
        self.times: list[float] = []
        self.loudness: list[float] = []
        self.mouths: list[FloatArray | None] = []
        self.report: dict[str, float] = {}
        self.sent: list[float] = []  # when an utterance began
        self.interrupted: list[float] = []
        self.box = (0, 0, 0, 0)

    async def run(self, url: str, seconds: float) -> None:
        """Utterances and pauses; every third one is interrupted."""
        async with websockets.connect(url, max_size=1 << 24) as socket:
            hello = {
                "photo": len(self._photo),
                "rate": RATE,
                "consent": True,
                "options": {"still": True, "blink": False},
            }
            await socket.send(json.dumps(hello))
            await socket.send(self._photo)
            ready = json.loads(await socket.recv())
            assert ready["type"] == "ready", ready
            width, height = ready["size"]
            self.box = (round(0.38 * width), round(0.2 * height), round(0.52 * width), round(0.35 * height))
            reading = asyncio.create_task(self._read(socket))
            end, count = time.monotonic() + seconds, 0
            await asyncio.sleep(2)
            while time.monotonic() < end:
                count += 1
                await self._say(socket, interrupt=count % 3 == 0)
                await asyncio.sleep(2.0)
            reading.cancel()

    async def _say(self, socket: websockets.ClientConnection, *, interrupt: bool) -> None:
        began = time.monotonic()
        self.sent.append(began)
        last = len(self._speech) // 2 if interrupt else len(self._speech)
        for at in range(0, last, PIECE):
            await asyncio.sleep(max(0.0, began + (at + PIECE) / RATE - time.monotonic()))
            await socket.send(self._speech[at : at + PIECE].tobytes())
        await socket.send(json.dumps({"type": "interrupt" if interrupt else "flush"}))
        if interrupt:
            self.interrupted.append(time.monotonic())

    async def _read(self, socket: websockets.ClientConnection) -> None:
        left, top, right, bottom = self.box
        async for message in socket:
            if isinstance(message, str):
                said = json.loads(message)
                self.report = said if said["type"] == "report" else self.report
                continue
            _, sound, picture, _ = HEAD.unpack_from(message)
            pcm = np.frombuffer(message[HEAD.size : HEAD.size + sound], "<i2").astype(np.float32)
            self.times.append(time.monotonic())
            self.loudness.append(float(np.sqrt(np.mean(np.square(pcm)))))
            image = None
            if picture:
                coded = np.frombuffer(message[HEAD.size + sound :], np.uint8)
                image = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)[top:bottom, left:right].astype(np.float32)
            self.mouths.append(image)


def summarise(client: Client, seconds: float) -> dict[str, object]:
    """Numbers of a run."""
    rest = next(mouth for mouth in client.mouths if mouth is not None)
    moved = np.array([0.0 if each is None else np.percentile(np.abs(each - rest), 98) for each in client.mouths])
    times, loud = np.array(client.times), np.array(client.loudness)
    first, heard, stop = [], [], []
    for began in client.sent:
        after = np.flatnonzero((times > began) & (times < began + 3))
        first += [float(times[index] - began) for index in after[moved[after] > MOVED][:1]]
        heard += [float(times[index] - began) for index in after[loud[after] > 30][:1]]
    for cut in client.interrupted:
        after = np.flatnonzero((times > cut) & (times < cut + 1.5))
        still = np.flatnonzero(loud[after] > 30)
        stop.append(float(times[after[still[-1]]] - cut) if len(still) else 0.0)
    part = min(len(times) // 3, 25 * 60)
    return {
        "seconds": round(seconds),
        "frames": len(times),
        "frames_per_s": round((len(times) - 1) / float(times[-1] - times[0]), 3),
        "report": client.report,
        "speech_to_moved_frame_s": _spread(first),
        "speech_to_sound_s": _spread(heard),
        "interruption_to_silence_s": _spread(stop),
        "lag_frames_start_end": [_lag(moved[:part], loud[:part]), _lag(moved[-part:], loud[-part:])],
    }


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    low, middle, high = np.percentile(values, [0, 50, 95])
    return {"count": len(values), "least": round(low, 3), "median": round(middle, 3), "p95": round(high, 3)}


def _lag(moved: FloatArray, loud: FloatArray) -> int:
    """Frames by which the mouth follows the sound, by correlation."""
    level = np.log10(1 + loud)
    scores = {lag: float(np.corrcoef(moved[12:-12], np.roll(level, lag)[12:-12])[0, 1]) for lag in range(-8, 9)}
    return max(scores, key=scores.__getitem__)


class Points:
    """A renderer whose picture is the mouth's opening in pixels, to measure without waiting for a machine."""

    name = "points"

    def enroll(self, shots: object) -> Identity:
        """Nobody in particular."""
        return Identity(())

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """The gap of the inner lips."""
        for points in landmarks:
            gap = np.float32(points[66, 1] - points[62, 1])
            yield Rendered(np.frombuffer(gap.tobytes(), np.uint8).reshape(1, 4, 1), points)


def on_the_stream(animator: Animator, photo: Path, speech: FloatArray) -> dict[str, object]:
    """Latencies counted in frames of the stream, 40 ms each, which no other program on the machine changes."""
    quick = Animator(Points(), lambda: animator.speech_network, animator.detector, lambda: animator.head_network)
    subject = quick.prepare(photo)
    first, stop = [], []
    for start in range(6):
        session = quick.live(subject)
        gaps = [_gap(session.step()) for _ in range(10 + start)]
        index = 0
        while len(gaps) < 60:
            session.push(speech[640 * index : 640 * (index + 1)])
            gaps.append(_gap(session.step()))
            index += 1
        silent = int(np.argmax(np.abs(speech) > 0.02)) / RATE
        moved = np.flatnonzero(np.array(gaps[10 + start :]) > gaps[9] + 1.0)[0] + 1
        first.append(float(moved / 25 - silent))
        while _gap(session.step()) < gaps[9] + 3 and index < 200:
            session.push(speech[640 * index : 640 * (index + 1)])
            index += 1
        session.interrupt()
        after = np.array([_gap(session.step()) for _ in range(12)])
        stop.append(float((np.flatnonzero(after > gaps[9] + 1.0)[-1:] + 2).sum() or 1) / 25)
    return {"speech_to_moved_frame_s": _spread(first), "interruption_to_closed_mouth_s": _spread(stop)}


def _gap(moment: Moment) -> float:
    return float(np.frombuffer(moment.image.tobytes(), np.float32)[0])


def processor_ms(animator: Animator, photo: Path, speech: FloatArray) -> dict[str, float]:
    """Milliseconds of processor time that a frame takes, all threads together."""
    session = animator.live(photo)
    session.step()
    found = {}
    for name in ("idle", "speaking"):
        if name == "speaking":
            session.push(np.tile(speech, 3))
        for _ in range(8):
            session.step()
        began = time.process_time()
        for _ in range(50):
            session.step()
        found[name] = round((time.process_time() - began) / 50 * 1000, 1)
    return found


def main() -> None:
    """Measure here, start a server, talk to it, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--renderer", default="hybrid")
    parser.add_argument("--photo", type=Path, default=ROOT / "talkface/cli/demo_photo.jpg")
    given = parser.parse_args()
    speech = open_speech(ROOT / "demo/speech/english.flac").waveform().samples
    speech = speech[np.argmax(np.abs(speech) > 0.02) :]
    torch.set_num_threads(1)
    animator = Animator.from_pretrained(given.renderer, "cpu")
    here = {"processor_ms_per_frame": processor_ms(animator, given.photo, speech)}
    here |= {"on_the_stream": on_the_stream(animator, given.photo, speech)}
    print(json.dumps(here, indent=1), flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "talkface", "serve", "--port", "0", "--folder", folder]
        server = subprocess.Popen([*command, "--renderer", given.renderer], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert server.stdout is not None
            url = re.search(r"http(://\S+)", server.stdout.readline())[1]  # type: ignore[index]
            client = Client(given.photo, speech)

            async def run() -> list[float]:
                talking = asyncio.create_task(client.run(f"ws{url}/v1/live", given.seconds))
                await asyncio.sleep(min(20.0, given.seconds / 2))
                memory = [memory_mb(server.pid)["VmRSS"]]
                await talking
                return [*memory, memory_mb(server.pid)["VmRSS"]]

            memory = asyncio.run(run())
        finally:
            server.terminate()
            server.wait()
    found = summarise(client, given.seconds)
    load = round(os.getloadavg()[1], 1)
    print(json.dumps({**found, "memory_mb_start_end": [round(each) for each in memory], "load": load}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
