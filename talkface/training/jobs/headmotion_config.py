"""configs/headmotion/*.yaml -> the settings of a head-motion learner's training."""

from dataclasses import dataclass, field

from talkface.config import RunConfig
from talkface.data.samplers.headmotion import HeadBatchConfig
from talkface.models.headmotion import HeadmotionConfig
from talkface.training.jobs.audio2landmark_config import SpeechDataConfig


@dataclass(frozen=True)
class HeadmotionOptimConfig:
    rate: float = 2e-3  # of AdamW; falls to zero along a cosine
    warm_up: int = 50  # steps
    weight_decay: float = 0.05
    past_noise: float = 0.05  # own deviations by which the past is off, since the network's answers will be


@dataclass(frozen=True)
class HeadmotionTraining:
    """configs/headmotion/*.yaml with `kind: headmotion`."""

    kind: str = "headmotion"
    model: HeadmotionConfig = field(default_factory=HeadmotionConfig)
    data: SpeechDataConfig = field(default_factory=SpeechDataConfig)
    batch: HeadBatchConfig = field(default_factory=HeadBatchConfig)
    optim: HeadmotionOptimConfig = field(default_factory=HeadmotionOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
