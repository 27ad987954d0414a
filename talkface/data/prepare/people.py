"""Shards -> people who look alike in different splits: whose scores would be those of people trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from talkface.data.datasets import ClipDataset
from talkface.landmarks.describe import describe


@dataclass(frozen=True)
class Overlap:
    """Two names that may be one person: the splits, the clips looked at, and the descriptors' distance."""

    splits: tuple[str, str]
    keys: tuple[str, str]
    distance: float


def split_overlaps(shards: Path, alike: float = 0.45) -> tuple[dict[str, int], list[Overlap]]:
    """People looked at per split, and pairs of different splits that look alike, the nearest first.

    Of every name the middle frame of the first clip with pictures is described.

    Args:
        shards: folder of shards.
        alike: distance of dlib's descriptors below which two people look alike; dlib's own threshold, 0.6, also joins
            strangers of large corpora.

    Raises:
        DatasetError: no shards.
    """
    clips = ClipDataset(shards)
    names = [clips.table.splits[number] for number in clips.column("split")]
    first: dict[tuple[str, str], int] = {}
    for index, (split, speaker) in enumerate(zip(names, clips.speakers, strict=True)):
        first.setdefault((split, speaker), index)
    people: dict[str, list[tuple[str, np.ndarray]]] = {}
    for split in sorted(set(names)):
        members = [index for (part, _), index in first.items() if part == split]
        # of each split 2,000 people at most, spread over it
        wanted = np.unique(np.linspace(0, len(members) - 1, min(len(members), 2000)).round().astype(int))
        people[split] = [found for place in wanted if (found := _described(clips, members[place])) is not None]
    pairs = [
        overlap
        for place, person in enumerate(people)
        for other in list(people)[place + 1 :]
        for overlap in _between(person, people[person], other, people[other], alike)
    ]
    return {split: len(found) for split, found in people.items()}, sorted(pairs, key=lambda pair: pair.distance)


def _described(clips: ClipDataset, index: int) -> tuple[str, np.ndarray] | None:
    clip = clips[index]
    seen = np.flatnonzero(np.isfinite(clip.landmarks).all((1, 2)))
    if not clip.has_images or not len(seen):
        return None
    frame = int(seen[len(seen) // 2])
    return clip.key, describe(clip.image(frame), clip.landmarks[frame])


def _between(
    split: str, some: list[tuple[str, np.ndarray]], other: str, others: list[tuple[str, np.ndarray]], alike: float
) -> list[Overlap]:
    if not some or not others:
        return []
    a, b = (np.stack([vector for _, vector in part]) for part in (some, others))
    apart = cdist(a, b)
    return [
        Overlap((split, other), (some[i][0], others[j][0]), round(float(apart[i, j]), 3))
        for i, j in np.argwhere(apart < alike)
    ]
