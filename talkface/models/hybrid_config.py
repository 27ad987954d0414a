"""Options of the hybrid renderer -> their checked values, which travel in its checkpoints."""

from dataclasses import dataclass

from talkface.errors import ConfigError

EMBEDS = ("mean", "attention", "hybrid")
WARP_REFS = ("none", "residual", "instead")
COMPOSES = ("linear", "nonlinear")
REGIONS = ("mouth", "face")
PICKS = ("spread", "nearest")


@dataclass(frozen=True)
class HybridConfig:
    """Size and parts of the network; the defaults are the shipped one's.

    Parts are named after those of Chen et al. 2020 ("Talking-head Generation with Rhythmic Head Motion"), whose own
    generator is `models.spade`. Here they work inside a patch, and only the linear composition computes the same:
    the hybrid embedding has no branch for the landmarks and weighs references by feature similarity; the non-linear
    composition averages the sources' modulation before the activation, on instance norm, with the decoded features as
    one source; adaptive SPADE makes its kernels from the identity vector; learned flows have no mask of their own.
    """

    patch: int = 80  # side in pixels of the patch, a multiple of 8
    scale: float = 1.0  # side of the patch in outer-eye distances; about 2.2 for a whole face
    channels: tuple[int, int, int] = (32, 64, 128)  # at 1/2, 1/4 and 1/8 of the patch's side
    depth: int = 3  # residual blocks at 1/8
    embedding: int = 128  # length of the identity embedding
    region: str = "mouth"  # mouth | face: what the patch shows
    embed: str = "attention"  # mean | attention | hybrid: how several references become one
    max_shots: int = 3  # references used at most, by the hybrid embedding's slots too
    pick: str = "spread"  # spread | nearest: of more photos, those whose mouths differ most, or whose pose is nearest
    no_warp: bool = False  # references are fed as they are, without the landmarks' flow
    warp_ref: str = "none"  # none | residual | instead: a learned flow, on top of or instead of the landmarks' flow
    warp_ani: bool = False  # a light 3-D face, drawn for the target, is one more source
    prev: bool = False  # the frame before, warped by a learned flow, is one more source
    compose: str = "linear"  # linear | nonlinear: blend by masks, or let every source modulate by its own SPADE
    adaptive_spade: bool = False  # the decoder's modulation by the sketch takes its weights from the identity
    crop_ref: bool = False  # hide eyes and mouth of the references

    def __post_init__(self) -> None:
        words = (("region", REGIONS), ("embed", EMBEDS), ("pick", PICKS), ("warp_ref", WARP_REFS))
        for name, known in (*words, ("compose", COMPOSES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"model.{name} is {getattr(self, name)!r}: expected one of {', '.join(known)}")
        if self.patch < 16 or self.patch % 8:
            raise ConfigError(f"model.patch is {self.patch}: expected a multiple of 8 from 16")
        if self.max_shots < 1:
            raise ConfigError(f"model.max_shots is {self.max_shots}: expected 1 or more")
        if self.no_warp and self.warp_ref != "none":
            raise ConfigError(
                f"model.no_warp feeds references as they are, model.warp_ref={self.warp_ref} warps them: drop one"
            )

    @property
    def unwarped(self) -> bool:
        """Whether the network starts from the references' own patches rather than from the landmarks' warp."""
        return self.no_warp or self.warp_ref == "instead"
