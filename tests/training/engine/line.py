"""A job that fits a line: the smallest thing that the training loop can run."""

import numpy as np
import torch
from torch import nn

from talkface.checkpoints.format import Checkpoint
from talkface.config import RunConfig
from talkface.training.engine.loop import Ema, make_accelerator, step_generator
from talkface.training.engine.step import step_on


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
        step_on([loss], self.optimizer, self.network, step, 1.0, self.accelerator)
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


def config_of(run: RunConfig, **more: object) -> dict:
    return {"run": dict(vars(run)), **more}
