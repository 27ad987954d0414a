"""Settings -> layout of the whole-frame SPADE renderer (Rhythmic Head Motion, Chen et al. 2020)."""

from dataclasses import dataclass

from talkface.errors import ConfigError

SOURCES = ("ref", "ani", "prev")


@dataclass(frozen=True)
class SpadeConfig:
    """The generator's layout; the defaults are the published ones (107.9 M parameters).

    The names in brackets are the flags of the authors' code.
    """

    size: int = 256  # side of the pictures in pixels
    crop: str = "face"  # preset of `data/crops`
    crop_side: float = 1.9  # of the preset `face`: side of the picture over that of the detector's box
    sketch: str = "edges_forehead"  # style of `landmarks.rasterize.face_sketch`
    sketch_channels: int = 1  # 3: with the lines' colours, 1: without (input_nc)
    shots: int = 8  # references that the network takes; fewer are repeated (n_shot)
    width: int = 32  # channels at full size, doubled by every halving up to 1024 (ngf)
    depth: int = 5  # halvings of the references and the label (n_downsample_G)
    attention_depth: int = 2  # halvings before the references are fused (n_downsample_A)
    fusion: str = "hybrid"  # hybrid: joint embedding of pictures and sketches (use_new); attention: few-shot vid2vid's,
    # each by itself; mean: the same without attention (no_atten)
    adaptive: bool = True  # SPADE weights from the references (adaptive_spade)
    adaptive_label: bool = True  # the label embedding's, too (not no_adaptive_embed)
    adaptive_layers: int = 4  # finest layers whose weights are adaptive (n_adaptive_layers)
    fc_layers: int = 2  # hidden layers of what makes these weights (n_fc_layers)
    composition: str = "nonlinear"  # linear: by masks; nonlinear: every source has its own SPADE (spade_combine)
    combined_layers: int = 2  # finest layers that the sources modulate, nonlinear only (n_sc_layers)
    raw: bool = True  # picture from references and label alone, for a loss of its own (add_raw_loss)
    warp_ref: bool = True  # a reference, warped, is a source
    warp_ani: bool = False  # a drawn 3-D face, warped, is a source
    warp_prev: bool = False  # the frame before, warped, is a source (the temporal stage)
    source_order: tuple[str, ...] = SOURCES  # in which the nonlinear composition numbers them; it changed between
    # versions of the authors' code
    crop_ref: bool = False  # eyes and mouth of the warped reference are hidden, so that they are generated (crop_ref)
    warp: bool = True  # False: sources as they are, not warped (no_warp)
    flow_width: int = 32  # nff
    flow_depth: int = 3  # n_downsample_F
    flow_blocks: int = 6  # n_blocks_F
    flow_reach: float = 20.0  # pixels of flow for an output of 1 (flow_multiplier)
    align_corners: bool = True  # False: the warp of the authors' code under PyTorch 1.3 and later, which shifts edges

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_order", tuple(self.source_order))  # a checkpoint's header has lists
        for name, known in (("composition", ("linear", "nonlinear")), ("fusion", ("hybrid", "attention", "mean"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"invalid model.{name} {getattr(self, name)!r}: expected one of {', '.join(known)}")
        if sorted(self.source_order) != sorted(SOURCES):
            raise ConfigError(
                f"invalid model.source_order {', '.join(self.source_order)}: expected {', '.join(SOURCES)} in any order"
            )
        if self.sketch_channels not in (1, 3):
            raise ConfigError(f"invalid model.sketch_channels {self.sketch_channels}: expected 1 or 3")
        if not 0 < self.attention_depth <= self.depth or self.adaptive_layers > self.depth:
            raise ConfigError(
                f"invalid model.attention_depth {self.attention_depth} or model.adaptive_layers "
                f"{self.adaptive_layers}: expected at most model.depth {self.depth}"
            )
        if self.size % 2**self.depth:
            raise ConfigError(f"invalid model.size {self.size}: expected a multiple of {2**self.depth}")

    @property
    def channels(self) -> list[int]:
        """Of every level from full size down, and one more for the input of the coarsest block."""
        most_channels = 1024
        most = min(most_channels, self.width * 2**self.depth)
        return [min(most, self.width * 2**level) for level in range(self.depth + 2)]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that this network takes."""
        there = {"ref": self.warp_ref, "ani": self.warp_ani, "prev": self.warp_prev}
        return tuple(name for name in SOURCES if there[name])
