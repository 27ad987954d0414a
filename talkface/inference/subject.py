"""Photos -> a person who is ready to be rendered; speech or landmarks -> what drives one video of them."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from zlib import crc32

import numpy as np

from talkface.audio.rhythm import Rhythm
from talkface.checkpoints.identity import StoredIdentity
from talkface.inference.photos import Shots
from talkface.landmarks.retarget import Retargeter
from talkface.renderers.base import Identity, Renderer
from talkface.types import FloatArray


@dataclass(frozen=True)
class Track:
    """What drives one video: everything about its frames that is small enough to hold.

    Attributes:
        displacement: `[T, 68, 2]` canonical displacement from the closed mouth, in outer-eye distances.
        rhythm: of the speech, or silence.
        exact: `[T, 68, 2]` pixel landmarks to reproduce as they are, instead of `displacement`.
        head: `[N, 6]` track of another head to follow, see `landmarks.head_track`, instead of the speech's rhythm.
        key: number that follows from what is said, so that people do not all blink at the same times.
    """

    displacement: FloatArray
    rhythm: Rhythm
    exact: FloatArray | None = None
    head: FloatArray | None = None
    key: int = 0

    def __len__(self) -> int:
        return len(self.displacement)


@dataclass(frozen=True)
class Subject:
    """A person who is ready to speak: the renderer's identity and what the photos told."""

    identity: Identity
    retargeter: Retargeter
    shots: Shots = field(repr=False)

    @property
    def landmarks(self) -> FloatArray:
        """`[68, 2]` pixel landmarks of the photo that is animated."""
        return self.shots.shots[0].landmarks

    @property
    def key(self) -> int:
        """Number that follows from the photo's pixels."""
        return crc32(np.ascontiguousarray(self.shots.shots[0].image[::4, ::4]).tobytes())


@runtime_checkable
class KnowsIdentities(Protocol):
    """A renderer that takes more from an identity file than its shots."""

    def enroll_stored(self, stored: StoredIdentity) -> Identity:
        """Prepare the person of a file."""
        ...


def enroll_found(renderer: Renderer, found: Shots) -> Identity:
    """Prepare a person from photos, or from an identity file; a remark says what of the file stays unused."""
    stored = found.stored
    if stored is not None and isinstance(renderer, KnowsIdentities):
        return renderer.enroll_stored(stored)
    if stored is not None and stored.fewshot is not None and stored.fewshot.generator:
        found.notes.append(f"{stored.path} has a generator of its own: --renderer fewshot uses it")
    return renderer.enroll(found.shots)
