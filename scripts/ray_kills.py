"""A Ray cluster under `prepare` or `batch`, nodes and head killed -> what was lost, done twice or different."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ray.cluster_utils import Cluster
from scipy.io import wavfile

from talkface.data.prepare.shards import find_shards
from talkface.media.photo import encode_png
from talkface.testing.clips import draw_face, draw_person, write_talking_clip
from talkface.types import SAMPLE_RATE

ROOT = Path(__file__).resolve().parents[1]
POLL_S = 0.5
SAID = 20  # lines on memory of a run
STORE_BYTES = 100 << 20  # of shared memory for each node
# what happens -> share of the rows that are done by then
EVENTS = {"kill": 0.1, "add": 0.3, "head": 0.6}
TINY = ["size=16", "starts=1", "every=25", "min_frames=2", "min_face=16"]  # preprocess.*, for clips of two frames


@dataclass
class Trial:
    """A command on a cluster.

    Attributes:
        words: the command without its place and address.
        place: words before the folder that it writes.
        done: file of that folder that has a line per finished row.
        made: folder -> name and content of what must equal a local run's.
    """

    words: Sequence[str]
    place: Sequence[str]
    done: str
    made: Callable[[Path], dict[str, bytes]]


@dataclass
class Report:
    """Summary printed at the end."""

    rows: int
    local_s: float = 0.0
    ray_s: float = 0.0
    events: dict[str, int] = field(default_factory=dict)
    driver_mb: list[int] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)


def say(began: float, text: str) -> None:
    """A line with the time."""
    print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)  # noqa: T201


def shards(out: Path) -> dict[str, bytes]:
    """Shards of a folder."""
    return {path.name: path.read_bytes() for path in find_shards(out)}


def videos(out: Path) -> dict[str, bytes]:
    """Videos of a folder."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.mp4"))}


def prepare_trial(folder: Path, rows: int) -> Trial:
    """Clips of 2 frames of 96 pixels, of another face each."""
    for number in range(rows):
        place = folder / "corpus" / f"{number // 500:03d}"
        place.mkdir(parents=True, exist_ok=True)
        write_talking_clip(place / f"{number:06d}.mkv", number, 0.08, size=96)
    settings = [word for item in TINY for word in ("--set", f"preprocess.{item}")]
    words = ["prepare", "folder", str(folder / "corpus")]
    return Trial(words, settings, "manifest.jsonl", shards)


def batch_trial(folder: Path, rows: int) -> Trial:
    """Videos of 8 frames of 96 pixels by the smallest renderer: 5 faces, a sound for each row."""
    rng = np.random.default_rng(0)
    for number in range(5):
        picture = draw_face(draw_person(np.random.default_rng(number)), 0.0, size=96)
        (folder / f"{number}.png").write_bytes(encode_png(picture))
    lines = ["photo,speech,out"]
    for number in range(rows):
        sound = rng.normal(0, 0.1, round(0.32 * SAMPLE_RATE)).astype(np.float32)
        wavfile.write(folder / f"{number}.wav", SAMPLE_RATE, sound)
        lines.append(f"{number % 5}.png,{number}.wav,{number:05d}.mp4")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    settings = [word for item in ("renderer=warp", "sign=false") for word in ("--set", item)]
    return Trial(["batch", str(folder / "rows.csv"), *settings], ["--out"], "results.jsonl", videos)


def command(trial: Trial, out: Path, *more: str) -> list[str]:
    """All words."""
    return [sys.executable, "-m", "talkface", *trial.words, *_placed(trial, out), *more]


def _placed(trial: Trial, out: Path) -> list[str]:
    return [*trial.place, str(out)] if trial.place == ["--out"] else [str(out), *trial.place]


def lines_of(path: Path) -> dict[str, str]:
    """Finished rows: name -> line; a last line that is cut short is left out."""
    if not path.is_file():
        return {}
    whole = path.read_text(encoding="utf-8").split("\n")[:-1]
    return {str(json.loads(line).get("key")): line for line in whole}


def resident_mb(process: int) -> int:
    """Memory of a process now, 0 where it has gone."""
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0)


