"""configs/renderer/spade*.yaml -> settings of training the whole-frame SPADE renderer."""

from dataclasses import dataclass, field

from talkface.config import RunConfig
from talkface.errors import ConfigError
from talkface.models.spade_config import SpadeConfig
from talkface.training.jobs.content import ContentConfig


@dataclass(frozen=True)
class SpadeDataConfig:
    """Which clips, and how they are varied; the model says how many shots an example has."""

    shards: str = "shards"  # folder that `talkface prepare` wrote
    split: str = "train"
    held_out_every: int = 10  # every so many-th speaker is kept for the scores; 0 keeps none
    mirror: float = 0.5  # share of examples that are mirrored
    tint: float = 0.0  # spread of the colour channels' gains
    kept_frames: int = 0  # pictures held in memory
    workers: int = 0  # threads that make batches ahead


@dataclass(frozen=True)
class SpadeLossConfig:
    """Weights of the terms; 0 leaves a term out. The names in brackets are the flags of the authors' code."""

    content: ContentConfig = field(default_factory=ContentConfig)
    adversarial: float = 1.0
    feature_matching: float = 10.0  # mean over layers (lambda_feat)
    warp: float = 10.0  # L1 of every warped source (lambda_flow)
    mask: float = 0.0  # masks open where the warped source fits, and shut where not (lambda_weight, use_weight_loss)
    adversarial_from: int = 0  # step at which the discriminator and its terms join


@dataclass(frozen=True)
class SpadeOptimConfig:
    """Adam's settings."""

    rate: float = 1e-4
    discriminator_rate: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.999


@dataclass(frozen=True)
class SpadeTraining:
    """configs/renderer/spade*.yaml."""

    kind: str = "spade"
    model: SpadeConfig = field(default_factory=SpadeConfig)
    data: SpadeDataConfig = field(default_factory=SpadeDataConfig)
    loss: SpadeLossConfig = field(default_factory=SpadeLossConfig)
    optim: SpadeOptimConfig = field(default_factory=SpadeOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if self.model.warp_prev:
            raise ConfigError("model.warp_prev is not trained here, frames are drawn one by one: leave it false")
        if self.run.batch_size < 2 and self.model.size == 2**self.model.depth:
            raise ConfigError("run.batch_size 1 leaves batch norm a single value per channel: use 2 or more")
