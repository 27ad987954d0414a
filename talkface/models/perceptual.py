"""Picture in [-1, 1] -> features of a fixed network, which owns the order, range and mean that its weights expect."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class PerceptualSettings:
    """Tolerances and the test network's sizes."""

    range_slack: float = 1e-3  # bf16 rounds 1 to 1, but sums of bf16 pictures may pass it by a little
    vgg16: tuple[int, ...] = (2, 2, 3, 3, 3)  # convolutions before each pooling
    vgg19: tuple[int, ...] = (2, 2, 4, 4, 4)
    vgg_widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    tiny_widths: tuple[int, ...] = (8, 16, 16, 32, 32)
    tiny_seed: int = 19
    caffe_to_torchvision: float = 1 / (255 * 0.225)
    """Scale of the input of torchvision's networks: their paper weights grow by its inverse, 57."""


PERCEPTUAL = PerceptualSettings()


@dataclass(frozen=True)
class PerceptualKind:
    """Input that one set of weights expects, and the weight of its term in the two versions of FSTH.

    Attributes:
        convolutions: before each pooling.
        bgr: order of the channels.
        high: value of white; black is 0.
        mean: subtracted, in the network's own order and range.
        std: divided by.
        weights: by version of the paper, `v1` and `v2`.
        source: where the weights come from.
    """

    convolutions: tuple[int, ...]
    bgr: bool
    high: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: dict[str, float]
    source: str


KINDS = {
    "caffe_vgg19": PerceptualKind(
        PERCEPTUAL.vgg19,
        bgr=True,
        high=255,
        mean=(103.939, 116.779, 123.680),
        std=(1, 1, 1),
        weights={"v1": 1.5e-1, "v2": 1e-2},
        source="VGG_ILSVRC_19_layers.caffemodel (Simonyan & Zisserman) or its copy vgg19-d01eb7cb.pth (J. Johnson)",
    ),
    "caffe_vggface": PerceptualKind(
        PERCEPTUAL.vgg16,
        bgr=True,
        high=255,
        mean=(93.5940, 104.7624, 129.1863),
        std=(1, 1, 1),
        weights={"v1": 2.5e-2, "v2": 2e-3},
        source="VGG_FACE.caffemodel (Parkhi, Vedaldi & Zisserman)",
    ),
    "torchvision_vgg19": PerceptualKind(
        PERCEPTUAL.vgg19,
        bgr=False,
        high=1,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        weights={"v1": 1.5e-1 / PERCEPTUAL.caffe_to_torchvision, "v2": 1e-2 / PERCEPTUAL.caffe_to_torchvision},
        source="vgg19-dcbb9e9d.pth (torchvision)",
    ),
    "tiny": PerceptualKind(
        (1, 1, 1, 1, 1),
        bgr=False,
        high=1,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        weights={"v1": 1.0, "v2": 1.0},
        source="random weights made on the spot",
    ),
    "dlib_face": PerceptualKind(
        (),
        bgr=False,
        high=255,
        mean=(122.782, 117.001, 104.298),
        std=(256, 256, 256),
        weights={"v1": 1.0, "v2": 1.0},
        source="dlib_face_recognition_resnet_model_v1.dat of face_recognition_models (King 2017, public domain)",
    ),
}
"""FSTH takes conv1_1, 2_1, 3_1, 4_1, 5_1 of both networks; its first version counts them 1.5e-1 and 2.5e-2, its second
1e-2 and 2e-3. These numbers mean something with the Caffe networks' range only, hence the factor of torchvision's.
`dlib_face` is not a VGG: its five maps lie near 1 and count as they are."""


class PerceptualNet(nn.Module):
    """The layers of a VGG up to `conv5_1`, frozen; `tiny` is five random convolutions that need no download.

    Its convolutions are called `conv1_1`, `conv1_2`, `conv2_1` and so on, as in the published Caffe models.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = KINDS[kind]
        self.convs = nn.ModuleDict()
        before = 3
        for name, inputs, outputs in layer_shapes(kind):
            assert inputs == before, name
            self.convs[name] = nn.Conv2d(inputs, outputs, 3, padding=1)
            before = outputs
        if kind == "tiny":
            _fill_at_random(self)
        self.register_buffer("mean", torch.tensor(self.kind.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(self.kind.std)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]` RGB in [-1, 1] -> five maps, after the ReLU of `conv1_1` ... `conv5_1`.

        Raises:
            ValueError: values outside [-1, 1]: another range makes every weight of the loss wrong.
        """
        x = self.prepared(image)
        features = []
        block = "1"
        for name, conv in self.convs.items():
            if name[4] != block:
                x = F.max_pool2d(x, 2)
                block = name[4]
            x = F.relu(conv(x))
            if name.endswith("_1"):
                features.append(x)
        return features

    def prepared(self, image: Tensor) -> Tensor:
        """Picture in the order, range and mean that the weights expect."""
        x = (signed(image) + 1) * (self.kind.high / 2)
        x = x.flip(1) if self.kind.bgr else x
        return (x - self.mean) / self.std


def signed(image: Tensor) -> Tensor:
    """The picture as float32.

    Raises:
        ValueError: values outside [-1, 1].
    """
    largest = float(image.detach().abs().amax())
    if largest > 1 + PERCEPTUAL.range_slack:
        raise ValueError(f"pictures must lie in [-1, 1], the largest value is {largest:.3g}")
    return image.float()


def layer_shapes(kind: str) -> list[tuple[str, int, int]]:
    """Name, inputs and outputs of every convolution up to the first of the last block."""
    convolutions = KINDS[kind].convolutions
    widths = PERCEPTUAL.tiny_widths if kind == "tiny" else PERCEPTUAL.vgg_widths
    shapes, before = [], 3
    for block, (count, width) in enumerate(zip(convolutions, widths, strict=True), 1):
        for number in range(1, count + 1 if block < len(convolutions) else 2):
            shapes.append((f"conv{block}_{number}", before, width))
            before = width
    return shapes


def _fill_at_random(network: nn.Module) -> None:
    """The same filters every time, whatever was drawn before; biases let an even grey through too."""
    generator = torch.Generator().manual_seed(PERCEPTUAL.tiny_seed)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            nn.init.orthogonal_(parameter, gain=2**0.5, generator=generator)
        else:
            nn.init.normal_(parameter, std=0.1, generator=generator)
