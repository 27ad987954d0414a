"""A batch and live sessions for an hour or more -> a curve of their memory, threads and open files: scripts/soak.py."""

import argparse
import asyncio
import csv
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import websockets

from talkface.errors import MediaError
from talkface.files.table import write_table
from talkface.media.speech import open_speech
from talkface.scale.memory import memory_mb
from talkface.serve.live import HEAD

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = [*sorted((ROOT / "demo/portraits").glob("*.jpg")), ROOT / "talkface/cli/demo_photo.jpg"]
SPEECH = sorted((ROOT / "demo/speech").glob("*.flac"))
RATE = 16_000
PIECE_S = 0.04  # of speech sent at a time
SESSION_S = 60.0
SAMPLE_EVERY_S = 10.0
PARTS = 5  # of the run, whose memory is compared
GROWTH = 1.1  # from the second part to the last: more is a leak
ROWS = 20_000  # more than an hour's work


def family(process: int) -> list[int]:
    """A process and all below it that still run."""
    found = [process]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:  # ended in the meantime
                continue
    return found


def usage(process: int) -> tuple[float, int, int, int]:
    """Resident MB, threads, open files and processes of a process and all below it."""
    memory, threads, files, processes = 0.0, 0, 0, 0
    for each in family(process):
        try:
            resident, running = memory_mb(each)["VmRSS"], len(list(Path(f"/proc/{each}/task").iterdir()))
            files += len(list(Path(f"/proc/{each}/fd").iterdir()))
        except (OSError, KeyError):  # ended in the meantime
            continue
        memory += resident
        threads += running
        processes += 1
    return memory, threads, files, processes


