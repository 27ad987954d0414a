"""Two processes train the hybrid renderer, VG-net and head motion as one does: the same batch, rows shared out."""

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from talkface.config import RunConfig
from talkface.data.samplers.headmotion import HeadBatchConfig
from talkface.models.vgnet import VgnetConfig
from talkface.training.jobs.audio2landmark_config import SpeechDataConfig
from talkface.training.jobs.headmotion import train_headmotion
from talkface.training.jobs.headmotion_config import HeadmotionOptimConfig, HeadmotionTraining
from talkface.training.jobs.hybrid import train_renderer
from talkface.training.jobs.vgnet import train_vgnet
from tests.training.jobs import test_headmotion, test_hybrid, test_vgnet

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
from types import ModuleType
sys.modules["tests"] = ModuleType("tests")  # these ones, whatever else is installed under this name
sys.modules["tests"].__path__ = [sys.argv[3]]
from tests.training.jobs.test_two_processes import train_all
train_all(Path(sys.argv[1]), int(sys.argv[2]))
"""
NETWORKS = {
    "hybrid": ("renderer", "discriminator"),
    "vgnet": ("generator", "discriminator"),
    "headmotion": ("network",),
}


def train_all(folder: Path, steps: int) -> None:
    """Three trainings one after the other, without dropout and noise, whose numbers each process has of its own."""
    run = RunConfig(steps=steps, batch_size=4, device="auto", threads=1, eval_every=9, save_every=1, log_every=1)

    def placed(name: str) -> RunConfig:
        return dataclasses.replace(run, out=str(folder / name))

    hybrid = dataclasses.replace(test_hybrid.tiny(folder / "hybrid", 3), run=placed("hybrid"))
    train_renderer(hybrid, test_hybrid.CLIPS)
    model = VgnetConfig(size=32, reach=1.2, width=8, blocks=1, norm="group", dropout=0.0)
    vgnet = dataclasses.replace(test_vgnet.tiny(folder), model=model, run=placed("vgnet"))
    train_vgnet(vgnet, test_vgnet.CLIPS)
    head = HeadmotionTraining(
        model=dataclasses.replace(test_headmotion.MODEL, dropout=0.0),
        data=SpeechDataConfig(held_out_every=3),
        batch=HeadBatchConfig(blocks=5),
        optim=HeadmotionOptimConfig(rate=5e-3, warm_up=1, past_noise=0.0),
        run=placed("headmotion"),
    )
    train_headmotion(head, test_headmotion.nodders(6))


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
