"""References, their sketches, target's sketch, warpable pictures -> whole frame (Rhythmic Head Motion, Chen 2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from talkface.models.blocks import LEAK
from talkface.models.flow import warp_by_flow
from talkface.models.spade_blocks import BlockWeights, CompositionBlock, PlainBlock, SpadeBlock
from talkface.models.spade_config import SpadeConfig
from talkface.models.spade_embed import (
    HybridEmbedding,
    LabelEmbedding,
    PictureEmbedding,
    ReferenceAttention,
    ReferenceMatrices,
    SeparateEmbedding,
    WeightGenerator,
)


@dataclass(frozen=True)
class Source:
    """A picture that the output may be taken from.

    Attributes:
        image: `[B, 3, S, S]` in [-1, 1].
        sketch: `[B, c, S, S]` of that picture.
        hidden: `[B, 1, S, S]`, 1 where the target shows eyes and mouth: there the warped picture is black.
    """

    image: Tensor
    sketch: Tensor
    hidden: Tensor | None = None


@dataclass(frozen=True)
class Warped:
    """A source moved onto the target.

    Attributes:
        image: `[B, 3, S, S]`; the source itself in a network that does not warp.
        flow: `[B, 2, S, S]` pixels, backward, x right and y down.
        mask: `[B, 1, S, S]` in [0, 1]: where the picture so far is kept rather than this source.
    """

    image: Tensor
    flow: Tensor
    mask: Tensor


@dataclass(frozen=True)
class SpadeFrame:
    """Output of the network.

    Attributes:
        image: `[B, 3, S, S]` in [-1, 1].
        raw: the same from references and label alone; None where the network makes none.
        warped: by name of the source.
        attention: `[B, K, h, w]` share of each reference; None in a network that takes their mean.
    """

    image: Tensor
    raw: Tensor | None
    warped: Mapping[str, Warped]
    attention: Tensor | None


class SourceFlow(nn.Module):
    """Target's sketch, source's sketch and source -> flow and mask (few-shot vid2vid, Wang et al. 2019)."""

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        widths = [min(1024, config.flow_width * 2**level) for level in range(config.flow_depth + 1)]
        inputs = [2 * config.sketch_channels + 3, *widths[:-1]]
        self.down = nn.ModuleList(
            _FlowConv(before, after, 2 if level else 1)
            for level, (before, after) in enumerate(zip(inputs, widths, strict=True))
        )
        self.blocks = nn.Sequential(*(PlainBlock(widths[-1], widths[-1]) for _ in range(config.flow_blocks)))
        self.up = nn.ModuleList(_FlowConv(widths[i + 1], widths[i], 1) for i in reversed(range(config.flow_depth)))
        self.flow = nn.Conv2d(widths[0], 2, 3, padding=1)
        self.mask = nn.Conv2d(widths[0], 1, 3, padding=1)
        self.reach = config.flow_reach

    def forward(self, sketch: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """`[B, c, S, S]` -> flow `[B, 2, S, S]` in pixels and mask `[B, 1, S, S]`."""
        x = torch.cat([sketch, source.sketch, source.image], 1)
        for layer in self.down:
            x = layer(x)
        x = self.blocks(x)
        for layer in self.up:
            x = layer(F.interpolate(x, scale_factor=2))
        return self.flow(x).float() * self.reach, torch.sigmoid(self.mask(x))


class _FlowConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = spectral_norm(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), LEAK)


class SpadeNet(nn.Module):
    """The generator as a whole, in all the variants of `SpadeConfig`.

    Batch norm throughout, as published: averages of the training batches are used when training is over.
    """

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.config = config
        channels, depth = config.channels, config.depth
        self.attention = ReferenceAttention(config) if config.fusion != "mean" else None
        self.embedding = HybridEmbedding(config) if config.fusion == "hybrid" else SeparateEmbedding(config)
        self.matrices = ReferenceMatrices(config)
        adaptive = config.adaptive_layers if config.adaptive else 0
        self.weights = nn.ModuleList(WeightGenerator(config, level) for level in range(adaptive))
        self.label = LabelEmbedding(config)
        self.combined = config.combined_layers if config.composition == "nonlinear" else 0
        self.blocks = nn.ModuleList()  # from full size down
        for level in range(depth + 1):
            sources = len(config.source_order) if level < self.combined else 0
            maps = [channels[level]] * (1 + sources)
            block = CompositionBlock if self._composes(level) else SpadeBlock
            self.blocks.append(block(channels[level + 1], channels[level], maps, level < adaptive))
        self.to_image = nn.Conv2d(channels[0], 3, 3, padding=1)
        self.flows = nn.ModuleDict({name: SourceFlow(config) for name in config.sources})
        embedded = config.sources if self.combined else ()
        self.source_embeddings = nn.ModuleDict({name: PictureEmbedding(config, 4) for name in embedded})

    def forward(
        self,
        sketch: Tensor,
        shots: Tensor,
        shot_sketches: Tensor,
        sources: Mapping[str, Source],
        with_raw: bool = True,
    ) -> SpadeFrame:
        """Generate a frame.

        Args:
            sketch: `[B, c, S, S]` of the target, in [-1, 1].
            shots: `[B, K, 3, S, S]` references in [-1, 1].
            shot_sketches: `[B, K, c, S, S]`.
            sources: what is warped, by name; one that this network takes and that is missing takes no part, such as
                the frame before the first.
            with_raw: False leaves the second picture out where it costs extra, as for use after training.
        """
        attention = None if self.attention is None else self.attention(sketch, shot_sketches)
        image, of_sketch = self.embedding(shots, shot_sketches, attention)
        matrices = self.matrices(image, of_sketch)
        made = [maker(matrices[level + 1]) for level, maker in enumerate(self.weights)]
        label = self.label(sketch, [kernel for _, kernel in made])
        warped = self._warp(sketch, sources)
        weights = [block for block, _ in made]
        if self.combined:
            generated, raw = self._compose(image, label, warped, weights, with_raw and self.config.raw)
            return SpadeFrame(generated, raw, warped, attention)
        every = range(len(self.blocks))
        raw = self._picture(self._decode(image, [[values] for values in label], weights, every))
        return SpadeFrame(blend(raw, warped), raw, warped, attention)

    def _composes(self, level: int) -> bool:
        """Whether a level's block averages over sources rather than modulating by one after the other.

        Few-shot vid2vid does the latter, as Rhythmic's code does without its hybrid embedding.
        """
        return self.config.fusion == "hybrid" and level < self.config.combined_layers

    def _compose(
        self,
        image: Tensor,
        label: Sequence[Tensor],
        warped: Mapping[str, Warped],
        weights: Sequence[BlockWeights],
        with_raw: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Non-linear composition: every source has its own SPADE in the finest levels; and the picture without them."""
        there = {
            name: self.source_embeddings[name](torch.cat([source.image, source.mask], 1), self.combined)
            for name, source in warped.items()
        }
        maps: list[list[Tensor | None]] = [[values] for values in label]
        for level in range(self.combined):
            maps[level] += [there[name][level] if name in there else None for name in self.config.source_order]
        x = self._decode(image, maps, weights, range(self.combined, len(self.blocks)))
        fine, raw = range(self.combined), None
        if with_raw:
            raw = self._picture(self._decode(x, [[values] for values in label], weights, fine))
        return self._picture(self._decode(x, maps, weights, fine)), raw

    def _decode(
        self, x: Tensor, maps: Sequence[Sequence[Tensor | None]], weights: Sequence[BlockWeights], levels: range
    ) -> Tensor:
        """Features through the blocks of some levels, the coarsest first; doubled after each but the last."""
        for level in reversed(levels):
            x = self.blocks[level](x, maps[level], weights[level] if level < len(weights) else None)
            if level:
                x = F.interpolate(x, scale_factor=2)
        return x

    def _picture(self, x: Tensor) -> Tensor:
        return torch.tanh(self.to_image(F.leaky_relu(x, LEAK)))

    def _warp(self, sketch: Tensor, sources: Mapping[str, Source]) -> dict[str, Warped]:
        warped = {}
        for name in self.config.sources:
            if name not in sources:
                continue
            flow, mask = self.flows[name](sketch, sources[name])
            image = sources[name].image
            moved = warp_by_flow(image, flow, self.config.align_corners) if self.config.warp else image
            hidden = sources[name].hidden
            if hidden is not None:
                moved = torch.where(hidden > 0, -1.0, moved)  # nothing of the pixels remains, whatever they were
            warped[name] = Warped(moved.to(image.dtype), flow, mask)
        return warped


def network_sketch(sketch: Tensor, config: SpadeConfig) -> Tensor:
    """`[..., 3, S, S]` drawing -> what the network takes of it: all channels, or the brightest of every pixel."""
    return sketch if config.sketch_channels == 3 else sketch.amax(-3, keepdim=True)


def blend(image: Tensor, warped: Mapping[str, Warped]) -> Tensor:
    """Linear composition in the order ani, ref, prev: `mask * so far + (1 - mask) * source` (Chen et al. 2020)."""
    for name in ("ani", "ref", "prev"):
        if name in warped:
            source = warped[name]
            image = source.image + source.mask * (image - source.image)
    return image
