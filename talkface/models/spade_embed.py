"""References and sketches -> fused features, and the SPADE weights that follow from them; label -> its embedding."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from talkface.models.blocks import LEAK
from talkface.models.spade_blocks import BlockWeights, Kernel, PlainBlock, SpadeWeights, SpectralConv
from talkface.models.spade_config import SpadeConfig


class ReferenceAttention(nn.Module):
    """Share of every reference at each place, by how alike its sketch is to the target's there (Wang et al. 2019)."""

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.query = _pyramid(config.sketch_channels, config.channels, config.attention_depth)
        self.key = _pyramid(config.sketch_channels, config.channels, config.attention_depth)

    def forward(self, sketch: Tensor, shot_sketches: Tensor) -> Tensor:
        """`[B, c, S, S]`, `[B, K, c, S, S]` -> `[B, K, h, w]`, which sum to 1 over the references."""
        key = self.key(shot_sketches.flatten(0, 1)).unflatten(0, shot_sketches.shape[:2])
        return (key * self.query(sketch)[:, None]).sum(2).softmax(1)


class HybridEmbedding(nn.Module):
    """Pictures and sketches of the references -> one map each; both are joined where the references are fused.

    Chen et al. 2020, section 3.2: each reference's picture and sketch are fused and given back to both; over the
    references goes an attended sum, and a convolution of all of them stacked.
    """

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        channels, level = config.channels, config.attention_depth
        width = channels[level]
        self.level = level
        self.image = _pyramid(3, channels, config.depth)
        self.sketch = _pyramid(config.sketch_channels, channels, config.depth)
        self.several = config.shots > 1
        if self.several:
            self.joint = PlainBlock(2 * width, width)
            self.joint_to_image, self.joint_to_sketch = SpectralConv(2 * width, width), SpectralConv(2 * width, width)
            self.stacked_images = SpectralConv(config.shots * width, width)
            self.stacked_sketches = SpectralConv(config.shots * width, width)

    def forward(self, shots: Tensor, shot_sketches: Tensor, attention: Tensor | None) -> tuple[Tensor, Tensor]:
        """`[B, K, 3, S, S]`, `[B, K, c, S, S]`, `[B, K, h, w]` -> `[B, C, s, s]` of pictures and of sketches."""
        image, sketch = shots.flatten(0, 1), shot_sketches.flatten(0, 1)
        for place, (of_image, of_sketch) in enumerate(zip(self.image, self.sketch, strict=True)):
            image, sketch = of_image(image), of_sketch(sketch)
            if self.several and place == self.level:
                image, sketch = self._fuse(image, sketch, shots.shape[0], attention)
        return image, sketch

    def _fuse(self, image: Tensor, sketch: Tensor, batch: int, attention: Tensor | None) -> tuple[Tensor, Tensor]:
        joint = self.joint(torch.cat([image, sketch], 1))
        fused = []
        for own, give_back, stacked in (
            (image, self.joint_to_image, self.stacked_images),
            (sketch, self.joint_to_sketch, self.stacked_sketches),
        ):
            every = give_back(torch.cat([own, joint], 1)).unflatten(0, (batch, -1))
            fused.append(_fused(every, attention) + stacked(own.unflatten(0, (batch, -1)).flatten(1, 2)))
        return fused[0], fused[1]


class SeparateEmbedding(nn.Module):
    """Few-shot vid2vid's: pictures and sketches each by themselves, fused by attention or by the mean."""

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.level = config.attention_depth
        self.several = config.shots > 1
        self.image = _pyramid(3, config.channels, config.depth)
        self.sketch = _pyramid(config.sketch_channels, config.channels, config.depth)

    def forward(self, shots: Tensor, shot_sketches: Tensor, attention: Tensor | None) -> tuple[Tensor, Tensor]:
        """As `HybridEmbedding`."""
        return self._embed(self.image, shots, attention), self._embed(self.sketch, shot_sketches, attention)

    def _embed(self, layers: nn.Sequential, given: Tensor, attention: Tensor | None) -> Tensor:
        x = given.flatten(0, 1)
        for place, layer in enumerate(layers):
            x = layer(x)
            if self.several and place == self.level:
                x = _fused(x.unflatten(0, given.shape[:2]), attention)
        return x


class ReferenceMatrices(nn.Module):
    """Fused features -> per level a matrix: the picture's channels seen where each of the sketch's channels is on."""

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        channels = config.channels
        pairs = [(channels[level + 1], channels[level]) for level in range(config.depth)]
        self.image = nn.ModuleList(SpectralConv(*pair) for pair in pairs)
        self.sketch = nn.ModuleList(SpectralConv(*pair) for pair in pairs)

    def forward(self, image: Tensor, sketch: Tensor) -> list[Tensor]:
        """`[B, C, s, s]` twice -> `[B, c, c]` from the finest level to the coarsest.

        All are computed at the coarsest resolution; the softmax goes over the sketch's channels.
        """
        matrices = [_matrix(image, sketch)]
        for of_image, of_sketch in zip(reversed(self.image), reversed(self.sketch), strict=True):
            image, sketch = of_image(image), of_sketch(sketch)
            matrices.append(_matrix(image, sketch))
        return matrices[::-1]


