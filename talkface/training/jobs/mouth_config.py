"""configs/renderer YAML of kind `mouth` -> what the mouth inpainter is trained on, by which terms, how fast."""

import math
from dataclasses import dataclass, field

from talkface.config import RunConfig
from talkface.models.mouth import MouthConfig


@dataclass(frozen=True)
class MouthDataConfig:
    """Which photos, and which of them go along as donors."""

    shards: str = "shards"  # folder that `talkface prepare` wrote with configs/data/mouth.yaml
    split: str = "train"
    tiers: tuple[str, ...] = ()  # licence tiers to train on; all if empty
    donor_tiers: tuple[str, ...] = ("A",)  # licence tiers that the donors in the checkpoint may have
    donors: int = 20  # in the checkpoint
    donor_keys: tuple[str, ...] = ()  # clips that they are taken from, if some were chosen by eye
    held_out_every: int = 11  # every so many-th person is kept for the scores; 0 keeps none


@dataclass(frozen=True)
class MouthLossConfig:
    """Weights of the terms."""

    pixel: float = 4.0  # L1, where the donor is the photo itself
    edges: float = 2.0  # L1 of neighbouring pixels' differences, likewise
    others: float = 0.04  # how much both count with somebody else's mouth
    light: float = 1.5  # local means of colour
    contrast: float = 4.0  # local means of slope
    own_light: float = 0.3  # how much these two count where the donor is the photo itself
    dark: float = 1.0  # L1 to what is laid, where a donor has nothing to show
    steady: float = 2.0  # L1 between two paintings for the same lips, found a little elsewhere
    steady_every: int = 4  # steps between two that have this term


@dataclass(frozen=True)
class MouthOptimConfig:
    rate: float = 4e-4  # of Adam
    warm_up: int = 200  # steps in which it rises
    last: float = 0.08  # of the rate at the end, reached along a cosine

    def rate_at(self, step: int, steps: int) -> float:
        """Rate at a step of so many."""
        fall = self.last + (1 - self.last) * 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))
        return self.rate * fall * min(1.0, (step + 1) / max(1, self.warm_up))


@dataclass(frozen=True)
class MouthTraining:
    """configs/renderer/*.yaml with `kind: mouth`."""

    kind: str = "mouth"
    model: MouthConfig = field(default_factory=MouthConfig)
    data: MouthDataConfig = field(default_factory=MouthDataConfig)
    loss: MouthLossConfig = field(default_factory=MouthLossConfig)
    optim: MouthOptimConfig = field(default_factory=MouthOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
