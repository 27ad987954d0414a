"""configs/renderer YAML of kind `mouth` -> what the mouth inpainter is trained on, by which terms, how fast."""

import math
from dataclasses import dataclass, field

from talkface.config import RunConfig
from talkface.models.mouth import MouthConfig


@dataclass(frozen=True)
class MouthDataConfig:
    """Which photos, and which of them go along as donors."""

    shards: str = "shards"  # folder that `talkface prepare` wrote with configs/data/mouth.yaml
    talk_shards: str = ""  # another, of configs/data/mouth_talk.yaml; none if empty
    talk_share: float = 0.75  # of the examples that are frames of talking clips, where there are any
    split: str = "train"
    tiers: tuple[str, ...] = ()  # licence tiers to train on; all if empty
    donor_tiers: tuple[str, ...] = ("A",)  # licence tiers that the donors in the checkpoint may have
    donors: int = 20  # in the checkpoint
    donor_keys: tuple[str, ...] = ()  # clips that they are taken from, if some were chosen by eye
    held_out_every: int = 11  # every so many-th person is kept for the scores; 0 keeps none


@dataclass(frozen=True)
class MouthLossConfig:
    """Weights of the terms."""

    pixel: float = 6.0  # L1 of the colours
    amounts: float = 9.0  # L1 of the colours, sorted in strips: as much tooth and dark, if not in the same place
    edges: float = 1.0  # L1 of neighbouring pixels' differences, where the donor is the same person
    contrast: float = 3.0  # local means of slope: how much of the donor's detail
    steady: float = 2.0  # L1 between the colours for the same lips, found a little elsewhere
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
