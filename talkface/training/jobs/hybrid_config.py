"""configs/renderer YAML of kind `renderer` -> what the hybrid renderer is trained on, by which terms, how fast."""

import math
from dataclasses import dataclass, field

from talkface.config import RunConfig
from talkface.data.samplers.patches import PatchConfig
from talkface.models.hybrid_config import HybridConfig


@dataclass(frozen=True)
class SequenceConfig:
    """Number of consecutive frames in an example of a network with `previous_frame`."""

    frames: int = 4  # at last
    double_every: int = 500  # steps after which they have doubled, from a single one


@dataclass(frozen=True)
class RendererDataConfig:
    """Which clips, and how many photos an example has."""

    shards: str = "shards"  # folder that `talkface prepare` wrote
    split: str = "train"
    held_out_every: int = 10  # every so many-th speaker is kept for the scores; 0 keeps none
    shots: int = 3  # photos of an example in the steps that use several
    several_every: int = 5  # every so many-th step uses several photos, the others one
    pool: int = 6  # frames that a pair is picked from by their opening
    jitter: float = 0.006  # noise of the target's landmarks in outer-eye distances
    degrade: float = 0.25  # share of photos behind a coarse JPEG
    worst: float = 0.0  # share of examples whose first photo is that of the pool whose pose differs most
    ref_ids: tuple[int, ...] = ()  # frames of every clip that are its photos; any if empty
    workers: int = 0  # threads that make batches ahead
    sequence: SequenceConfig = field(default_factory=SequenceConfig)  # used by a network with `previous_frame`


@dataclass(frozen=True)
class RendererLossConfig:
    """Weights of the terms; 0 leaves a term out."""

    blend: float = 1.0  # L1 of the blend with the warp
    colour: float = 1.0  # L1 of the generated colour itself: what opens the mask
    inner_gain: float = 4.0  # how much more the inner mouth counts
    edges: float = 1.0
    outside: float = 0.02  # mask away from the lips, where the warp is sharper
    adversarial: float = 0.04
    feature_matching: float = 0.2
    adversarial_from: int = 2800  # step at which the discriminators join
    mouth_adversarial: float = 0.04  # of a second discriminator that sees the mouth of a face only
    flow_photometric: float = 1.0  # L1 of what a learned flow warps
    flow_smooth: float = 0.02  # step of the flow between neighbouring pixels
    flow_teacher: float = 0.05  # distance of a flow that stands alone from the landmarks' flow, pixels
    flow_rest: float = 0.002  # length of a flow on top of the landmarks' warp, pixels


@dataclass(frozen=True)
class RendererOptimConfig:
    rate: float = 8e-4  # of Adam, for the renderer
    discriminator_rate: float = 4e-4
    halve_every: int = 3000  # steps after which the renderer's rate has halved, smoothly
    warm_up: int = 0  # steps in which the rate rises from 0: Adam's first ones are long enough to silence a layer

    def rate_at(self, step: int) -> float:
        """The renderer's rate at a step."""
        return self.rate * math.pow(0.5, step / self.halve_every) * min(1.0, (step + 1) / max(1, self.warm_up))


@dataclass(frozen=True)
class RendererConfig:
    """configs/renderer/*.yaml with `kind: renderer`."""

    kind: str = "renderer"
    model: HybridConfig = field(default_factory=HybridConfig)
    data: RendererDataConfig = field(default_factory=RendererDataConfig)
    loss: RendererLossConfig = field(default_factory=RendererLossConfig)
    optim: RendererOptimConfig = field(default_factory=RendererOptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def patches(self) -> PatchConfig:
        """Settings by which the examples are cut."""
        model, data = self.model, self.data
        return PatchConfig(
            size=model.patch,
            scale=model.scale,
            pool=data.pool,
            jitter=data.jitter,
            degrade=data.degrade,
            region=model.region,
            ani=model.drawn_face,
            flow=model.learned_flow == "instead",
            worst=data.worst,
            ref_ids=data.ref_ids,
        )

    def frames_at(self, step: int) -> int:
        """Frames that follow each other in an example of `step`: the curriculum."""
        if not self.model.previous_frame:
            return 1
        sequence = self.data.sequence
        doublings = step // max(1, sequence.double_every)
        return max(1, min(sequence.frames, 1 << min(doublings, 30)))
