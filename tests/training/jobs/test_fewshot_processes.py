"""Two processes meta-train what one does that takes both batches in turn."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from tests.training.jobs.small import FEWSHOT, small_fewshot

PROGRAM = """
import sys
from dataclasses import dataclass
import numpy as np
from talkface.config import load_config
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.training.jobs.fewshot import train_fewshot
from talkface.training.jobs.fewshot_config import FewshotTraining

@dataclass
class Clip:
    speaker: str
    landmarks: np.ndarray

    def image(self, index):
        return np.random.default_rng([ord(self.speaker), index]).integers(0, 255, (64, 64, 3)).astype(np.uint8)

POINTS = np.repeat(MEAN_FACE[None] * 20 + 32, 5, 0).astype(np.float32)
train_fewshot(load_config(FewshotTraining, sys.argv[1]), [Clip(name, POINTS) for name in "abcdef"])
"""


@pytest.mark.flow
def test_two_processes_are_one_that_accumulates(tmp_path: Path) -> None:
    plain = small_fewshot(tmp_path / "one", 2)
    plain = replace(plain, model=replace(FEWSHOT, spectral=False))  # whose vectors move with every pass
    two = replace(plain, run=replace(plain.run, out=str(tmp_path / "two"), threads=1))
    (tmp_path / "program.py").write_text(PROGRAM)
    for name, config in (("one", replace(plain, optim=replace(plain.optim, accumulate=2))), ("two", two)):
        OmegaConf.save(OmegaConf.structured(config), tmp_path / f"{name}.yaml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    for name, start in (("one", [sys.executable]), ("two", launch)):
        program = [str(tmp_path / "program.py"), str(tmp_path / f"{name}.yaml")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([*start, *program], capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 0, done.stderr[-4000:]
    one, shared = (torch.load(tmp_path / name / "state.pt", weights_only=True)["job"] for name in ("one", "two"))
    for part in ("embedder", "generator", "discriminator", "video_table"):
        assert one[part].keys() == shared[part].keys()
        for name, tensor in one[part].items():
            torch.testing.assert_close(shared[part][name], tensor, rtol=1e-3, atol=1e-4, msg=f"{part}.{name}")
    assert torch.equal(one["video_table"]["steps"], shared["video_table"]["steps"])
    assert (one["video_table"]["steps"] > 0).any()
