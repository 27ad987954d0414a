"""Layer codes and sizes -> settings and layers of the few-shot renderer's networks (FSTH, Zakharov et al. 2019)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from talkface.errors import ConfigError
from talkface.landmarks.sketch_styles import CHANGES, SKETCHES, sketch_style
from talkface.models.layer_code import Layer, num_halvings, parse_layers
from talkface.models.norms import NORM, AdainSlots, InstanceNorm, NormStyle
from talkface.models.residual import PADDINGS, BlockStyle, ConvResBlock, JohnsonBlock, SelfAttention


@dataclass(frozen=True)
class FewshotConfig:
    """The three networks; travels in the checkpoint. The defaults are the paper's layout."""

    size: int = 256  # side of the pictures in pixels
    crop: str = "fsth"  # preset of `data/prepare/crops` that pictures are cut with
    crop_side: float = 1.9  # of the preset `face`: side of the picture over that of the detector's box
    sketch: str = "lines"  # what the networks see of the landmarks: a name of `landmarks/sketch_styles`
    embedding: int = 512  # length of the identity's vector
    embedder: str = "D64,D128,D256,A,D512,D512,D512"
    generator: str = "D64k9,I,D128,I,D256,I,A,D512,I,BA512*5,U256,U128,A,U64,U32"
    discriminator: str = "D64,D128,D256,A,D512,D512,D512,B512"
    pooling: str = "sum"  # over the places of the embedder's and the discriminator's last map: sum | max | mean
    discriminator_pooling: str = ""  # the discriminator's, where it is another
    relu_before_pooling: bool = False  # the paper pools first
    upsampling: str = "nearest"  # nearest | bilinear
    output: str = "tanh"  # tanh | sigmoid, whose 0 to 1 is stretched to -1 to 1
    spectral: bool = True  # spectral norm of every convolution
    spectral_projection: bool = False  # and of the projection from embedding to adaptive layers
    spectral_attention: bool = True  # of those in self-attention
    spectral_output: bool = True  # of the generator's last one
    attention: str = "pooled"  # pooled keys and values, as in SAGAN's code | full
    slope: float = 0.0  # of the activations below 0
    padding: str = "zeros"  # zeros | reflect
    block_bias: bool = True  # convolutions beside a normalisation have a bias
    rectified_skip: bool = False  # skips see the activated input, as in code that rectifies in place
    reuse_adain: bool = False  # a JA block's second normalisation takes the scale and shift of its first
    norm_eps: float = NORM.norm_eps  # added to the variance by every normalisation
    unbiased_adain: bool = False  # adaptive layers divide by the unbiased deviation + 1e-5
    adain_around_one: bool = True  # the scale is 1 + what the projection gives
    projection_bias: bool = True
    range: str = "signed"  # of pictures and sketches inside the networks: signed, -1 to 1 | unit, 0 to 1
    padded: int = 0  # side that pictures are padded to with black; the generator's last doubling comes back to `size`
    transposed: bool = False  # the networks see rows as columns
    score_sigmoid: bool = False  # the score lies between 0 and 1

    def __post_init__(self) -> None:
        choices = {
            "pooling": ("sum", "max", "mean"),
            "discriminator_pooling": ("", "sum", "max", "mean"),
            "upsampling": ("nearest", "bilinear"),
            "output": ("tanh", "sigmoid"),
            "attention": ("pooled", "full"),
            "padding": PADDINGS,
            "range": ("signed", "unit"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"invalid model.{name} {getattr(self, name)!r}: expected one of {', '.join(known)}")
        if sketch_style(self.sketch) is None:
            raise ConfigError(
                f"invalid model.sketch {self.sketch!r}: expected one of {', '.join(SKETCHES)}, with any of"
                f" {', '.join(f'_{change}' for change in CHANGES)} after it"
            )
        if self.padded and self.padded < self.size:
            raise ConfigError(
                f"invalid model.padded {self.padded}: expected model.size {self.size} or more, or 0 for none"
            )
        for name in ("embedder", "discriminator"):
            layers = parse_layers(getattr(self, name))
            if any(layer.kind not in ("D", "B", "J", "JN", "A") for layer in layers):
                raise ConfigError(f"model.{name} may hold D, B, J, JN and A only, it is {getattr(self, name)!r}")
            if last_channels(layers) != self.embedding:
                raise ConfigError(
                    f"model.{name} ends with {last_channels(layers)} channels, model.embedding is {self.embedding}:"
                    " they must be the same"
                )
            self._check_halvings(name, num_halvings(layers))
        layers = parse_layers(self.generator)
        if num_halvings(layers) != 0:
            raise ConfigError(f"invalid model.generator {self.generator!r}: expected as many doublings as halvings")
        self._check_halvings("generator", sum(layer.kind in ("D", "DI") for layer in layers))

    @property
    def side(self) -> int:
        """Side in pixels of what the networks see."""
        return self.padded or self.size

    @property
    def style(self) -> BlockStyle:
        """Settings shared by the blocks of the three networks."""
        return BlockStyle(
            spectral=self.spectral,
            padding=self.padding,
            slope=self.slope,
            bias=self.block_bias,
            rectified_skip=self.rectified_skip,
            reuse_adain=self.reuse_adain,
            norm=NormStyle(self.norm_eps, self.unbiased_adain, self.adain_around_one),
        )

    def _check_halvings(self, name: str, halvings: int) -> None:
        if self.side % (1 << halvings):
            what = f"model.padded {self.padded}" if self.padded else f"model.size {self.size}"
            raise ConfigError(f"model.{name} halves {halvings} times, {what} must be a multiple of {1 << halvings}")


def last_channels(layers: list[Layer]) -> int:
    """Channels after the last layer that sets them."""
    return [layer.channels for layer in layers if layer.channels][-1]


def build_layers(
    line: str, inputs: int, config: FewshotConfig, same_norm: str, slots: AdainSlots | None = None
) -> nn.ModuleList:
    """Modules of a layer code, each called as `module(x, conditions)`.

    Args:
        inputs: channels of the first layer's input.
        same_norm: normalisation of `B`.
        slots: where adaptive layers take their place.
    """
    modules = nn.ModuleList()
    channels, style, layers = inputs, config.style, parse_layers(line)
    last_doubling = max((place for place, layer in enumerate(layers) if layer.kind[0] == "U"), default=-1)
    norms = {
        **{"D": "none", "DI": "instance", "U": "adain", "US": "spade", "BA": "adain", "BS": "spade"},
        **{"J": "instance", "JA": "adain", "JN": "none"},
    }
    for place, layer in enumerate(layers):
        if layer.kind == "I":
            modules.append(InstanceNorm(channels, config.norm_eps))
        elif layer.kind == "A":
            spectral = config.spectral and config.spectral_attention
            modules.append(SelfAttention(channels, spectral, config.attention == "pooled"))
        elif layer.kind[0] == "J":
            norm = norms[layer.kind]
            modules.append(JohnsonBlock(channels, kernels=layer.kernels, norm=norm, slots=slots, style=style))
        else:
            modules.append(
                ConvResBlock(
                    channels,
                    layer.channels,
                    kernels=layer.kernels,
                    norm=norms.get(layer.kind, same_norm),
                    resample={"D": "down", "U": config.upsampling}.get(layer.kind[0], "same"),
                    slots=slots,
                    activate_input=len(modules) > 0,
                    style=style,
                    side=config.size if config.padded and place == last_doubling else None,
                )
            )
            channels = layer.channels
    return modules


def as_seen(pictures: Tensor, config: FewshotConfig) -> Tensor:
    """`[..., S, S]` in [-1, 1] -> what the networks see of it: transposed, in their range, padded with black."""
    x = pictures.transpose(-1, -2) if config.transposed else pictures
    if config.range == "unit":
        x = (x + 1) / 2
    border = (config.side - config.size) // 2
    return F.pad(x, (border,) * 4, value=0.0 if config.range == "unit" else -1.0) if border else x


def pool_places(x: Tensor, config: FewshotConfig, pooling: str = "") -> Tensor:
    """`[B, C, H, W]` -> `[B, C]`, activated: pooled over places in float32.

    Args:
        pooling: one of `POOLINGS`; that of `config` where not given.
    """
    pooling, style = pooling or config.pooling, config.style
    x = style.activate(x.float()) if config.relu_before_pooling else x.float()
    if pooling == "max":
        pooled = x.amax((2, 3))
    else:
        pooled = x.sum((2, 3)) if pooling == "sum" else x.mean((2, 3))
    return style.activate(pooled)
