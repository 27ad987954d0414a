"""Warped patches, the photo's own and sketches -> colour, mask and their blend over the warp."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.models import load_renamed
from talkface.models.blocks import AdaptiveResBlock, PatchEmbedder, ResBlock
from talkface.models.flow import FlowNetwork, warp_by_flow
from talkface.models.hybrid_compose import IdentitySpadeBlock, ModulatedBlock, Sources, blend_linear
from talkface.models.hybrid_config import HybridConfig
from talkface.models.hybrid_embed import SketchSimilarity, SlotMix, mix, shares


@dataclass(frozen=True)
class Enrolled:
    """Features that enrolling computes once per person; K photos.

    Attributes:
        patches: `[K, 6, S, S]` each photo's own patch and sketch, in [-1, 1].
        embedding: `[D]`.
    """

    patches: Tensor
    embedding: Tensor


@dataclass(frozen=True)
class Previous:
    """The frame before.

    Attributes:
        image: `[B, 3, S, S]` its patch as it was generated.
        sketch: `[B, 3, S, S]` what it was generated for.
    """

    image: Tensor
    sketch: Tensor


@dataclass(frozen=True)
class PatchOutput:
    """One rendered batch.

    Attributes:
        image: `[B, 3, S, S]` mask * colour + (1 - mask) * warped where nothing else is composed.
        colour: `[B, 3, S, S]` the picture of the network.
        mask: `[B, 1, S, S]` how much of the image is not `warped`, 0 at the patch's border.
        warped: `[B, 3, S, S]` the references mixed by attention.
        attention: `[B, K, S, S]` share of each reference, summing to 1.
        references: `[B, K, 3, S, S]` the references as they were used.
        flow: `[B, K, 2, S, S]` learned flow of the references in pixels; None without one.
        previous: `[B, 3, S, S]` frame before, warped; None without one.
        previous_flow: `[B, 2, S, S]` its flow.
    """

    image: Tensor
    colour: Tensor
    mask: Tensor
    warped: Tensor
    attention: Tensor
    references: Tensor
    flow: Tensor | None = None
    previous: Tensor | None = None
    previous_flow: Tensor | None = None


class Hybrid(nn.Module):
    """U-Net that generates in the patch what a warp cannot show: teeth, tongue, lips that part.

    Each shot passes the same encoder; attention over the shots mixes features and warps pixel by pixel (after
    Chen et al. 2020, section 3.3); AdaIN conditions the decoder on the person; colour and mask blend over the warp
    (ATVGnet, Chen et al. 2019, equation 5). The mask's logit starts at 0: a mask that starts closed never opens.
    `HybridConfig` names the parts that can be changed.
    """

    renamed: ClassVar[Mapping[str, str]] = {"paint.": "heads."}
    """Beginnings of weights' names until 2026-11 -> today's."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.channels
        sources = 4 * config.drawn_face + 4 * config.previous_frame
        self.embedder = PatchEmbedder(6, (fine, middle, coarse), config.embedding)
        self.stem = nn.Conv2d(4 * (12 + sources), fine, 3, padding=1)
        self.encode_fine = ResBlock(fine)
        self.down_middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.encode_middle = ResBlock(middle)
        self.down_coarse = nn.Conv2d(middle, coarse, 3, stride=2, padding=1)
        if config.embed == "attention":
            self.attend = nn.Conv2d(fine, 1, 3, padding=1)
        self.bottom = nn.ModuleList(AdaptiveResBlock(coarse, config.embedding) for _ in range(config.depth))
        decoder = IdentitySpadeBlock if config.identity_spade else AdaptiveResBlock
        self.up_middle = nn.Conv2d(coarse + middle, middle, 3, padding=1)
        self.decode_middle = decoder(middle, config.embedding)
        self.up_fine = nn.Conv2d(middle + fine, fine, 3, padding=1)
        self.decode_fine = decoder(fine, config.embedding)
        masks = 0 if config.compose == "modulated" else 1 + config.drawn_face + config.previous_frame
        self.heads = nn.Conv2d(fine, 4 * (3 + masks), 3, padding=1)  # colour and masks of 2 x 2 pixels
        if config.embed == "attention":
            nn.init.zeros_(self.attend.weight)
        with torch.no_grad():
            self.heads.weight[12:] *= 0.1
            self.heads.bias[12:] = 0.0  # type: ignore[index]
        if config.embed == "slots":
            self.similarity = SketchSimilarity(fine)
            self.slots = nn.ModuleList(SlotMix(width, config.max_shots) for width in config.channels)
        if config.learned_flow != "none":
            self.flow = FlowNetwork(fine)
        if config.previous_frame:
            self.previous_flow = FlowNetwork(fine)
        if config.compose == "modulated":
            extra = (4 for present in (config.drawn_face, config.previous_frame) if present)
            self.compose = ModulatedBlock(fine, (3, *extra))
        load_renamed(self, self.renamed)

    def enroll(self, patches: Tensor) -> Enrolled:
        """`[K, 6, S, S]` photos' own patches and sketches -> what `generate_frames` needs of them."""
        return Enrolled(patches, self.embed(self._shown(patches)[None])[0])

    def embed(self, patches: Tensor) -> Tensor:
        """`[B, K, 6, S, S]` -> `[B, D]`, the mean over shots."""
        batch, shots = patches.shape[:2]
        return self.embedder(patches.flatten(0, 1)).unflatten(0, (batch, shots)).mean(1)

    def generate_frames(
        self,
        shots: Enrolled,
        warped: Tensor,
        sketch: Tensor,
        *,
        chosen: Tensor | None = None,
        ani: Tensor | None = None,
        previous: Previous | None = None,
    ) -> PatchOutput:
        """Frames of an enrolled person.

        Args:
            shots: the person.
            warped: `[T, K, 3, S, S]` warps.
            sketch: `[T, 3, S, S]` target sketches.
            chosen: `[T, K]` which of the enrolled shots these are; all of them if not given.
            ani: as for `forward`.
            previous: as for `forward`.
        """
        frames = len(warped)
        every = shots.patches[None].expand(frames, *shots.patches.shape)
        patches = every if chosen is None else shots.patches[chosen]
        return self(warped, patches, sketch, shots.embedding[None].expand(frames, -1), ani=ani, previous=previous)

    def forward(
        self,
        warped: Tensor,
        patches: Tensor,
        sketch: Tensor,
        embedding: Tensor | None = None,
        *,
        ani: Tensor | None = None,
        previous: Previous | None = None,
    ) -> PatchOutput:
        """Generate a batch.

        Args:
            warped: `[B, K, 3, S, S]` every shot warped to the target.
            patches: `[B, K, 6, S, S]` every shot's own patch and sketch.
            sketch: `[B, 3, S, S]` target's sketch.
            embedding: `[B, D]`, computed from `patches` when not given.
            ani: `[B, 4, S, S]` 3-D face drawn for the target, colour in [-1, 1] and coverage in [0, 1]; needed by
                `drawn_face`, unused without.
            previous: the frame before; None for a first frame, unused without `previous_frame`.
        """
        patches = self._shown(patches)
        if embedding is None:
            embedding = self.embed(patches)
        references, flow = self._references(warped, patches, sketch)
        before, before_flow = self._before(sketch, previous)
        extra = [*([self._drawn(ani)] if self.config.drawn_face else []), *([] if before is None else [before])]
        fine, middle, coarse, attention = self._encode(references, patches, sketch, extra)
        mixed = (attention[:, :, None] * references).sum(1)
        sources = Sources(mixed, extra[0] if self.config.drawn_face else None, before)
        colour, image, mask = self._decode((fine, middle, coarse), embedding, sketch, sources)
        warped_before = None if before is None or before_flow is None else before[:, :3]  # a first frame has none
        return PatchOutput(image, colour, mask, mixed, attention, references, flow, warped_before, before_flow)

    def _shown(self, patches: Tensor) -> Tensor:
        """`[..., 6, S, S]` own patches, what `hide_features` hides left out."""
        if not self.config.hide_features:
            return patches
        pictures, sketches = patches.split(3, -3)
        return torch.cat([hide_features(pictures, sketches), sketches], -3)

    def _references(self, warped: Tensor, patches: Tensor, sketch: Tensor) -> tuple[Tensor, Tensor | None]:
        """References as the config wants them warped, and their learned flow."""
        config, own_sketch = self.config, patches[:, :, 3:]
        targets = sketch[:, None].expand_as(own_sketch)
        start = patches[:, :, :3] if config.unwarped else warped
        if config.hide_features and not config.unwarped:
            start = hide_features(start, targets)
        if config.learned_flow == "none":
            return start, None
        flow = self.flow(targets.flatten(0, 1), own_sketch.flatten(0, 1), start.flatten(0, 1))
        moved = warp_by_flow(start.flatten(0, 1), flow)
        return moved.view_as(start), flow.unflatten(0, start.shape[:2])

    def _before(self, sketch: Tensor, previous: Previous | None) -> tuple[Tensor | None, Tensor | None]:
        """`[B, 4, S, S]` warped frame before with its coverage, and its flow."""
        if not self.config.previous_frame:
            return None, None
        if previous is None:
            return torch.cat([torch.zeros_like(sketch), torch.zeros_like(sketch[:, :1])], 1), None
        flow = self.previous_flow(sketch, previous.sketch, previous.image)
        moved = warp_by_flow(previous.image, flow)
        return torch.cat([moved, torch.ones_like(moved[:, :1])], 1), flow

    def _drawn(self, ani: Tensor | None) -> Tensor:
        assert ani is not None, "drawn_face needs the drawn face"
        return ani

    def _encode(
        self, references: Tensor, patches: Tensor, sketch: Tensor, extra: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features at 1/2, 1/4 and 1/8, mixed over the references, and `[B, K, S, S]` shares."""
        batch, count = references.shape[:2]
        alike = [each[:, None].expand(-1, count, -1, -1, -1) for each in (sketch, *extra)]
        seen = torch.cat([references, patches, *alike], 2).flatten(0, 1)
        if seen.device.type == "cpu":
            seen = seen.contiguous(memory_format=torch.channels_last)
        fine = self.encode_fine(self.stem(F.pixel_unshuffle(seen, 2)))
        middle = self.encode_middle(self.down_middle(fine))
        features = (fine, middle, self.down_coarse(middle))
        logits = self._logits(fine, patches, sketch)  # [B, K, 1, S/2, S/2]
        if self.config.embed == "slots":
            split = [each.unflatten(0, (batch, count)) for each in features]
            made = [slot(each, shares(logits, each.shape[-1])) for slot, each in zip(self.slots, split, strict=True)]
        else:
            made = [mix(each, logits) for each in features]
        attention = F.interpolate(logits[:, :, 0], scale_factor=2, mode="bilinear").softmax(1)  # [B, K, S, S]
        return made[0], made[1], made[2], attention

    def _logits(self, fine: Tensor, patches: Tensor, sketch: Tensor) -> Tensor:
        batch, count = patches.shape[:2]
        if self.config.embed == "attention":
            return self.attend(fine).float().unflatten(0, (batch, count))
        if self.config.embed == "slots":
            return self.similarity(sketch, patches[:, :, 3:])
        return torch.zeros(batch, count, 1, *fine.shape[2:], device=fine.device)

    def _decode(
        self, features: tuple[Tensor, Tensor, Tensor], embedding: Tensor, sketch: Tensor, sources: Sources
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Colour, composed image and how much of it is not the references'."""
        fine, middle, coarse = features
        given = (embedding, sketch) if self.config.identity_spade else (embedding,)
        for block in self.bottom:
            coarse = block(coarse, embedding)
        middle = self.up_middle(torch.cat([F.interpolate(coarse, scale_factor=2), middle], 1))
        middle = self.decode_middle(middle, *given)
        fine = self.up_fine(torch.cat([F.interpolate(middle, scale_factor=2), fine], 1))
        fine = self.decode_fine(fine, *given)
        modulated = self.config.compose == "modulated"
        active = self.compose(fine, sources) if modulated else F.relu(fine)
        generated = F.pixel_shuffle(self.heads(active).float(), 2)
        colour, window = torch.tanh(generated[:, :3]), border_window(self.config.patch, generated)
        if modulated:
            image = sources.ref + window * (colour - sources.ref)
            return colour, image, window.expand(len(image), -1, -1, -1)
        image, mask = blend_linear(colour, torch.sigmoid(generated[:, 3:]), sources, window)
        return colour, image, mask


def border_window(size: int, like: Tensor) -> Tensor:
    """`[1, 1, S, S]` 1 inside, falling smoothly to 0 on the border: the mask's own seamless edge."""
    place = torch.arange(size, device=like.device, dtype=like.dtype) / (size - 1)
    rim = 0.09  # width of the patch's border, as a share of its side, in which the mask is faded to nothing
    edge = (torch.minimum(place, 1 - place) / rim).clamp(0, 1)
    edge = edge * edge * (3 - 2 * edge)
    return (edge[:, None] * edge[None])[None, None]


def hide_features(pictures: Tensor, sketches: Tensor) -> Tensor:
    """`[..., 3, S, S]` pictures, black where channel 1 of their sketches has eyes or mouth, and a little around.

    The hidden pixels are replaced, not divided away: nothing of them remains, whatever they were.
    """
    filled = (sketches[..., 1:2, :, :] > -1).float()
    hide_reach = 1 / 20  # of the patch's side: how far around eyes and mouth `hide_features` hides the references
    reach = max(1, round(hide_reach * filled.shape[-1]))
    hole = F.max_pool2d(filled.flatten(0, -4), 2 * reach + 1, stride=1, padding=reach).view_as(filled)
    return torch.where(hole > 0, -1.0, pictures)
