"""configs/renderer/vgnet*.yaml -> settings of training VG-net."""

from dataclasses import dataclass, field

from talkface.config import RunConfig
from talkface.errors import ConfigError
from talkface.losses.landmark import MOUTH_WEIGHTINGS
from talkface.models.vgnet import VgnetConfig


@dataclass(frozen=True)
class VgnetDataConfig:
    """Which clips, and how sequences are drawn from them."""

    shards: str = "shards"  # folder that `talkface prepare` wrote, with any crop: faces are laid onto a template here
    split: str = "train"
    held_out_every: int = 10  # every so many-th speaker is kept for the scores; 0 keeps none
    frames: int = 16  # T, in a row
    near: int = 0  # frames between photo and sequence at most; 0 any number, which in LRW's clips is 13
    closed: float = 0.0  # share of examples whose photo is the most closed of six frames; the others' is any frame
    mirror: float = 0.0  # share of examples that are mirrored
    tint: float = 0.0  # spread of the colour channels' gains
    kept_frames: int = 0  # pictures held in memory
    workers: int = 0  # threads that make batches ahead


@dataclass(frozen=True)
class VgnetLossConfig:
    """Weights of the terms; 0 leaves a term out. The defaults are the published ones."""

    adversarial: float = 1.0  # cross entropy of the discriminator's score
    landmark: float = 1.0  # of the landmarks that the discriminator reads
    mouth_weighting: str = "published"  # of that term: published | coded, see losses.landmark.mouth_weighted_mse
    regress_fakes: bool = False  # as in the authors' code: the discriminator learns to read the wanted landmarks from
    # fakes, too, whatever these show, and then has nothing to say about them
    pixel: float = 10.0  # dynamic pixel-wise loss
    colour: float = 0.0  # the same of the colour map itself: it is good before the attention opens, and opens it
    mouth_gain: float = 0.0  # how much more the mouth counts in both
    adversarial_from: int = 0  # step at which the discriminator and its terms join


@dataclass(frozen=True)
class VgnetOptimConfig:
    """Adam's settings."""

    rate: float = 2e-4
    discriminator_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999


@dataclass(frozen=True)
class VgnetTraining:
    """configs/renderer/vgnet*.yaml."""

    kind: str = "vgnet"
    start: str = ""  # trained weights of the same layers to go on from, also converted ones
    start_discriminator: str = ""  # the same for the discriminator: a file of kind vgnet_discriminator
    model: VgnetConfig = field(default_factory=VgnetConfig)
    data: VgnetDataConfig = field(default_factory=VgnetDataConfig)
    loss: VgnetLossConfig = field(default_factory=VgnetLossConfig)
    optim: VgnetOptimConfig = field(default_factory=VgnetOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if self.loss.mouth_weighting not in MOUTH_WEIGHTINGS:
            known = ", ".join(MOUTH_WEIGHTINGS)
            raise ConfigError(f"invalid loss.mouth_weighting {self.loss.mouth_weighting!r}: expected one of {known}")
        if self.model.landmarks != "displacement":
            raise ConfigError("model.landmarks is for converted weights: a run learns displacement")
        if self.data.frames < 1:
            raise ConfigError(f"invalid data.frames {self.data.frames}: expected 1 or more")