def open_cluster(nodes: int) -> Cluster:
    """A head without cores, and nodes of one core each, all on this machine."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES})
    for _ in range(nodes):
        cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    return cluster


def run_through(trial: Trial, out: Path, nodes: int, report: Report) -> None:
    """Run a command on a cluster whose node and later head are killed, and again on a new cluster to its end."""
    began, todo, before = time.monotonic(), dict(EVENTS), {}
    while not report.exits or report.exits[-1]:
        if len(report.exits) > 3:
            raise SystemExit(f"the command failed {len(report.exits)} times")
        cluster = open_cluster(nodes)
        say(began, f"cluster of {nodes} nodes at {cluster.address}")
        words = command(trial, out, "--ray", cluster.address)
        with (out.parent / "driver.log").open("ab") as log:
            process = subprocess.Popen(words, cwd=out.parent, stdout=log, stderr=log, start_new_session=True)
        said = 0
        try:
            while process.poll() is None:
                time.sleep(POLL_S)
                count, memory = _count(out / trial.done), resident_mb(process.pid)
                if count * SAID >= said * report.rows and memory:
                    say(began, f"{count} rows done, driver {memory} MB")
                    report.driver_mb.append(memory)
                    said = count * SAID // report.rows + 1
                for event in [event for event, share in todo.items() if count >= share * report.rows]:
                    del todo[event]
                    report.events[event] = count
                    say(began, f"{count} rows done: {event}")
                    happen(event, cluster)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            cluster.shutdown()
        report.exits.append(process.wait())
        say(began, f"the command ended with {report.exits[-1]}")
        if report.exits[-1] and not before:
            before = lines_of(out / trial.done)
    report.ray_s = round(time.monotonic() - began, 1)
    after = lines_of(out / trial.done)
    report.found["done again after the head's death"] = sum(after.get(key) != line for key, line in before.items())


def _count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def happen(event: str, cluster: Cluster) -> None:
    """Kill a node or the head without warning, or add a node."""
    nodes = sorted(cluster.worker_nodes, key=lambda node: str(node.unique_id))
    if event == "kill":
        cluster.remove_node(nodes[0], allow_graceful=False)
    elif event == "add":
        cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, wait=False)
    else:
        cluster.remove_node(cluster.head_node, allow_graceful=False)


def compare(trial: Trial, out: Path, local: Path, report: Report) -> None:
    """Count what is missing, twice, refused or different from a local run."""
    lines = [json.loads(line) for line in (out / trial.done).read_text(encoding="utf-8").splitlines()]
    keys = Counter(line["key"] for line in lines)
    report.found["rows"] = len(keys)
    report.found["twice"] = sum(count > 1 for count in keys.values())
    report.found["failed"] = sum(bool(line.get("reason")) for line in lines)
    ours, theirs = trial.made(out), trial.made(local)
    report.found["files"] = len(theirs)
    report.found["different files"] = len(set(ours) ^ set(theirs))
    report.found["different files"] += sum(ours[name] != theirs[name] for name in set(ours) & set(theirs))


def main() -> None:
    """Print a line of JSON; exit code 1 where a row is lost, twice, failed or different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("prepare", "batch"))
    parser.add_argument("--rows", type=int, default=200, help="clips, or videos")
    parser.add_argument("--nodes", type=int, default=4, help="of one core")
    given = parser.parse_args()
    os.environ |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    report = Report(given.rows)
    with tempfile.TemporaryDirectory() as place:
        folder, began = Path(place), time.monotonic()
        trial = (prepare_trial if given.verb == "prepare" else batch_trial)(folder, given.rows)
        say(began, f"{given.rows} rows written")
        local = folder / "local"
        began = time.monotonic()
        subprocess.run([*command(trial, local), "--workers", "2", "--quiet"], check=True)
        report.local_s = round(time.monotonic() - began, 1)
        say(began, "local run done")
        run_through(trial, folder / "ray", given.nodes, report)
        compare(trial, folder / "ray", local, report)
        shutil.rmtree(local)
    print(json.dumps({"command": given.verb, **vars(report)}), flush=True)  # noqa: T201
    found = report.found
    sys.exit(found["rows"] != given.rows or found["twice"] + found["failed"] + found["different files"] > 0)


if __name__ == "__main__":
    main()
