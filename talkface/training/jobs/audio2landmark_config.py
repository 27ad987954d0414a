"""configs/audio2landmark/*.yaml -> the settings of a speech network's training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from talkface.audio.augment import VoiceAugmentation
from talkface.config import RunConfig
from talkface.data.samplers.speech import BatchConfig
from talkface.errors import ConfigError
from talkface.losses.landmark import LandmarkLossConfig
from talkface.models.atnet import AtnetConfig
from talkface.models.audio2landmark import FAMILIES, Audio2LandmarkConfig
from talkface.models.lstm_mel import LstmMelConfig
from talkface.training.jobs.lip_range import LipRangeConfig
from talkface.training.jobs.offsets import OffsetConfig


@dataclass(frozen=True)
class PhoneConfig:
    """Settings of the front end's training on phones."""

    steps: int = 0  # 0 leaves it out: labels want the extra `phones`, which the plain install lacks
    batch_size: int = 24
    frames: int = 64  # of 40 ms
    rate: float = 2e-3
    synthetic: int = 1200  # sentences by synthetic voices
    most_clips: int = 4000  # whose own speech is labelled, spread over a larger corpus
    per_speaker_s: float = 240.0  # seconds of one speaker that are labelled, at most
    shares: tuple[float, float, float] = (0.5, 0.35, 0.15)  # of a batch: synthetic, other speakers, the main speaker


@dataclass(frozen=True)
class SpeechDataConfig:
    """Which clips."""

    shards: str = "shards"  # folder that `talkface prepare` wrote
    split: str = "train"
    speakers: tuple[str, ...] = ()  # only those whose name contains one of these; empty takes all
    held_out_every: int = 10  # every so many-th speaker is kept for the scores (of one alone: clip); 0 trains on all.
    # Shards with a split val of their own, as LRW's, are scored on that instead and train on all of `split`
    held_out_first: int = 0  # which of them comes first
    memory_mb: int = 1024  # of measured clips that are kept; of a corpus that is larger, each is read when it is drawn
    workers: int = 0  # threads that make batches ahead


@dataclass(frozen=True)
class SpeechOptimConfig:
    rate: float = 2e-3  # of AdamW, after the warm-up; falls to zero along a cosine
    warm_up: int = 50  # steps
    weight_decay: float = 0.01
    momentum: float = 0.9  # Adam's first beta
    fast_share: float = 0.0  # share of the steps, the first ones, in which `SpeechNetwork.train_fast` is on
    accumulate: int = 1  # parts that a batch is worked on in, one after the other, to save memory

    renamed: ClassVar[Mapping[str, str]] = {"hurried": "fast_share"}


@dataclass(frozen=True)
class ResilienceConfig:
    """Training on a clean and a noisy copy of each stretch that are to be heard alike (Eskimez et al. 2020)."""

    agreement: float = 0.0  # weight of the squared difference of what is heard in the two copies; 0 has no noisy copy
    noise_db: tuple[float, float] = (-20.0, 0.0)  # noise over the speech in the noisy copy


@dataclass(frozen=True)
class Audio2LandmarkTraining:
    """configs/audio2landmark/*.yaml with `kind: audio2landmark`; of the three networks the family's one is trained."""

    kind: str = "audio2landmark"
    family: str = "base"  # base | atnet | lstm_mel
    start: str = ""  # trained weights of the same family and size to go on from, by name or path; keeps their basis
    model: Audio2LandmarkConfig = field(default_factory=Audio2LandmarkConfig)  # of family base
    atnet: AtnetConfig = field(default_factory=AtnetConfig)
    lstm_mel: LstmMelConfig = field(default_factory=LstmMelConfig)
    data: SpeechDataConfig = field(default_factory=SpeechDataConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    augment: VoiceAugmentation = field(default_factory=VoiceAugmentation)
    phones: PhoneConfig = field(default_factory=PhoneConfig)
    offsets: OffsetConfig = field(default_factory=OffsetConfig)
    range: LipRangeConfig = field(default_factory=LipRangeConfig)
    loss: LandmarkLossConfig = field(default_factory=LandmarkLossConfig)
    resilience: ResilienceConfig = field(default_factory=ResilienceConfig)
    optim: SpeechOptimConfig = field(default_factory=SpeechOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        """Raises `ConfigError` for an unknown family, or a range alone without weights."""
        if self.family not in FAMILIES:
            raise ConfigError(f"invalid family {self.family!r}: expected {', '.join(FAMILIES)}")
        if self.range.only and not self.start:
            raise ConfigError("range.only needs trained weights: give start=NAME or start=PATH")

    @property
    def network(self) -> Audio2LandmarkConfig | AtnetConfig | LstmMelConfig:
        """Settings of the network of this family."""
        if self.family == "atnet":
            return self.atnet
        return self.lstm_mel if self.family == "lstm_mel" else self.model
