"""Options of the hybrid renderer -> their checked values, which travel in its checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from talkface.errors import ConfigError

RENAMED = {
    "warp_ref": "learned_flow",
    "warp_ani": "drawn_face",
    "prev": "previous_frame",
    "adaptive_spade": "identity_spade",
    "crop_ref": "hide_features",
}
"""Settings' names until 2026-11 -> today's."""


@dataclass(frozen=True)
class HybridConfig:
    """Size and parts of the network; the defaults are the shipped one's.

    Several parts follow ideas of Chen et al. 2020 ("Talking-head Generation with Rhythmic Head Motion"), whose own
    generator is `models.spade`. A part that computes that paper's formula has its name there (`no_warp`, `linear`);
    the others are named after what they do: `slots` has no branch for the landmarks and weighs references by the
    likeness of their sketches; `modulated` averages the sources' modulation before the activation, on instance norm,
    with the decoded features as one source; `identity_spade` makes its kernels from the identity vector; learned flows
    have no mask of their own; `hide_features` covers what the sketch shows of eyes and mouth, not boxes around them.
    """

    patch: int = 80  # side in pixels of the patch, a multiple of 8
    scale: float = 1.0  # side of the patch in outer-eye distances; about 2.2 for a whole face
    channels: tuple[int, int, int] = (32, 64, 128)  # at 1/2, 1/4 and 1/8 of the patch's side
    depth: int = 3  # residual blocks at 1/8
    embedding: int = 128  # length of the identity embedding
    region: str = "mouth"  # mouth | face: what the patch shows
    embed: str = "attention"  # mean | attention | slots: how several references become one
    max_shots: int = 3  # references used at most, also the number of slots
    pick: str = "spread"  # spread | nearest: of more photos, those whose mouths differ most, or whose pose is nearest
    no_warp: bool = False  # references are fed as they are, without the landmarks' flow
    learned_flow: str = "none"  # none | residual | instead: a learned flow, on top of or instead of the landmarks' flow
    drawn_face: bool = False  # a light 3-D face, drawn for the target, is one more source
    previous_frame: bool = False  # the frame before, warped by a learned flow, is one more source
    compose: str = "linear"  # linear | modulated: blend by masks, or let every source modulate by its own SPADE
    identity_spade: bool = False  # the decoder's modulation by the sketch takes its weights from the identity
    hide_features: bool = False  # hide eyes and mouth of the references

    renamed: ClassVar[Mapping[str, str]] = RENAMED

    def __post_init__(self) -> None:
        words = {
            "region": ("mouth", "face"),
            "embed": ("mean", "attention", "slots"),
            "pick": ("spread", "nearest"),
            "learned_flow": ("none", "residual", "instead"),
            "compose": ("linear", "modulated"),
        }
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"invalid model.{name} {getattr(self, name)!r}: expected one of {', '.join(known)}")
        if self.patch < 16 or self.patch % 8:
            raise ConfigError(f"invalid model.patch {self.patch}: expected a multiple of 8 from 16")
        if self.max_shots < 1:
            raise ConfigError(f"invalid model.max_shots {self.max_shots}: expected 1 or more")
        if self.no_warp and self.learned_flow != "none":
            raise ConfigError(
                "model.no_warp feeds references as they are, "
                f"model.learned_flow={self.learned_flow} warps them: drop one"
            )

    @property
    def unwarped(self) -> bool:
        """Whether the network starts from the references' own patches rather than from the landmarks' warp."""
        return self.no_warp or self.learned_flow == "instead"


def current_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a checkpoint by today's names: until 2026-11 some parts had the names of Rhythmic Head Motion's."""
    values = {"embed": {"hybrid": "slots"}, "compose": {"nonlinear": "modulated"}}
    named = {RENAMED.get(name, name): value for name, value in settings.items()}
    return {name: values.get(name, {}).get(value, value) if name in values else value for name, value in named.items()}
