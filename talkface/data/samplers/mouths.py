"""Mouths -> examples to fill in: each with a hole between its lips and a donor laid into it.

A photo with an open mouth is an example of its own: nobody has to be seen twice. In most of the examples shut lips
warped to the open ones stand around the hole, as in use. In some of the examples the donor is another picture of the
same person, laid or warped to the lips, or the photo itself, recoloured; in most it is somebody else's mouth, chosen by
opening, width and colour as in use, in most of those with a third person's lower teeth.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from talkface.data.samplers.open_mouths import MOUTH_SAMPLES, Mouth, may_lend
from talkface.geometry.affine import fit_similarity, transform
from talkface.geometry.donor import (
    MOUTH_SETTINGS,
    Donor,
    colour_gain,
    fitting_zoom,
    lay_donor,
    lip_gap,
    misfit,
    upper_middle,
)
from talkface.landmarks.mouth_patch import UNIT, lip_masks, lower_teeth, patch_size, with_lower_teeth
from talkface.media.colour import to_signed
from talkface.types import FloatArray, Image

Example = tuple[npt.NDArray[Any], ...]
"""The parts of a `MouthBatch` as pictures `[H, W, C]`, and whether the donor is the same person."""


@dataclass(frozen=True)
class MouthBatch:
    """Examples.

    Attributes:
        real: `[B, 3, H, W]` the photo in [-1, 1].
        seen: the same around the hole as the network sees it: the photo, or another one warped to its lips.
        donor: `[B, 3, H, W]` in [-1, 1], as it is laid.
        cover: `[B, 1, H, W]` in [0, 1], where that is the donor's own.
        masks: `[B, 3, H, W]` in [0, 1]: outer lips, inner lips, hole.
        again: the same for the same lips, found a little elsewhere.
        own: `[B]` 1 where the donor is the same person.
    """

    real: Tensor
    seen: Tensor
    donor: Tensor
    cover: Tensor
    masks: Tensor
    again: Tensor
    own: Tensor


class MouthSampler:
    """Draws examples; a large, open mouth comes more often, a person with many photos not much more."""

    def __init__(self, mouths: Sequence[Mouth], talk_share: float = 0.75) -> None:
        """Take mouths; `talk_share` of the examples are frames of talking clips, where there are both kinds."""
        self.open = [mouth for mouth in mouths if mouth.donor.opening > MOUTH_SAMPLES.open]
        self.lenders = [mouth for mouth in mouths if may_lend(mouth)] or self.open
        self.lower = [mouth for mouth in self.lenders if lower_teeth(mouth.donor) is not None]
        self.own: dict[str, list[Mouth]] = {}
        for mouth in self.open:
            if mouth.donor.opening > MOUTH_SAMPLES.donor_open:
                self.own.setdefault(mouth.speaker, []).append(mouth)
        counts = Counter(mouth.speaker for mouth in self.open)
        weights = np.array(
            [
                min(mouth.source_unit / 140, 1) ** (0.5 if mouth.talking else 1.5)
                * (0.3 + min(mouth.donor.opening, 0.2) / 0.2)
                / np.sqrt(counts[mouth.speaker])
                for mouth in self.open
            ]
        )
        talking = np.array([mouth.talking for mouth in self.open], bool)
        if talking.any() and not talking.all():
            for chosen, share in ((talking, talk_share), (~talking, 1 - talk_share)):
                weights[chosen] *= share / weights[chosen].sum()
        self.chances = weights / max(float(weights.sum()), 1e-9)

    def batch(self, size: int, rng: np.random.Generator) -> MouthBatch:
        """`size` examples, varied in colour, size, place, side and landmarks."""
        chosen = rng.choice(len(self.open), size, p=self.chances)
        return stack([self._example(self.open[int(index)], rng) for index in chosen])

    def _example(self, mouth: Mouth, rng: np.random.Generator) -> Example:
        own = rng.random() < MOUTH_SAMPLES.self_share
        other = self._other_picture(mouth, rng) if own else self._lender(mouth, rng)
        scale = UNIT / MOUTH_SAMPLES.crop_unit * rng.uniform(0.9, 1.1)
        real, lips, matrix = _placed(mouth, scale, rng.normal(0, 2, 2))
        seen = real
        if mouth.warped is not None and rng.random() < MOUTH_SAMPLES.warped_share:
            seen = _shown(mouth.warped, matrix)
        first, second = _noisy(lips, rng), _noisy(lips, rng)
        grow = int(rng.integers(*MOUTH_SAMPLES.grow))
        masks, again = (lip_masks(points, patch_size(), grow) for points in (first, second))
        if own and mouth.lent is not None and rng.random() < MOUTH_SAMPLES.lent_share:
            tint = rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3)
            colours = np.asarray(_shown(mouth.lent, matrix) * tint, np.float32)
            cover = np.asarray(masks[..., 2] / 255, np.float32)
        elif other is mouth:
            colours, cover = _relaid(mouth.donor, self._lower_donor(mouth, rng), scale, lips, rng)
        else:
            donor, upper = other.donor, upper_middle(first[12:])
            zoom = 1 / scale
            if own:  # where the same skull has its teeth
                there = transform(fit_similarity(other.skull, mouth.skull), upper_middle(donor.lips)[None])
                there = transform(matrix, there)[0]
                upper = np.array([there[0], min(there[1], upper[1])])
            else:
                donor = with_lower_teeth(donor, self._lower_donor(mouth, rng))
                zoom = (
                    MOUTH_SAMPLES.crop_unit
                    / UNIT
                    * fitting_zoom(donor.width, mouth.donor.width)
                    * rng.uniform(0.94, 1.08)
                )
                upper = upper + np.array([rng.normal(0, 0.8), rng.uniform(-11, 1)])
            gap = float(first[17:20, 1].mean() - upper[1])
            colours, cover = lay_donor(donor, upper, gap, zoom, patch_size())
            colours = colours * (colour_gain(mouth.donor.skin, donor.skin) * rng.uniform(0.88, 1.12))
        light, curve = 255 * rng.uniform(0.8, 1.2) * rng.uniform(0.92, 1.08, 3), rng.uniform(0.8, 1.25)
        pictures = [light * (picture.clip(0, 255) / 255) ** curve for picture in (real, seen, colours)]
        parts: list[npt.NDArray[Any]] = [*pictures, cover[..., None], masks, again]
        if rng.random() < 0.5:
            parts = [part[:, ::-1] for part in parts]
        return (*parts, np.asarray(own, np.float32))

    def _other_picture(self, mouth: Mouth, rng: np.random.Generator) -> Mouth:
        """Another picture of the same person; the mouth itself where there is none."""
        others = [each for each in self.own.get(mouth.speaker, ()) if each is not mouth]
        return others[int(rng.integers(len(others)))] if others else mouth

    def _lower_donor(self, mouth: Mouth, rng: np.random.Generator) -> Donor | None:
        """Somebody else's lower teeth, or none."""
        if not self.lower or rng.random() >= MOUTH_SAMPLES.lower_share:
            return None
        lent = self.lower[int(rng.integers(len(self.lower)))]
        return None if lent.speaker == mouth.speaker else lent.donor

    def _lender(self, mouth: Mouth, rng: np.random.Generator) -> Mouth:
        picked = [self.lenders[int(index)] for index in rng.integers(0, len(self.lenders), MOUTH_SAMPLES.candidates)]
        others = [each for each in picked if each.speaker != mouth.speaker] or picked
        wanted = mouth.donor.opening + rng.uniform(0.0, 0.12)
        return others[int(misfit([other.donor for other in others], mouth.donor, wanted).argmin())]


