"""Face in [-1, 1] -> 128 numbers that say who it is, or features on the way: dlib's 29-layer ResNet in torch.

King 2017, "High quality face recognition with deep metric learning": a ResNet-34 with fewer layers and half the
filters, trained on faces of 150 x 150 pixels. Its batch normalisation is a factor and a shift of each channel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.models.perceptual import KINDS, signed

DLIB_FILE = "dlib_face_recognition_resnet_model_v1.dat"


class _Conv(nn.Module):
    """Convolution, then a factor and a shift of each channel; no padding where it halves the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=0 if stride > 1 else kernel // 2)
        self.gain, self.shift = nn.Parameter(torch.ones(outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift[:, None, None], self.conv(x), self.gain[:, None, None])


class _Block(nn.Module):
    """Two convolutions and a skip, averaged where the first one halves the size."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        self.first = _Conv(inputs, outputs, 3, 2 if halves else 1)
        self.second = _Conv(outputs, outputs, 3, 1)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.second(F.relu(self.first(x)))
        return F.relu(_add(hidden, F.avg_pool2d(x, 2) if self.halves else x))


class DlibFaceNet(nn.Module):
    """The network, frozen; `load_dlib_face` fills it."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.kind = KINDS["dlib_face"]
        # channels, blocks, and whether the first block halves the size
        levels = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
        self.stem = _Conv(3, levels[0][0], 7, 2)
        self.levels = nn.ModuleList()
        before = levels[0][0]
        for width, count, halves in levels:
            blocks = [_Block(before if not i else width, width, halves=halves and not i) for i in range(count)]
            self.levels.append(nn.Sequential(*blocks))
            before = width
        descriptor = 128
        self.last = nn.Linear(before, descriptor, bias=False)
        self.register_buffer("mean", torch.tensor(self.kind.mean)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]` RGB face in [-1, 1], brought to 150 x 150 -> the maps after each of the five levels.

        Raises:
            ValueError: values outside [-1, 1].
        """
        x = (signed(image) + 1) * (self.kind.high / 2)
        side = 150  # pixels
        if x.shape[-2:] != (side, side):
            x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
        x = F.max_pool2d(F.relu(self.stem((x - self.mean) / self.kind.std[0])), 3, 2)
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features

    def descriptor(self, image: Tensor) -> Tensor:
        """`[B, 128]` of faces cut as dlib's chips; below a distance of 0.6 two pictures show one person."""
        return torch.as_tensor(self.last(self.forward(image)[-1].mean((2, 3))))


def _add(first: Tensor, second: Tensor) -> Tensor:
    """The sum of two maps; the smaller one counts as 0 where it has no channel, row or column."""
    sizes = [max(pair) for pair in zip(first.shape[1:], second.shape[1:], strict=True)]
    return _padded(first, sizes) + _padded(second, sizes)


def _padded(x: Tensor, sizes: list[int]) -> Tensor:
    channels, height, width = (wanted - had for wanted, had in zip(sizes, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels))
