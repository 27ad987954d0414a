"""Two and four processes train every network as one does: the same batch, rows shared out, statistics of all rows."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from talkface.testing.shards import write_loud_mouth_shards
from tests.training.jobs.small import train_all

ROOT = Path(__file__).parents[3]
STEPS = 3
PROGRAM = """
import sys
from pathlib import Path
from types import ModuleType
sys.modules["tests"] = ModuleType("tests")  # these ones, whatever else is installed under this name
sys.modules["tests"].__path__ = [sys.argv[1]]
from tests.training.jobs.small import train_all
train_all(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
"""
NETWORKS = {
    "hybrid": ("renderer", "discriminator"),
    "mouth": ("inpainter",),
    "fewshot": ("embedder", "generator", "discriminator", "video_table"),
    "vgnet": ("generator", "discriminator"),
    "vgnet_batch_norm": ("generator", "discriminator"),
    "spade": ("generator", "discriminator"),
    "headmotion": ("network",),
    "audio2landmark": ("network",),
}


def weights_of(folder: Path, job: str, network: str) -> torch.Tensor:
    """All matrices and filters; what a norm takes out again, such as biases, moves by rounding alone."""
    state = torch.load(folder / job / "state.pt", weights_only=True)["job"][network]
    state.pop("squares", None)  # of W: what its optimiser remembers
    return torch.cat([each.flatten().double() for each in state.values() if each.ndim > 1])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    clips = {f"c{place}": f"p{place % 3}" for place in range(6)}
    write_loud_mouth_shards(folder / "shards", clips, split="train")
    train_all(folder / "short", folder / "shards", STEPS - 1)
    train_all(folder / "one", folder / "shards", STEPS)
    return folder


@pytest.mark.flow
@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_train_what_one_trains(processes: int, alone: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    places = [ROOT / "tests", tmp_path / "several", alone / "shards"]
    program = [str(tmp_path / "program.py"), *map(str, places), str(STEPS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [*launch, "--master-port", str(port), *program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    apart = {}
    for job, networks in NETWORKS.items():
        logs = [(folder / job / "log.csv").read_text().splitlines() for folder in (alone / "one", tmp_path / "several")]
        ours, theirs = ([line.rpartition(",")[0] for line in log] for log in logs)
        assert ours == theirs
        for network in networks:
            places = (alone / "short", alone / "one", tmp_path / "several")
            before, single, several = (weights_of(place, job, network) for place in places)
            apart[f"{job} {network}"] = float((several - single).norm() / (single - before).norm())
    print(f"{processes} processes, distance over what the last step moved:", *apart.items(), sep="\n")
    # Adam moves a weight whose gradient is nearly 0 by its sign: spade's distance is mostly that of a hundredth of them
    assert max(apart.values()) < 0.1, apart
