"""Layer codes and sizes -> settings and layers of the few-shot renderer's networks (FSTH, Zakharov et al. 2019)."""

from dataclasses import dataclass

from torch import Tensor, nn

from talkface.errors import ConfigError
from talkface.landmarks.rasterize import SKETCHES
from talkface.models.layer_code import Layer, num_halvings, parse_layers
from talkface.models.norms import AdainSlots, InstanceNorm
from talkface.models.residual import ConvResBlock, SelfAttention

POOLINGS = ("sum", "max", "mean")
OUTPUTS = ("tanh", "sigmoid")
UPSAMPLINGS = ("nearest", "bilinear")
_NORMS = {"D": "none", "U": "adain", "US": "spade", "BA": "adain", "BS": "spade"}


@dataclass(frozen=True)
class FewshotConfig:
    """The three networks; travels in the checkpoint. The defaults are the paper's layout."""

    size: int = 256  # side of the pictures in pixels
    crop: str = "fsth"  # preset of `data/prepare/crops` that pictures are cut with
    crop_side: float = 1.9  # of the preset `face`: side of the picture over that of the detector's box
    sketch: str = "lines"  # what the networks see of the landmarks: lines | edges, and either with _forehead
    embedding: int = 512  # length of the identity's vector
    embedder: str = "D64,D128,D256,A,D512,D512,D512"
    generator: str = "D64k9,I,D128,I,D256,I,A,D512,I,BA512*5,U256,U128,A,U64,U32"
    discriminator: str = "D64,D128,D256,A,D512,D512,D512,B512"
    pooling: str = "sum"  # over the places of the embedder's and the discriminator's last map: sum | max | mean
    relu_before_pooling: bool = False  # the paper pools first
    upsampling: str = "nearest"  # nearest | bilinear
    output: str = "tanh"  # tanh | sigmoid, whose 0 to 1 is stretched to -1 to 1
    spectral: bool = True  # spectral norm of every convolution
    spectral_projection: bool = False  # and of the projection from embedding to adaptive layers

    def __post_init__(self) -> None:
        choices = (("pooling", POOLINGS), ("upsampling", UPSAMPLINGS), ("output", OUTPUTS), ("sketch", SKETCHES))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise ConfigError(f"model.{name} is {getattr(self, name)!r}: use one of {', '.join(known)}")
        for name in ("embedder", "discriminator"):
            layers = parse_layers(getattr(self, name))
            if any(layer.kind not in ("D", "B", "A") for layer in layers):
                raise ConfigError(f"model.{name} may hold D, B and A only, it is {getattr(self, name)!r}")
            if last_channels(layers) != self.embedding:
                raise ConfigError(
                    f"model.{name} ends with {last_channels(layers)} channels, model.embedding is {self.embedding}:"
                    " they must be the same"
                )
            self._check_halvings(name, num_halvings(layers))
        layers = parse_layers(self.generator)
        if num_halvings(layers) != 0:
            raise ConfigError(f"model.generator must double as often as it halves: {self.generator!r}")
        self._check_halvings("generator", sum(layer.kind == "D" for layer in layers))

    def _check_halvings(self, name: str, halvings: int) -> None:
        if self.size % (1 << halvings):
            raise ConfigError(
                f"model.{name} halves {halvings} times, model.size {self.size} must be a multiple of {1 << halvings}"
            )


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
    channels = inputs
    for layer in parse_layers(line):
        if layer.kind == "I":
            modules.append(InstanceNorm(channels))
        elif layer.kind == "A":
            modules.append(SelfAttention(channels, config.spectral))
        else:
            modules.append(
                ConvResBlock(
                    channels,
                    layer.channels,
                    kernels=layer.kernels,
                    norm=_NORMS.get(layer.kind, same_norm),
                    resample={"D": "down", "U": config.upsampling}.get(layer.kind[0], "same"),
                    spectral=config.spectral,
                    slots=slots,
                    activate_input=len(modules) > 0,
                )
            )
            channels = layer.channels
    return modules


def pool_places(x: Tensor, config: FewshotConfig) -> Tensor:
    """`[B, C, H, W]` -> `[B, C]`, none negative: pooled over places in float32, and rectified."""
    x = x.float().relu() if config.relu_before_pooling else x.float()
    if config.pooling == "max":
        pooled = x.amax((2, 3))
    else:
        pooled = x.sum((2, 3)) if config.pooling == "sum" else x.mean((2, 3))
    return pooled.relu()