def fixed_example(mouth: Mouth, donor: Donor) -> Example:
    """One example without any variation, for scores and pictures."""
    real, lips, matrix = _placed(mouth, UNIT / MOUTH_SAMPLES.crop_unit, np.zeros(2))
    seen = real if mouth.warped is None else _shown(mouth.warped, matrix)
    zoom = MOUTH_SAMPLES.crop_unit / UNIT * fitting_zoom(donor.width, mouth.donor.width)
    upper, gap = upper_middle(lips[12:]), lip_gap(lips[12:])
    colours, cover = lay_donor(donor, upper, gap, zoom, patch_size())
    colours = np.clip(colours * colour_gain(mouth.donor.skin, donor.skin), 0, 255)
    masks = lip_masks(lips, patch_size(), 3)
    return real, seen, colours, cover[..., None], masks, masks, np.zeros((), np.float32)


def stack(examples: Sequence[Example]) -> MouthBatch:
    """Examples of one batch."""
    real, seen, donor, cover, masks, again, own = (np.stack(part) for part in zip(*examples, strict=True))
    return MouthBatch(
        real=to_signed(_channels_first(real).clamp(0, 255)),
        seen=to_signed(_channels_first(seen).clamp(0, 255)),
        donor=to_signed(_channels_first(donor).clamp(0, 255)),
        cover=_channels_first(cover),
        masks=_channels_first(masks) / 255,
        again=_channels_first(again) / 255,
        own=torch.from_numpy(own),
    )


def _placed(mouth: Mouth, scale: float, shift: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Patch `[H, W, 3]` of a mouth, its `[20, 2]` lips there, and the map `[2, 3]` to it."""
    donor = mouth.donor
    size = np.array(donor.image.shape[1::-1])
    move = 0.5 * (np.array(patch_size()) - 1) - scale * 0.5 * (size - 1) + shift
    matrix = np.array([[scale, 0, move[0]], [0, scale, move[1]]])
    return _shown(donor.image, matrix), mouth.lips * scale + move, matrix


def _shown(picture: Image, matrix: FloatArray) -> FloatArray:
    """Patch `[H, W, 3]` of a mouth's picture."""
    patch = cv2.warpAffine(picture, matrix, patch_size(), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(patch, np.float32)


def _relaid(
    donor: Donor, lower: Donor | None, scale: float, lips: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """The photo's own mouth in its own place: found a little elsewhere, recoloured.

    In some examples without what is below the upper teeth, as a photo that smiles shows none of it: nothing is there,
    or, where its own lower teeth do not show, those of `lower`.
    """
    moved = np.asarray(donor.lips + rng.normal(0, 1.2, donor.lips.shape), np.float32)
    found = replace(donor, lips=moved, cavity=donor.cavity * rng.uniform(0.6, 1.4))
    move = lips[12] - scale * donor.lips[0]
    upper, gap = upper_middle(moved) * scale + move, lip_gap(moved) * scale
    settings = MOUTH_SETTINGS
    if rng.random() < MOUTH_SAMPLES.upper_share:
        if lower is None:
            settings = replace(settings, lowest_gap=0.0)
        else:
            found = with_lower_teeth(found, lower)
    colours, cover = lay_donor(found, upper, gap, 1 / scale, patch_size(), settings=settings)
    curve = 255 * np.clip(colours / 255, 0, 1) ** rng.uniform(0.8, 1.25)
    return curve * rng.uniform(0.82, 1.2, 3) * rng.uniform(0.65, 1.35), cover


def _noisy(lips: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.asarray(
        lips + rng.normal(0, MOUTH_SAMPLES.point_noise, lips.shape) + rng.normal(0, MOUTH_SAMPLES.shift_noise, (1, 2))
    )


def _channels_first(part: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(part, -1, 1), np.float32))
