"""Two processes train the hybrid renderer, VG-net and head motion as one does: the same batch, rows shared out."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.jobs.small import train_all

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
from types import ModuleType
sys.modules["tests"] = ModuleType("tests")  # these ones, whatever else is installed under this name
sys.modules["tests"].__path__ = [sys.argv[3]]
from tests.training.jobs.small import train_all
train_all(Path(sys.argv[1]), int(sys.argv[2]))
"""
NETWORKS = {
    "hybrid": ("renderer", "discriminator"),
    "vgnet": ("generator", "discriminator"),
    "headmotion": ("network",),
}


def weights_of(folder: Path, job: str, network: str) -> torch.Tensor:
    """All matrices and filters; what a norm takes out again, such as biases, moves by rounding alone."""
    state = torch.load(folder / job / "state.pt", weights_only=True)["job"][network]
    return torch.cat([each.flatten().double() for each in state.values() if each.ndim > 1])


@pytest.mark.flow
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    train_all(tmp_path / "short", 2)
    train_all(tmp_path / "one", 3)
    (tmp_path / "program.py").write_text(PROGRAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    program = [str(tmp_path / "program.py"), str(tmp_path / "two"), "3", str(ROOT / "tests")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*launch, *program], capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    for job, networks in NETWORKS.items():
        for network in networks:
            before, one, two = (weights_of(tmp_path / name, job, network) for name in ("short", "one", "two"))
            apart = float((two - one).norm() / (one - before).norm())
            assert apart < 0.05, f"{job} {network}: {apart:.3f} of the last step apart"
        ours, theirs = ((tmp_path / name / job / "log.csv").read_text().splitlines() for name in ("one", "two"))
        assert [line.rpartition(",")[0] for line in ours] == [line.rpartition(",")[0] for line in theirs]
