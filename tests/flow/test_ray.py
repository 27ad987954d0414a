"""A Ray cluster of several machines does the same work as this one, also when it loses a machine."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.__main__ import run
from talkface.inference.batch.rows import Row, make_rows
from talkface.inference.batch.run import batch
from talkface.scale.cluster import open_workers
from talkface.scale.workers import Died
from talkface.testing.clips import write_talking_clip

soundfile = pytest.importorskip("soundfile")

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.flow,
    pytest.mark.skipif(sys.platform == "win32", reason="Ray clusters of several nodes need Linux or macOS"),
]


class Here:
    """Works in this process."""

    same_disk = True

    def run(self, next_task, function, on_wait=None, limit_s=None):
        while (task := next_task()) is not None:
            yield task, function(task)


@pytest.fixture(scope="module")
def cluster():
    """A head without cores, so that no task runs where the cluster's memory is."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    ray.init(cluster.address, logging_level="ERROR", log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def rows(astronaut, untrained, tmp_path) -> list[Row]:
    """Six rows of 0.3 s, one of them bad."""
    Pillow.fromarray(astronaut[:260, 100:360]).save(tmp_path / "ada.png")
    rng = np.random.default_rng(0)
    for number in range(5):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * rng.standard_normal(4800).astype(np.float32), 16_000)
    given = [{"photo": "ada.png", "speech": f"{number}.wav"} for number in range(6)]
    return make_rows(given, tmp_path, {"renderer": "warp", "speech_model": str(untrained), "sign": False})


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not so after {seconds:g} s"
        time.sleep(0.5)


def videos(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.mp4")}


def test_batch_loses_a_machine_and_no_row(cluster, rows, tmp_path):
    lost, kept = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    first = threading.Event()

    def lose() -> None:
        first.wait(300)
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=lose)
    thread.start()
    with open_workers("auto") as workers:
        outcomes = batch(
            rows, tmp_path / "cluster", workers=workers, progress=lambda now: first.set() if now.finished else None
        )
    first.set()
    thread.join()
    assert [outcome.failed for outcome in outcomes] == [False] * 5 + [True] and "5.wav" in outcomes[5].reason
    # The head hears of a dead machine by its missed beats, some seconds after it went.
    wait_until(lambda: len([node for node in ray.nodes() if node["Alive"]]) == 2, 120)
    batch(rows, tmp_path / "here", workers=Here())
    assert videos(tmp_path / "cluster") == videos(tmp_path / "here") and len(videos(tmp_path / "here")) == 5
    cluster.remove_node(kept)


def test_prepare_on_a_cluster_gives_the_same_shards(cluster, tmp_path):
    """Its workers send what they made; the same command on another machine finds all done."""
    for number in range(3):
        (tmp_path / "in" / str(number)).mkdir(parents=True)
        write_talking_clip(tmp_path / "in" / str(number) / "clip.mkv", number, 1.2)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    words = ["prepare", "folder", str(tmp_path / "in")]
    settings = ["--set", "preprocess.size=64", "--sync", "keep", "--quiet"]
    url = f"file://{tmp_path}/bucket/shards"
    on_cluster = [*words, url, *settings, "--ray", "auto"]
    assert run([*on_cluster, "--stage", str(tmp_path / "stage")]) == 0
    assert run([*words, str(tmp_path / "here"), *settings, "--workers", "1"]) == 0
    for path in sorted((tmp_path / "here").glob("shard-*")):
        assert (tmp_path / "bucket" / "shards" / path.name).read_bytes() == path.read_bytes(), path.name
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "bucket" / "shards").glob("shard-*.tar")}
    assert before and run([*on_cluster, "--stage", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere" / "manifest.jsonl").read_bytes() == (
        tmp_path / "stage" / "manifest.jsonl"
    ).read_bytes()
    for node in nodes:
        cluster.remove_node(node)


def test_a_task_that_takes_too_long_is_ended(cluster):
    cluster.add_node(num_cpus=1)
    waits = iter([0.0, 60.0, 0.01])
    with open_workers("auto") as workers:
        found = dict(
            workers.run(lambda: next(waits, None), time.sleep, limit_s=lambda seconds: 0.5 if seconds else 0.0)
        )
    assert found == {0.0: None, 60.0: Died(0.5), 0.01: None}
