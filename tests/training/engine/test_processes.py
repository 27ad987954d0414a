"""Two processes are one: the same weights from the same global batch, rows shared out, statistics of all rows."""

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from talkface.audio.augment import VoiceAugmentation
from talkface.checkpoints.format import load_checkpoint
from talkface.config import RunConfig
from talkface.data.samplers.speech import BatchConfig
from talkface.errors import ConfigError
from talkface.losses.landmark import LandmarkLossConfig
from talkface.models.atnet import AtnetConfig
from talkface.testing.shards import write_loud_mouth_shards
from talkface.training.engine.loop import make_accelerator
from talkface.training.engine.processes import own_rows
from talkface.training.jobs.audio2landmark import train_audio2landmark
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining, SpeechDataConfig, SpeechOptimConfig
from talkface.training.jobs.offsets import OffsetConfig

PROGRAM = """
import sys
from talkface.config import load_config
from talkface.training.jobs.audio2landmark import train_audio2landmark
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining
train_audio2landmark(load_config(Audio2LandmarkTraining, sys.argv[1]))
"""

NORM = """
import sys
import torch
from talkface.training.engine.processes import share_norms
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
given = torch.load(f"{folder}/given.pt", weights_only=True)
network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU())
network.load_state_dict(given["state"])
share_norms(network)
mine = slice(3 * rank, 3 * rank + 3)
for step in range(2):
    made = network(given["x"][step, mine])
    (made * given["wanted"][step, mine]).sum().backward()
gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
torch.save({"made": made, "state": network.state_dict(), "gradients": gradients}, f"{folder}/{rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.fixture
def config(tmp_path: Path) -> Audio2LandmarkTraining:
    """AT-net, whose batch norms must see all rows, with noise and masks but without dropout."""
    write_loud_mouth_shards(tmp_path / "shards", {f"c{i}": f"p{i % 3}" for i in range(6)}, split="train")
    return Audio2LandmarkTraining(
        family="atnet",
        atnet=AtnetConfig(channels=4, wide=32, heard=16, hidden=16, layers=1, components=2),
        data=SpeechDataConfig(shards=str(tmp_path / "shards"), held_out_every=3),
        batch=BatchConfig(frames=12),
        augment=VoiceAugmentation(band_mask=2, time_mask=4),
        offsets=OffsetConfig(steps=2),
        loss=LandmarkLossConfig(coefficient_mse=1.0),
        optim=SpeechOptimConfig(warm_up=1, rate=2e-3),
        run=RunConfig(
            out=str(tmp_path / "one"), steps=4, batch_size=6, device="cpu", threads=1, log_every=1, eval_every=4
        ),
    )


@pytest.mark.flow
def test_two_processes_train_what_one_trains(config: Audio2LandmarkTraining, tmp_path: Path) -> None:
    train_audio2landmark(config)
    from omegaconf import OmegaConf

    two = replace(config, run=replace(config.run, out=str(tmp_path / "two")))
    OmegaConf.save(OmegaConf.structured(two), tmp_path / "two.yaml")
    (tmp_path / "program.py").write_text(PROGRAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    program = [str(tmp_path / "program.py"), str(tmp_path / "two.yaml")]
    done = subprocess.run(
        [*launch, *program], capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    alone, shared = (load_checkpoint(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    # a correlation of mouths that hardly move yet: rounding shows in it more than in the weights
    assert shared.metrics["score"] == pytest.approx(alone.metrics["score"], abs=1e-2)
    # what a norm takes out again has no gradient but rounding, which Adam blows up to full steps
    taken_out = {name for name in alone.tensors if re.search(r"running_mean$|\.audio\.\d+\.bias$", name)}
    for name in alone.tensors.keys() - taken_out:
        ours, theirs = alone.tensors[name].float(), shared.tensors[name].float()
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=5e-4, msg=name)
    rows = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("one", "two")]
    assert len(rows[0]) == len(rows[1]), "only the first process writes"
    for ours, theirs in zip(*rows, strict=True):
        assert ours.split(",")[:2] == theirs.split(",")[:2]
        if "train/" in ours:
            assert float(theirs.split(",")[2]) == pytest.approx(float(ours.split(",")[2]), rel=1e-3)


class Share:
    """Stands where an Accelerator of several processes stands."""

    def __init__(self, process_index: int, num_processes: int) -> None:
        self.process_index, self.num_processes = process_index, num_processes


def test_rows_are_shared_out_completely_and_parts_do_not_depend_on_the_processes() -> None:
    alone = own_rows(Share(0, 1), 12, 2)
    assert alone == [(slice(0, 6), slice(0, 6)), (slice(6, 12), slice(6, 12))]
    shares = [own_rows(Share(index, 3), 12, 2) for index in range(3)]
    for part, (rows, _) in enumerate(alone):
        assert all(share[part][0] == rows for share in shares)
        mine = [list(range(12))[share[part][1]] for share in shares]
        assert [row for share in mine for row in share] == list(range(12))[rows]
    with pytest.raises(ConfigError, match="give a multiple of 8"):
        own_rows(Share(0, 4), 12, 2)


def test_parts_of_a_batch_add_up_to_its_gradient(config: Audio2LandmarkTraining, tmp_path: Path) -> None:
    single = replace(
        config,
        atnet=replace(
            config.atnet, recurrent=False
        ),  # without batch norm each part has the gradient it has in the whole
        batch=BatchConfig(frames=12, speed=0.0),  # no stretch runs over its clip's end: all frames weigh the same
        loss=LandmarkLossConfig(points=0, correlation=0, velocity=0, outline=0, coefficient_mse=1.0),
        offsets=OffsetConfig(steps=0),
        run=replace(config.run, steps=2),
    )
    train_audio2landmark(single)
    parts = replace(
        single, optim=replace(single.optim, accumulate=3), run=replace(single.run, out=str(tmp_path / "parts"))
    )
    train_audio2landmark(parts)
    whole, summed = (load_checkpoint(tmp_path / name / "last.safetensors") for name in ("one", "parts"))
    for name, tensor in whole.tensors.items():
        torch.testing.assert_close(summed.tensors[name], tensor, rtol=1e-3, atol=2e-4, msg=name)


def test_norm_over_one_process_is_torchs(config: Audio2LandmarkTraining) -> None:
    from talkface.training.engine.processes import share_norms

    accelerator = make_accelerator(config.run)
    if not torch.distributed.is_initialized():
        store = torch.distributed.HashStore()
        torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        torch.manual_seed(0)
        plain = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Sequential(nn.BatchNorm2d(3)))
        nn.init.normal_(plain[1][0].weight)
        shared = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Sequential(nn.BatchNorm2d(3)))
        shared.load_state_dict(plain.state_dict())
        share_norms(shared)
        x, wanted = torch.randn(4, 2, 5, 6), torch.randn(4, 3, 5, 6)
        ours, theirs = shared(x), plain(x)
        torch.testing.assert_close(ours, theirs)
        (ours * wanted).sum().backward()
        (theirs * wanted).sum().backward()
        torch.testing.assert_close(shared[0].weight.grad, plain[0].weight.grad, rtol=1e-4, atol=1e-4)
        for name, value in plain.state_dict().items():
            torch.testing.assert_close(shared.state_dict()[name], value)
        torch.testing.assert_close(shared.eval()(x), plain.eval()(x))
    finally:
        torch.distributed.destroy_process_group()
    assert accelerator.num_processes == 1


@pytest.mark.flow
def test_a_batch_norm_over_two_processes_is_that_of_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
    x = torch.randn(2, 6, 2, 7, 8) + torch.arange(6).view(6, 1, 1, 1)  # each half of the rows has statistics of its own
    wanted = torch.randn(2, 6, 3, 5, 6)
    torch.save({"state": network.state_dict(), "x": x, "wanted": wanted}, tmp_path / "given.pt")
    words = [[sys.executable, "-c", NORM, str(rank), str(tmp_path)] for rank in range(2)]
    both = [subprocess.Popen(each, stderr=subprocess.PIPE, text=True) for each in words]
    for each in both:
        assert not each.wait(timeout=300), each.stderr.read() if each.stderr else ""
    for step in range(2):
        made = network(x[step])
        (made * wanted[step]).sum().backward()
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    torch.testing.assert_close(torch.cat([half["made"] for half in halves]), made, rtol=1e-4, atol=1e-5)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(halves[1]["state"][name], value, msg=name)
        assert torch.equal(halves[0]["state"][name], halves[1]["state"][name])
    for name, parameter in network.named_parameters():
        summed = halves[0]["gradients"][name] + halves[1]["gradients"][name]
        torch.testing.assert_close(summed, parameter.grad, rtol=1e-3, atol=1e-3, msg=name)
