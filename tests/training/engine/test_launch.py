"""`train --processes`: the weights of one process, one error line, and a signal that reaches all."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from talkface.__main__ import run as talkface
from talkface.errors import ConfigError
from talkface.testing.shards import write_loud_mouth_shards
from talkface.training.engine.launch import launch

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_loud_mouth_shards(folder, {f"c{i}": f"s{i}" for i in range(6)}, frames=40, split="train")
    return folder


def command(shards: Path, out: Path, *more: str) -> list[str]:
    config = str(ROOT / "configs" / "audio2landmark" / "debug.yaml")
    settings = [f"data.shards={shards}", f"run.out={out}", "run.threads=1", "offsets.steps=0", "model.dropout=0"]
    changed = [word for setting in settings for word in ("--set", setting)]
    return ["train", "--quiet", config, *changed, *more]


@pytest.mark.flow
def test_two_processes_give_the_weights_of_one_and_a_signal_ends_both(shards, tmp_path):
    steps = ("--set", "run.steps=4", "--set", "run.eval_every=4")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    for name, extra in (("one", []), ("two", ["--processes", "2"])):
        arguments = command(shards, tmp_path / name, *steps, *extra)
        done = subprocess.run([sys.executable, "-m", "talkface", *arguments], capture_output=True, text=True,
                              env=environment, timeout=300)  # fmt: skip
        assert done.returncode == 0 and done.stdout.count("weights:") == 1, done.stderr
    alone, both = (
        torch.load(tmp_path / name / "state.pt", weights_only=True)["job"]["network"] for name in ("one", "two")
    )
    matrices = [name for name, tensor in alone.items() if tensor.ndim > 1]  # biases before a norm move by rounding
    ours, theirs = (torch.cat([some[name].flatten() for name in matrices]) for some in (alone, both))
    assert (ours - theirs).norm() < 1e-3 * ours.norm()
    for name in ("one", "two"):  # and a run of two processes goes on as one
        assert talkface(command(shards, tmp_path / name, "--set", "run.steps=6", "--set", "run.eval_every=4")) == 0
    alone, both = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("one", "two"))
    assert alone["progress"]["step"] == both["progress"]["step"] == 6
    ours, theirs = (torch.cat([some["job"]["network"][name].flatten() for name in matrices]) for some in (alone, both))
    assert (ours - theirs).norm() < 1e-3 * ours.norm()
    long = ("--set", "run.steps=100000", "--set", "run.save_every=100000")
    arguments = command(shards, tmp_path / "long", *long, "--processes", "2")
    with subprocess.Popen([sys.executable, "-m", "talkface", *arguments], stderr=subprocess.PIPE, text=True,
                          env=environment) as running:  # fmt: skip
        log = tmp_path / "long" / "log.csv"
        for _ in range(2400):
            if log.is_file() and log.read_text().count("\n") > 1:
                break
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=120)
    _, resumed_by = said.split("resume with talkface ")  # once
    assert sorted(shlex.split(resumed_by)) == sorted(arguments)
    saved = "state saved" in said  # unless the step took longer than the 8 s there are on a machine that is busy
    assert running.returncode == (0 if saved else 128 + signal.SIGTERM), said
    assert saved is (tmp_path / "long" / "state.pt").is_file() and (saved or "in the middle of a step" in said)


def test_a_launcher_inside_a_launcher_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="leave it out under torchrun"):
        launch(["train"], 2)
