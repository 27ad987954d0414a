"""Photos -> an identity: shots of one person, embedded where a few-shot network is given."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from talkface.checkpoints.identity import StoredIdentity
from talkface.errors import CheckpointError, NoFaceError
from talkface.inference.photos import PhotoSource, Shots, load_shots
from talkface.landmarks.detect import Detector
from talkface.types import FloatArray, Shot

if TYPE_CHECKING:
    from talkface.renderers.fewshot import FewshotRenderer

Item = TypeVar("Item")
SAME_PERSON = 0.6  # dlib's threshold on the distance of two descriptors (King 2017)
MOST_SHOTS = 32  # taken where nothing else is asked for


def load_people(
    photos: PhotoSource | Sequence[PhotoSource], detector: Detector, shots: int | None = None, face: int | None = None
) -> Shots:
    """Shots for an identity, the canvas first, with a remark on those that seem to show somebody else.

    Args:
        photos: as for `load_shots`.
        shots: how many to use, spread over what there is; all up to 32 if not given.

    Raises:
        CheckpointError: an identity file was given.
        NoFaceError: no usable face, or fewer usable photos than `shots`.
        MediaError: unreadable files.
    """
    found = load_shots(photos, detector, face, shots or MOST_SHOTS)
    if found.stored is not None:
        raise CheckpointError(f"{found.stored.path} is an identity file already: give the photos or the video")
    if shots is not None and len(found.shots) < shots:
        usable = len(found.shots)
        raise NoFaceError(f"{shots} shots asked for, but only {usable} usable: give more photos, or --shots {usable}")
    chosen, names = spread(found.shots, shots or MOST_SHOTS), spread(found.names, shots or MOST_SHOTS)
    notes = [*found.notes, *stranger_notes(chosen, names)]
    return replace(found, shots=chosen, names=tuple(names), notes=notes)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """The first and others evenly spread, `count` at most."""
    places = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
    return [items[place] for place in places]


def make_identity(found: Shots, renderer: "FewshotRenderer | None", provenance: dict[str, object]) -> StoredIdentity:
    """Identity of found shots, fed forward through the renderer's network where there is one."""
    part = None if renderer is None else renderer.embed(found.shots)
    return StoredIdentity(tuple(found.shots), part, provenance)


def stranger_notes(shots: Sequence[Shot], names: Sequence[str] = ()) -> list[str]:
    """A remark for every shot that seems to show another person than most, with the distance that says so.

    Args:
        shots: two or more.
        names: where they are from; counted from 1 if not given.
    """
    names = names or [f"shot {number} of {len(shots)}" for number in range(1, len(shots) + 1)]
    if len(shots) < 2:
        return []
    from talkface.landmarks.describe import describe

    descriptors = np.stack([describe(shot.image, shot.landmarks) for shot in shots]).astype(np.float64)
    distances = between(descriptors)
    usual = int(np.median(distances, axis=1).argmin())
    return [
        f"{names[index]} seems to show somebody else than {names[usual]}: their descriptors are "
        f"{distances[usual, index]:.2f} apart, two photos of one person less than {SAME_PERSON}"
        for index in range(len(shots))
        if distances[usual, index] >= SAME_PERSON
    ]


def between(descriptors: FloatArray) -> FloatArray:
    """Distance of every descriptor to every other: `[N, 128]` -> `[N, N]`."""
    return np.asarray(np.linalg.norm(descriptors[:, None] - descriptors[None], axis=-1))
