"""Faults of clients, disks and the system under a server: it lives, and says what happened."""

import importlib.util
import io
import multiprocessing
import random
import shutil
import struct
import threading
import time
import zlib
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from talkface.errors import PassingError
from talkface.serve.server import Server
from talkface.serve.uploads import Reader, Task

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_requests", Path(__file__).with_name("fuzz_requests.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(client: TestClient, photo: bytes, speech: bytes) -> Any:
    return client.post("/v1/videos", files={"photo": photo, "speech": speech}, data={"consent": "true"})


def test_damaged_requests_get_an_answer_of_ours(client: TestClient, photo: bytes, speech: bytes, fuzz: Any) -> None:
    rng = random.Random(1)
    outcomes = {fuzz.damaged_request(client, photo, speech, rng) for _ in range(200)}
    assert len(outcomes) > 12 and client.get("/healthz").status_code == 200
    left = {path.name for path in (client.app.state.server.options.place / "jobs").iterdir()}
    assert not [name for name in left if name.startswith("tmp-")]


def test_jobs_of_several_clients_are_all_done(client: TestClient, photo: bytes, speech: bytes, fuzz: Any) -> None:
    assert fuzz.load(client, photo, speech, jobs=8) > 0


def test_a_killed_reader_is_replaced(client: TestClient, photo: bytes, server: Server) -> None:
    assert client.post("/v1/photos", files={"photo": photo}).status_code == 200
    (worker,) = multiprocessing.active_children()
    worker.kill()
    assert client.post("/v1/photos", files={"photo": photo}).status_code == 200

    def kill_all(until: float) -> None:
        while time.monotonic() < until and not answered:
            for child in multiprocessing.active_children():
                child.kill()
            time.sleep(0.01)

    answered: list[int] = []
    killer = threading.Thread(target=kill_all, args=(time.monotonic() + 30,))
    killer.start()
    answer = client.post("/v1/photos", files={"photo": photo})
    answered.append(answer.status_code)
    killer.join()
    assert answer.status_code == 507 and "try again" in answer.json()["error"]["message"]
    assert client.post("/v1/photos", files={"photo": photo}).status_code == 200


def test_a_full_disk_is_said_and_passes(
    client: TestClient, photo: bytes, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 30, 1 << 30, 0))
    full = ask(client, photo, speech)
    assert full.status_code == 507 and full.json()["error"]["code"] == "try_again"
    monkeypatch.undo()
    again = ask(client, photo, speech)
    assert again.status_code == 202, again.text


def test_a_job_waits_while_the_disk_is_full(
    client: TestClient, photo: bytes, speech: bytes, monkeypatch: pytest.MonkeyPatch, wait_for: Any, server: Server
) -> None:
    """A job that is asked for while there is room, and begun when there is none, waits and is made."""
    animate, asked, full = server.studio.animator.animate, threading.Event(), threading.Event()
    ids: list[str] = []

    def fills_the_disk(person: Path, *words: Any) -> Any:
        asked.wait(60)
        if ids[0] in person.parts:  # not a job that another test left
            full.set()
        return animate(person, *words)

    monkeypatch.setattr(server.studio.animator, "animate", fills_the_disk, raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 0, 0 if full.is_set() else 1 << 40))
    ids += [ask(client, photo, speech).json()["id"] for _ in range(2)]
    asked.set()
    assert wait_for(client, ids[0])["state"] == "done"
    time.sleep(0.3)
    assert client.get(f"/v1/jobs/{ids[1]}").json()["state"] == "queued"
    monkeypatch.undo()
    server.studio.wake()
    assert wait_for(client, ids[1])["state"] == "done"


def test_a_job_that_meets_a_full_disk_is_begun_again(
    client: TestClient, photo: bytes, speech: bytes, monkeypatch: pytest.MonkeyPatch, wait_for: Any, server: Server
) -> None:
    animate, times = server.studio.animator.animate, []

    def fails_once(*words: Any) -> Any:
        times.append(words)
        if len(times) == 1:
            raise PassingError("no space left")
        return animate(*words)

    monkeypatch.setattr(server.studio.animator, "animate", fails_once, raising=False)
    assert wait_for(client, ask(client, photo, speech).json()["id"])["state"] == "done" and len(times) == 2

    def fails(*_: Any) -> Any:
        raise PassingError("no space left")

    monkeypatch.setattr(server.studio.animator, "animate", fails, raising=False)
    ended = wait_for(client, ask(client, photo, speech).json()["id"])
    assert ended["state"] == "failed" and ended["error"] == {"code": "try_again", "message": "no space left"}


def test_a_full_queue_is_said(client: TestClient, photo: bytes, speech: bytes, server: Server) -> None:
    object.__setattr__(server.options, "max_jobs", 0)
    answer = ask(client, photo, speech)
    object.__setattr__(server.options, "max_jobs", 100)
    assert (
        answer.status_code == 429 and answer.headers["retry-after"] and answer.json()["error"]["code"] == "queue_full"
    )


def test_what_is_finished_expires(
    client: TestClient, photo: bytes, speech: bytes, server: Server, wait_for: Any
) -> None:
    job = ask(client, photo, speech).json()["id"]
    assert wait_for(client, job)["state"] == "done"
    server.store.update(job, finished=time.time() - 25 * 3600)
    server.studio._sweep()
    assert client.get(f"/v1/jobs/{job}").status_code == 404 and not server.studio.job_folder(job).exists()


def test_reading_stops_at_its_time_and_memory(client: TestClient, photo: bytes, server: Server) -> None:
    decode_s = server.options.decode_s
    object.__setattr__(server.options, "decode_s", 0.001)
    late = client.post("/v1/photos", files={"photo": photo})
    object.__setattr__(server.options, "decode_s", decode_s)
    assert late.status_code == 422 and "took more than" in late.json()["error"]["message"]
    assert client.post("/v1/photos", files={"photo": photo}).status_code == 200


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One that may take 300 MB beside its libraries and what they may map at a time."""
    reader = Reader(memory_mb=300)
    yield reader
    reader.close()


def black(side: int) -> bytes:
    """A square PNG of one colour, the smaller the more it unpacks to."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def test_a_picture_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, reader: Reader) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "photo.upload").write_bytes(bomb)
    found = reader.read(Task(tmp_path, "photo", "photo.upload", 1e6, 60, 60)).result(60)
    assert found.error is not None and "pixels" in found.error[1] and str(tmp_path) not in found.error[1]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux only")
def test_a_reader_may_take_as_much_for_the_last_upload_as_for_the_first(
    tmp_path: Path, reader: Reader, photo: bytes
) -> None:
    large = black(12_000)
    for content in (photo, large, photo, large):
        (tmp_path / "photo.upload").write_bytes(content)
        found = reader.read(Task(tmp_path, "photo", "photo.upload", 1e9, 60, 60)).result(60)
        assert found.error is None if content is photo else found.error is not None and "memory" in found.error[1]
