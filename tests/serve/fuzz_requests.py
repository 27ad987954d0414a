"""Damaged requests by the thousand for a server in this process: fuzz_requests.py --count 10000 --seed 1 --jobs 50."""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
from fuzz_mutate import mutate

BOUNDARY = "b0undary"
PATHS = ("/v1/videos", "/v1/photos", "/v1/identities", "/v1/live/offer", "/v1/verify")
CAPTIONS = b"1\n00:00:00,000 --> 00:00:01,500\nhello there\n"
HELLO = '{"consent": true, "photo": 9, "rate": 16000, "format": "jpeg", "options": {"fps": "25", "still": true}}'


def multipart(parts: dict[str, tuple[str, bytes]]) -> bytes:
    """A request's body from name -> file name (or "") and content."""
    out = b""
    for name, (file, content) in parts.items():
        called = f'; filename="{file}"' if file else ""
        out += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{called}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return out + f"--{BOUNDARY}--\r\n".encode()


def damaged_request(client: Any, photo: bytes, speech: bytes, rng: random.Random) -> str:
    """Send one damaged request, and assert that the answer is one of ours; returns what it was."""
    kind = rng.choice(("body", "photo", "speech", "file", "captions", "options", "path", "header", "socket"))
    parts = {
        "photo": ("p.png", photo if kind in ("photo", "speech", "captions") else b"no picture"),
        "speech": ("s.wav", speech),
        "options": ("", b'{"still": true, "fps": "20", "seed": 3}'),
        "captions": ("c.srt", CAPTIONS),
        "file": ("f.mp4", photo),
        "consent": ("", b"true"),
        "sdp": ("", b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"),
    }
    if kind == "socket":
        return _damaged_socket(client, rng)
    if kind in parts:
        name, content = parts[kind]
        parts[kind] = name, mutate(content, {"options": "json", "captions": "text"}.get(kind, "bytes"), rng)
    body = multipart(parts)
    path, headers = rng.choice(PATHS), {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    if kind == "body":
        body = mutate(body, rng.choice(("bytes", "text")), rng)
    if kind == "header":
        text = mutate(headers["content-type"].encode(), "text", rng)
        headers["content-type"] = "".join(chr(c) for c in text if 32 <= c < 127)[:300]
    if kind == "path":
        word = mutate(b"jobs/abc/video", "text", rng).decode("latin-1")
        path = "/v1/" + "".join(letter for letter in word if letter.isprintable())[:200]
        answer = client.request(rng.choice(("GET", "DELETE", "POST", "PUT", "PATCH")), path)
    else:
        answer = client.post(path, content=body, headers=headers)
    assert answer.status_code != 500, (kind, path, answer.text)
    if answer.status_code >= 400:
        said = answer.json()["error"]
        assert said["code"] and said["message"] and "\n" not in said["message"], said
    elif answer.status_code == 202:
        client.delete(f"/v1/jobs/{answer.json()['id']}")
    elif answer.status_code == 201:
        client.delete(f"/v1/identities/{answer.json()['id']}")
    return f"{kind} {answer.status_code}"


def _damaged_socket(client: Any, rng: random.Random) -> str:
    text = mutate(HELLO.encode(), "json", rng).decode("utf-8", "replace").replace("\x00", "")
    with client.websocket_connect("/v1/live") as socket:
        socket.send_text(text)
        socket.send_bytes(rng.randbytes(rng.randint(0, 64)))
        said = socket.receive_json()
        assert said["type"] == "error" and said["code"] != "fault", said
    return f"socket {said['code']}"


def load(client: Any, photo: bytes, speech: bytes, jobs: int, clients: int = 4) -> float:
    """Ask for videos from several threads, wait for all of them; returns seconds."""
    began, found, todo = time.monotonic(), [], list(range(jobs))

    def ask() -> None:
        while todo:
            todo.pop()
            body = multipart({"photo": ("p", photo), "speech": ("s", speech), "consent": ("", b"true")})
            headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
            answer = client.post("/v1/videos", content=body, headers=headers)
            assert answer.status_code == 202, answer.text
            found.append(answer.json()["id"])

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == jobs
    for job in found:
        while (state := client.get(f"/v1/jobs/{job}").json()["state"]) in ("queued", "running"):
            time.sleep(0.05)
        assert state == "done", state
    return time.monotonic() - began


def main() -> None:
    """Fuzz, then load, and print what came back."""
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import photo_bytes, speech_bytes  # type: ignore[import-not-found]

    import talkface
    from talkface.serve.app import create_app
    from talkface.serve.options import ServeOptions
    from talkface.serve.server import open_server

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    parser.add_argument("--jobs", type=int, default=50)
    given = parser.parse_args()
    photo, speech = photo_bytes(), speech_bytes()
    with tempfile.TemporaryDirectory() as folder:
        server = open_server(
            ServeOptions(folder=Path(folder), max_upload_mb=2), talkface.Animator.from_pretrained("warp")
        )
        with TestClient(create_app(server), raise_server_exceptions=False) as client:
            rng, began = random.Random(given.seed), time.monotonic()
            outcomes: Counter[str] = Counter()
            with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C shows what came so far
                while outcomes.total() < given.count:
                    outcomes[damaged_request(client, photo, speech, rng)] += 1
            took = time.monotonic() - began
            assert client.get("/healthz").json()["status"] == "ok"
            print(
                json.dumps(
                    {"requests": outcomes.total(), "seconds": round(took), **dict(outcomes.most_common())}, indent=1
                )
            )
            print(f"{given.jobs} jobs by 4 clients: all done in {load(client, photo, speech, given.jobs):.1f} s")


if __name__ == "__main__":
    main()