class WeightGenerator(nn.Module):
    """A level's matrix -> kernels of that level's SPADE layers and of the label embedding (Wang et al. 2019).

    Every row of the matrix goes through the same fully connected layers and gives a part of the kernels.
    """

    def __init__(self, config: SpadeConfig, level: int) -> None:
        super().__init__()
        fine, coarse = config.channels[level], config.channels[level + 1]
        self.fine, self.coarse = fine, coarse
        per_row = 2 * (fine + 1)
        makes = {"first": per_row, "second": fine + 1 if fine != coarse else per_row, "shortcut": per_row}
        if config.adaptive_label:
            makes["label"] = fine + 1
        self.layers = nn.ModuleDict({name: _connected(coarse, config.fc_layers, out) for name, out in makes.items()})

    def forward(self, matrix: Tensor) -> tuple[BlockWeights, Kernel | None]:
        """`[B, coarse, coarse]` -> kernels of one block, and the label embedding's where it is adaptive."""
        made = {name: layer(matrix).flatten(1) for name, layer in self.layers.items()}
        first, shortcut = (self._pair(made[name], self.coarse) for name in ("first", "shortcut"))
        label = self._kernel(made["label"], self.coarse) if "label" in made else None
        return BlockWeights(first, self._pair(made["second"], self.fine), shortcut), label

    def _pair(self, values: Tensor, outputs: int) -> SpadeWeights:
        scale, shift = values.chunk(2, dim=1)
        return SpadeWeights(self._kernel(scale, outputs), self._kernel(shift, outputs))

    def _kernel(self, values: Tensor, outputs: int) -> Kernel:
        weight, bias = values[:, :-outputs], values[:, -outputs:]
        return Kernel(weight.unflatten(1, (outputs, self.fine)), bias)


class PictureEmbedding(nn.Module):
    """Picture and mask -> maps of every level: plain strided convolutions."""

    def __init__(self, config: SpadeConfig, inputs: int) -> None:
        super().__init__()
        channels = config.channels
        self.down = nn.ModuleList([nn.Conv2d(inputs, channels[0], 3, padding=1)])
        for level in range(config.depth):
            self.down.append(nn.Conv2d(channels[level], channels[level + 1], 3, stride=2, padding=1))

    def forward(self, x: Tensor, levels: int | None = None) -> list[Tensor]:
        """`[B, I, S, S]` -> `[B, c, s, s]` from full size down, of so many levels or all."""
        maps = []
        for layer in self.down[:levels]:
            x = F.leaky_relu(layer(x), LEAK)
            maps.append(x)
        return maps


class LabelEmbedding(nn.Module):
    """Target's sketch -> maps of every level, down and up again; the finest ways up by kernels that are given."""

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.down = PictureEmbedding(config, config.sketch_channels)
        self.given = config.adaptive_layers if config.adaptive and config.adaptive_label else 0
        channels = config.channels
        self.up = nn.ModuleDict(
            {
                str(level): nn.ConvTranspose2d(channels[level + 1], channels[level], 3, 2, 1, output_padding=1)
                for level in range(self.given, config.depth)
            }
        )
        self.depth = config.depth

    def forward(self, sketch: Tensor, kernels: Sequence[Kernel | None]) -> list[Tensor]:
        """`[B, c, S, S]` -> `[B, C, s, s]` from full size down."""
        x = self.down(sketch)[-1]
        maps = [x]
        for level in reversed(range(self.depth)):
            kernel = kernels[level] if level < self.given else None
            x = F.leaky_relu(self.up[str(level)](x), LEAK) if kernel is None else kernel.apply_doubling(x)
            maps.append(x)
        return maps[::-1]


def _pyramid(inputs: int, channels: Sequence[int], depth: int) -> nn.Sequential:
    """A convolution at full size and `depth` halvings."""
    halvings = [SpectralConv(channels[level], channels[level + 1], stride=2) for level in range(depth)]
    return nn.Sequential(SpectralConv(inputs, channels[0]), *halvings)


def _connected(width: int, hidden: int, outputs: int) -> nn.Sequential:
    """Fully connected layers without an activation between them, as published."""
    widths = [*([width] * hidden), outputs]
    return nn.Sequential(*(spectral_norm(nn.Linear(width, out)) for out in widths))


def _fused(every: Tensor, attention: Tensor | None) -> Tensor:
    """`[B, K, C, h, w]`, `[B, K, h, w]` -> `[B, C, h, w]`; the mean without attention."""
    return every.mean(1) if attention is None else (every * attention[:, :, None]).sum(1)


def _matrix(image: Tensor, sketch: Tensor) -> Tensor:
    """`[B, c, h, w]` twice -> `[B, c, c]`."""
    return image.flatten(2) @ sketch.softmax(1).flatten(2).transpose(1, 2)
