"""A server with the cheapest networks, a drawn face and a hum, shared by the tests of one process."""

import io
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

import talkface
from talkface.serve.app import create_app
from talkface.serve.options import ServeOptions
from talkface.serve.server import Server, open_server
from talkface.testing.clips import draw_face, draw_person, mouth_motion, speech_of


@pytest.fixture(scope="session")
def animator() -> talkface.Animator:
    return talkface.Animator.from_pretrained("warp", "cpu")


@pytest.fixture(scope="session")
def photo() -> bytes:
    """PNG of a face that dlib finds, 160x160."""
    return photo_bytes()


def photo_bytes() -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(draw_face(draw_person(np.random.default_rng(1)), 0.0)).save(file, "PNG")
    return file.getvalue()


def wav_of(samples: np.ndarray, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture(scope="session")
def to_wav() -> Callable[[np.ndarray], bytes]:
    return wav_of


@pytest.fixture(scope="session")
def speech() -> bytes:
    """One second of a buzz that has syllables."""
    return speech_bytes()


def speech_bytes() -> bytes:
    rng = np.random.default_rng(2)
    return wav_of(speech_of(mouth_motion(rng, 25), draw_person(rng), rng))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, animator: talkface.Animator) -> Server:
    options = ServeOptions(folder=tmp_path_factory.mktemp("serve"), max_upload_mb=2, max_speech_s=20, max_megapixels=1)
    return open_server(options, animator)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(create_app(server), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., dict[str, Any]]:
    """Polls a job until it has ended."""

    def wait(client: Any, job_id: str, within_s: float = 60.0) -> dict[str, Any]:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"the job has not ended: {job}")

    return wait


@pytest.fixture
def video_file(tmp_path: Path) -> Path:
    return tmp_path / "video.mp4"