async def talk(url: str, seconds: float, counts: dict[str, int]) -> None:
    """Live sessions one after the other, each with another face and voice, in real time."""
    end = time.monotonic() + seconds
    for photo, speech in itertools.cycle(itertools.product(PHOTOS, SPEECH)):
        if time.monotonic() >= end:
            return
        samples = open_speech(speech).waveform().samples
        try:
            await _session(url, photo.read_bytes(), samples, min(end, time.monotonic() + SESSION_S), counts)
            counts["sessions"] += 1
        except (OSError, websockets.WebSocketException, MediaError) as error:
            counts["sessions that failed"] += 1
            print(f"session failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
            await asyncio.sleep(5)


async def _session(url: str, photo: bytes, speech: np.ndarray, end: float, counts: dict[str, int]) -> None:
    async with websockets.connect(url, max_size=1 << 24, open_timeout=120, ping_timeout=None) as socket:
        await socket.send(json.dumps({"photo": len(photo), "rate": RATE, "consent": True}))
        await socket.send(photo)
        ready = json.loads(await asyncio.wait_for(socket.recv(), 120))
        if ready["type"] != "ready":
            raise MediaError(ready)
        reading = asyncio.create_task(_read(socket, counts))
        piece = round(PIECE_S * RATE)
        began, sent = time.monotonic(), 0
        while time.monotonic() < end and not reading.done():
            at = sent * piece % len(speech)
            await socket.send((speech[at : at + piece] * 32_767).astype("<i2").tobytes())
            sent += 1
            if at + piece >= len(speech):
                await socket.send(json.dumps({"type": "flush"}))
            await asyncio.sleep(max(0.0, began + sent * PIECE_S - time.monotonic()))
        reading.cancel()


async def _read(socket: websockets.ClientConnection, counts: dict[str, int]) -> None:
    async for message in socket:
        if not isinstance(message, str):
            counts["live frames"] += 1
            counts["live pictures"] += HEAD.unpack_from(message)[2] > 0


def write_rows(folder: Path, rows: int) -> Path:
    """A manifest of as many rows, no two alike."""
    pairs = itertools.islice(itertools.cycle(itertools.product(PHOTOS, SPEECH)), rows)
    lines = [[photo, speech, f"{number}.mp4", number] for number, (photo, speech) in enumerate(pairs)]
    write_table(folder / "rows.csv", ["photo", "speech", "out", "seed"], lines)
    return folder / "rows.csv"


async def soak(folder: Path, minutes: float, curve: Path, batch_options: Sequence[str]) -> dict[str, object]:
    """Run both, and write a line of the curve every 10 s."""
    python = [sys.executable, "-m", "talkface"]
    manifest = write_rows(folder, ROWS)
    with (folder / "batch.log").open("w") as log:
        making = subprocess.Popen(
            [*python, "batch", str(manifest), "--out", str(folder / "videos"), "--workers", "1", *batch_options],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
        server = subprocess.Popen(
            [*python, "serve", "--port", "0", "--folder", str(folder / "jobs")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            url = re.search(r"http(://\S+)", server.stdout.readline())[1]  # type: ignore[index]
            counts: dict[str, int] = defaultdict(int)
            talking = asyncio.create_task(talk(f"ws{url}/v1/live", minutes * 60, counts))
            lines = await _sample({"batch": making.pid, "serve": server.pid}, talking, curve)
            alive = {"batch": making.poll() is None, "serve": server.poll() is None}
        finally:
            making.send_signal(signal.SIGTERM)  # SIGINT is ignored below a shell without a terminal
            server.terminate()
            ended = {"batch": making.wait(60), "serve": server.wait(60)}
    counts["rows"] = len((folder / "videos/results.jsonl").read_text().splitlines())
    counts["rows that failed"] = (folder / "videos/results.jsonl").read_text().count('"failed"')
    return {**summarise(lines), "counts": dict(counts), "alive at the end": alive, "exit codes": ended}


async def _sample(
    processes: dict[str, int], talking: "asyncio.Task[None]", curve: Path
) -> list[tuple[float, str, float]]:
    lines, began = [], time.monotonic()
    with curve.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["seconds", "what", "mb", "threads", "files", "processes", "load"])
        while not talking.done():
            for name, process in processes.items():
                at, found = time.monotonic() - began, usage(process)
                table.writerow([round(at), name, round(found[0]), *found[1:], round(os.getloadavg()[0], 1)])
                lines.append((at, name, found[0]))
            file.flush()
            await asyncio.sleep(SAMPLE_EVERY_S)
    await talking
    return lines


def summarise(lines: Sequence[tuple[float, str, float]]) -> dict[str, object]:
    """Median memory in each fifth of the run and its peak, per process, and whether it grows."""
    whole = max(at for at, _, _ in lines) + 1e-6
    found: dict[str, object] = {"minutes": round(whole / 60, 1)}
    for name in sorted({name for _, name, _ in lines}):
        parts: list[list[float]] = [[] for _ in range(PARTS)]
        for at, what, memory in lines:
            if what == name:
                parts[int(at / whole * PARTS)].append(memory)
        medians = [round(float(np.median(part))) if part else 0 for part in parts]
        peak = round(max(map(max, filter(None, parts))))
        found[name] = {"mb_by_fifths": medians, "peak_mb": peak, "grows": medians[-1] > GROWTH * medians[1]}
    return found


def main() -> None:
    """Soak and print JSON; exit code 1 where memory grew, a row or a session failed, or a process ended early."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--curve", type=Path, default=Path("soak.csv"), help="CSV of the memory curve")
    parser.add_argument("--set", action="append", default=[], help="option of the batch's rows, such as still=true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = [word for each in given.set for word in ("--set", each)]
        found = asyncio.run(soak(Path(folder), given.minutes, given.curve, options))
    print(json.dumps(found, indent=1))  # noqa: T201
    bad = any(isinstance(each, dict) and each.get("grows") for each in found.values())
    counts, alive = found["counts"], found["alive at the end"]
    assert isinstance(counts, dict) and isinstance(alive, dict)
    sys.exit(
        bad or not all(alive.values()) or counts.get("rows that failed", 0) > 0 or "sessions that failed" in counts
    )


if __name__ == "__main__":
    main()
