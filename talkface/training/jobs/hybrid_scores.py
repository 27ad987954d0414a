"""Clips and a network -> the held-out examples, their scores and a picture of them."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from talkface.data.clip import PreparedClip
from talkface.data.datasets import Chosen, ClipDataset, clip_speakers
from talkface.data.samplers.pairs import POSE_ERROR, pose_error
from talkface.data.samplers.patches import Cut, PatchBatch, PatchConfig, make_examples, stack_examples
from talkface.data.samplers.shot_pictures import unsigned
from talkface.landmarks.layout import mouth_opening
from talkface.losses.pixel import weighted_l1
from talkface.media.colour import to_signed
from talkface.models.hybrid import PatchOutput
from talkface.types import Image

Generate = Callable[[PatchBatch], PatchOutput]


def split_people(clips: Sequence[PreparedClip] | ClipDataset, every: int) -> tuple[Chosen, Chosen]:
    """Clips of the people to train on, and of those held out."""
    speakers = clip_speakers(clips)
    apart = held_out_speakers(speakers, every)
    held = np.fromiter((speaker in apart for speaker in speakers), bool, len(speakers))
    return Chosen(clips, np.flatnonzero(~held)), Chosen(clips, np.flatnonzero(held))


def held_out_speakers(clip_speakers: Sequence[str], every: int) -> set[str]:
    """Every so many-th speaker of a list of clips; the one with most clips is never held out, nor any with 0."""
    counts = Counter(clip_speakers)
    speakers = sorted(counts)
    longest = max(speakers, key=lambda speaker: counts[speaker], default="")
    return {s for i, s in enumerate(speakers) if every and i % every == every - 1 and s != longest}


def held_out_batch(
    clips: Sequence[PreparedClip], config: PatchConfig, clips_at_most: int = 16, frames: int = 6
) -> PatchBatch:
    """Most closed frame as the photo, most open frames as targets, of clips spread over the list."""
    chosen = [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, clips_at_most).astype(int))]
    cuts: list[Cut] = []
    for clip in chosen:
        kept = np.flatnonzero(np.isfinite(clip.landmarks).all((1, 2)))
        if len(kept) < 2:
            continue
        order = kept[np.argsort(mouth_opening(clip.landmarks[kept]), kind="stable")]
        photo, points = clip.image(int(order[0])), clip.landmarks[order[:1]]
        order = order[[pose_error(points[0], clip.landmarks[frame]) < POSE_ERROR for frame in order]]
        for target in order[::-1][: min(frames, len(order) - 1)]:
            cuts.append(Cut([photo], points, clip.image(int(target)), clip.landmarks[target]))
    return stack_examples(make_examples(cuts, config))


def score(batch: PatchBatch, generate: Generate) -> dict[str, float]:
    """L1 inside the inner mouth over the landmarks' warp's, closed photo to most open frames; a first frame each."""
    generated = [generate(part) for part in _parts(batch, 32)]
    image = torch.cat([part.image for part in generated])
    mask = torch.cat([part.mask for part in generated])
    inner = batch.inner_mouth
    warp = 127.5 * weighted_l1(batch.warped[:, 0], batch.real, inner)
    network = 127.5 * weighted_l1(image, batch.real, inner)
    everywhere = (image - batch.real).abs().mean() / (batch.warped[:, 0] - batch.real).abs().mean()
    sharpness = _edges(image, inner) / _edges(batch.real, inner)
    return {
        "score": float(network / warp),
        "inner_l1": float(network),
        "inner_l1_warp": float(warp),
        "patch_l1_over_warp": float(everywhere),
        "inner_sharpness": float(sharpness),
        "mask": float(mask.mean()),
    }


def draw_preview(batch: PatchBatch, generate: Generate) -> Image:
    """Rows of held-out people: photo, sketch, (3-D face,) the network's warp, colour, mask, result, real."""
    some = torch.linspace(0, len(batch.real) - 1, 14, device=batch.real.device).long().unique()
    part = PatchBatch(*(getattr(batch, name)[some] for name in PatchBatch.__annotations__))
    generated = generate(part)
    mask = generated.mask.expand(-1, 3, -1, -1) * 2 - 1
    drawn = [part.ani[:, :3]] if part.ani.shape[1] else []
    row = [
        part.patches[:, 0, :3],
        part.sketch,
        *drawn,
        generated.warped,
        generated.colour,
        mask,
        generated.image,
        part.real,
    ]
    grid = torch.cat([torch.cat(list(column), 1) for column in row], 2)
    return unsigned(grid, rounded=False)


def signed_batch(batch: PatchBatch, device: torch.device) -> PatchBatch:
    """Pixels to [-1, 1], inner mouth and coverage to [0, 1], on `device`."""

    def pixels(values: Tensor) -> Tensor:
        return to_signed(values.to(device))

    ani = batch.ani.to(device).float()
    return PatchBatch(
        warped=pixels(batch.warped),
        patches=pixels(batch.patches),
        sketch=pixels(batch.sketch),
        real=pixels(batch.real),
        inner_mouth=batch.inner_mouth.to(device).float() / 255,
        ani=torch.cat([to_signed(ani[:, :3]), ani[:, 3:] / 255], 1),
        flows=batch.flows.to(device),
        before_flow=batch.before_flow.to(device),
        mouth=batch.mouth.to(device),
    )


def _parts(batch: PatchBatch, size: int) -> list[PatchBatch]:
    names = list(PatchBatch.__annotations__)
    return [
        PatchBatch(*(getattr(batch, name)[start : start + size] for name in names))
        for start in range(0, len(batch.real), size)
    ]


def _edges(image: Tensor, weights: Tensor) -> Tensor:
    """Mean step between neighbours, weighted: how sharp a picture is there."""
    image = image.float()
    across = (image.diff(dim=3).abs() * weights[..., 1:]).mean()
    down = (image.diff(dim=2).abs() * weights[..., 1:, :]).mean()
    return across + down
