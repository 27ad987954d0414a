"""fit: resume is exact, folders are guarded, bad numbers are named."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from talkface.checkpoints.format import Checkpoint, load_checkpoint
from talkface.config import RunConfig
from talkface.errors import ConfigError, TalkfaceError
from talkface.training.engine.loop import Ema, backward_and_step, fit, make_accelerator, step_generator


class LineJob:
    """Fits y = 2x - 1 with a small network that uses dropout, momentum and weight averaging."""

    def __init__(self, run: RunConfig, die_at: int = -1, poison_at: int = -1) -> None:
        self.run, self.die_at, self.poison_at = run, die_at, poison_at
        torch.manual_seed(run.seed)
        self.network = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.02)
        self.ema = Ema(self.network, 0.9)
        self.accelerator = make_accelerator(run)

    def train_step(self, step: int) -> dict[str, float]:
        if step == self.die_at:
            raise KeyboardInterrupt
        x = torch.from_numpy(step_generator(self.run.seed, step).standard_normal((32, 1)).astype(np.float32))
        self.network.train()
        loss = (self.network(x) - (2 * x - 1)).square().mean()
        backward_and_step(self.accelerator, loss, self.optimizer, self.network, 1.0)
        self.ema.update(self.network)
        return {"mse": float("nan") if step == self.poison_at else loss.item()}

    def evaluate(self) -> dict[str, float]:
        x = torch.linspace(-1, 1, 20)[:, None]
        return {"score": (self.ema.network(x) - (2 * x - 1)).square().mean().item()}

    def preview(self) -> np.ndarray:
        return np.full((8, 8, 3), 128, np.uint8)

    def state_dict(self) -> dict:
        parts = {"network": self.network, "optimizer": self.optimizer, "ema": self.ema}
        return {name: part.state_dict() for name, part in parts.items()}

    def load_state_dict(self, state: dict) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])

    def snapshot(self) -> Checkpoint:
        return Checkpoint("line", {}, self.ema.network.state_dict())


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    return RunConfig(out=str(tmp_path / "a"), steps=10, device="cpu", log_every=2, eval_every=5, save_every=5)


def config_of(run: RunConfig, **more: object) -> dict:
    return {"run": dict(vars(run)), **more}


def test_five_steps_a_kill_and_five_more_equal_ten(run: RunConfig, tmp_path: Path) -> None:
    whole = LineJob(run)
    fit(whole, run, config_of(run))
    halves = replace(run, out=str(tmp_path / "b"))
    with pytest.raises(KeyboardInterrupt):
        fit(LineJob(halves, die_at=7), halves, config_of(halves))  # the state of step 5 is on disk
    resumed = LineJob(halves)
    fit(resumed, halves, config_of(halves))
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    for name, tensor in whole.ema.network.state_dict().items():
        assert torch.equal(tensor, resumed.ema.network.state_dict()[name]), name
    assert (tmp_path / "a/log.csv").read_text() == (tmp_path / "b/log.csv").read_text()


def test_run_folder_holds_what_people_look_for(run: RunConfig) -> None:
    fit(LineJob(run), run, config_of(run))
    folder = Path(run.out)
    names = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "log.csv", "state.pt", "best.safetensors", "preview_0000010.png"} <= names
    assert any(name.startswith("events.out") for name in names)
    best = load_checkpoint(folder / "best.safetensors", "line")
    assert best.provenance["steps"] in (5, 10) and best.metrics["score"] > 0
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows if row["name"] == "train/mse"] == ["2", "4", "6", "8", "10"]


def test_training_lowers_the_score(run: RunConfig) -> None:
    job = LineJob(replace(run, steps=300))
    before = job.evaluate()["score"]
    assert fit(job, job.run, config_of(job.run))["score"] < 0.1 * before


def test_another_setting_in_the_same_folder_is_refused(run: RunConfig) -> None:
    fit(LineJob(run), run, config_of(run, lr=0.1))
    with pytest.raises(ConfigError, match=r"lr \(0\.1 there, 0\.2 here\)"):
        fit(LineJob(run), run, config_of(run, lr=0.2))
    longer = replace(run, steps=12)
    fit(LineJob(longer), longer, config_of(longer, lr=0.1))  # more steps are welcome


def test_not_a_number_is_named_and_the_good_state_stays(run: RunConfig) -> None:
    with pytest.raises(TalkfaceError, match="mse is nan at step 8"):
        fit(LineJob(run, poison_at=7), run, config_of(run))
    assert torch.load(Path(run.out) / "state.pt", weights_only=True)["progress"]["step"] == 5


def test_patience_stops_early(run: RunConfig) -> None:
    run = replace(run, steps=1000, eval_every=1, patience=3)
    job = LineJob(run)
    scores = iter([1.0, 0.5, 0.6, 0.7, 0.8, 0.1])
    job.evaluate = lambda: {"score": next(scores)}
    fit(job, run, config_of(run))
    assert torch.load(Path(run.out) / "state.pt", weights_only=True)["progress"]["step"] == 5


def test_unknown_device_is_a_config_error(run: RunConfig) -> None:
    with pytest.raises(ConfigError, match="use one of auto, cpu"):
        make_accelerator(replace(run, device="tpu"))


def test_runs_of_one_process_have_their_own_precision(run: RunConfig):
    for bf16 in (False, True, False):
        accelerator = make_accelerator(replace(run, bf16=bf16))
        with accelerator.autocast():
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if bf16 else torch.float32)
        assert accelerator.num_processes == 1 and accelerator.device.type == "cpu"
