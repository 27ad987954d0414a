"""configs/renderer/fewshot_*.yaml -> settings of meta-training."""

from dataclasses import dataclass, field

from talkface.config import RunConfig
from talkface.errors import ConfigError
from talkface.losses.adversarial import OVER_LAYERS
from talkface.models.fewshot import FewshotConfig
from talkface.training.jobs.content import ContentConfig


@dataclass(frozen=True)
class FewshotDataConfig:
    """Which clips, how many shots."""

    shards: str = "shards"  # folder that `talkface prepare` wrote
    split: str = "train"
    held_out_every: int = 10  # every so many-th speaker is kept for the scores; 0 keeps none
    shots: int = 8  # K
    mirror: float = 0.5  # share of examples that are mirrored
    tint: float = 0.0  # spread of the colour channels' gains
    kept_frames: int = 0  # pictures held in memory
    workers: int = 0  # threads that make batches ahead


@dataclass(frozen=True)
class FewshotLossConfig:
    """Weights of the terms; 0 leaves a term out."""

    mode: str = "ft"  # ft: with the match term, to be fine-tuned | ff: without, to be used as it is
    content: ContentConfig = field(default_factory=ContentConfig)
    adversarial: float = 1.0
    feature_matching: float = 10.0
    feature_matching_over: str = "sum"  # layers: sum, pix2pixHD's formula | mean, a seventh of it in FSTH's layout
    embedding_match: float = 10.0  # 10 in the paper's first version, 80 in its second
    embedding_match_of: str = "mean"  # embedding of the shots, as in the paper | each shot's own
    adversarial_from: int = 0  # step at which the discriminator and its terms join


@dataclass(frozen=True)
class FewshotOptimConfig:
    """Adam's settings."""

    rate: float = 5e-5  # embedder and generator
    discriminator_rate: float = 2e-4  # V, w0, b
    video_rate: float = 2e-4  # rows of W; each is met once an epoch, few epochs want a higher one
    discriminator_steps: int = 2  # per step of the generator
    beta1: float = 0.0
    beta2: float = 0.999
    accumulate: int = 1  # batches per step: less memory for the same gradient


@dataclass(frozen=True)
class FewshotTraining:
    """configs/renderer/fewshot_*.yaml."""

    kind: str = "fewshot"
    model: FewshotConfig = field(default_factory=FewshotConfig)
    data: FewshotDataConfig = field(default_factory=FewshotDataConfig)
    loss: FewshotLossConfig = field(default_factory=FewshotLossConfig)
    optim: FewshotOptimConfig = field(default_factory=FewshotOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
    start: str = ""  # few-shot weights of the same layout to go on from: an earlier run's, or a converted file
    start_table: str = ""  # W to go on from, a row per training video: .npy, or the state.pt of a run

    def __post_init__(self) -> None:
        if self.loss.mode not in ("ft", "ff"):
            raise ConfigError(
                f"invalid loss.mode {self.loss.mode!r}: expected ft (with the match term) or ff (without)"
            )
        for name, known in (("feature_matching_over", OVER_LAYERS), ("embedding_match_of", ("mean", "each"))):
            if getattr(self.loss, name) not in known:
                raise ConfigError(
                    f"invalid loss.{name} {getattr(self.loss, name)!r}: expected one of {', '.join(known)}"
                )
        for name in ("discriminator_steps", "accumulate"):
            if getattr(self.optim, name) < 1:
                raise ConfigError(f"optim.{name} must be 1 or more")
