"""A real server process: it says where it is, survives kill -9 with its jobs, and shares its folder with no other."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from talkface.serve.store import Job, Store


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    command = [sys.executable, "-m", "talkface", "serve", "--port", "0", "--folder", str(folder), "--renderer", "warp"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, process.stderr.read()
        with httpx.Client(base_url=found[0], timeout=60) as client:
            yield process, client
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_kill_9_loses_no_job(
    tmp_path: Path, photo: bytes, to_wav: Any, wait_for: Callable[..., dict[str, Any]]
) -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000 * 6).astype(np.float32)
    with running(tmp_path) as (process, client):
        jobs = []
        for _ in range(2):
            files = {"photo": photo, "speech": to_wav(noise)}
            jobs.append(client.post("/v1/videos", files=files, data={"consent": "true"}).json()["id"])
        until = time.monotonic() + 60
        while not client.get(f"/v1/jobs/{jobs[0]}").json()["progress"]["frames"] and time.monotonic() < until:
            time.sleep(0.02)
        second = subprocess.run(
            [sys.executable, "-m", "talkface", "serve", "--port", "0", "--folder", str(tmp_path), "--renderer", "warp"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 1 and second.stderr.startswith("error: another server uses")
        process.kill()
    with running(tmp_path) as (_, client):
        done = [wait_for(client, job, 90) for job in jobs]
        assert [job["state"] for job in done] == ["done", "done"]
        assert all(job["progress"] == {"frames": 150, "total": 150} for job in done)
        assert client.get(done[0]["video"]).content[4:8] == b"ftyp"
    assert sorted(path.name for path in (tmp_path / "jobs" / jobs[0]).iterdir()) == [
        "photo.png",
        "speech.wav",
        "video.mp4",
    ]


def test_a_job_that_ends_the_server_again_and_again_is_given_up(tmp_path: Path) -> None:
    for tries in range(3):
        store = Store(tmp_path / "jobs.sqlite")
        if not tries:
            store.add(Job("a"))
            store.add(Job("b"))
        found = store.take()
        assert found is not None and (found.id, found.state, found.tries) == ("a", "running", tries + 1)
        store.close()  # as a kill does
    store = Store(tmp_path / "jobs.sqlite")
    assert (
        store.counts() == {"queued": 2} and store.position("b") == 1 and [job.id for job in store.jobs()] == ["b", "a"]
    )
    store.close()


def test_a_damaged_job_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(Exception, match="is damaged"):
        Store(tmp_path / "jobs.sqlite")
