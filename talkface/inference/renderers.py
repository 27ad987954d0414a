"""Identity + pixel landmarks -> frames of the photo's size, by warping alone or with a painted mouth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import torch

from talkface.checkpoints.registry import load_weights
from talkface.errors import ConfigError
from talkface.inference.canvas import Canvas, fill_mouth
from talkface.landmarks.rasterize import face_sketch
from talkface.models.hybrid import Enrolled
from talkface.types import FloatArray, Image, Shot
from talkface.video.paste import place_patch

RENDERERS = ("hybrid", "warp", "fewshot", "vgnet")
BATCH = 8  # frames painted at once


@dataclass(frozen=True)
class Rendered:
    """One frame.

    Attributes:
        image: `[H, W, 3]` of the photo's size.
        landmarks: `[68, 2]` it was drawn for.
        patch_mask: `[S, S]` where the network painted, None where nothing did.
        to_patch: `[2, 3]` from the frame to the painted patch.
        maps: pictures `[S, S, 3]` of the patch by name, of what else the network makes: `attention` and `motion`.
    """

    image: Image
    landmarks: FloatArray
    patch_mask: FloatArray | None = None
    to_patch: FloatArray | None = None
    maps: Mapping[str, Image] = field(default_factory=dict)

    @cached_property
    def sketch(self) -> Image:
        """`[H, W, 3]` coloured line drawing of the landmarks."""
        return face_sketch(self.landmarks, (self.image.shape[1], self.image.shape[0]))

    @cached_property
    def mask(self) -> FloatArray | None:
        """`[H, W]` float32 in [0, 1], where the network painted."""
        if self.patch_mask is None or self.to_patch is None:
            return None
        height, width = self.image.shape[:2]
        return place_patch(self.patch_mask, self.to_patch, (0, 0), (width, height))


@dataclass(frozen=True)
class Identity:
    """A person who is ready to be rendered.

    Attributes:
        canvases: the photo that is animated, then further ones that lend their mouths.
        enrolled: what the network keeps of them; None for `warp`.
        carried: what a renderer with a memory keeps from one block of frames to the next; None forgets after each.
    """

    canvases: tuple[Canvas, ...]
    enrolled: Enrolled | None = field(default=None, repr=False)
    carried: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def streaming(self) -> Self:
        """The same person for one video whose blocks of frames follow each other; nothing is remembered yet."""
        return replace(self, carried={})


class Renderer(Protocol):
    """A renderer family."""

    name: str

    def enroll(self, shots: Sequence[Shot]) -> Identity:
        """Prepare a person; the first shot is the picture that will move."""
        ...

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """Frames for `[T, 68, 2]` landmarks in pixels of the first shot."""
        ...


class WarpRenderer:
    """Geometry only: the floor that every network must beat. An opening mouth is filled with its own dark."""

    name = "warp"

    def enroll(self, shots: Sequence[Shot]) -> Identity:
        return Identity((Canvas(shots[0]),))

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        canvas = identity.canvases[0]
        for target in landmarks:
            frame = canvas.warp(canvas.deform(target))
            fill_mouth(frame, target, canvas.shot)
            yield Rendered(frame, target)


def load_renderer(name: str = "hybrid", device: str = "auto", weights: str | Path | None = None) -> Renderer:
    """Build a renderer family by name.

    Args:
        name: `hybrid`, `warp`, `fewshot` or `vgnet`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        weights: shipped name or path; the family's own default if not given.

    Raises:
        ConfigError: unknown family, weights for one that has none, or a device that this machine does not have.
        CheckpointError: weights that are missing or of another kind.
    """
    if name == "warp":
        pick_device(device)  # a word that is no device is a mistake here too
        if weights is not None:
            raise ConfigError(f"renderer warp has no network, but weights {weights} were given: leave them out")
        return WarpRenderer()
    if name == "hybrid":
        from talkface.inference.hybrid_renderer import HybridRenderer, build_hybrid  # which builds on this module

        return HybridRenderer(build_hybrid(load_weights(weights or "hybrid", "hybrid")), pick_device(device))
    if name == "fewshot":
        from talkface.inference.fewshot_renderer import load_fewshot_renderer

        return load_fewshot_renderer(weights, pick_device(device))
    if name == "vgnet":
        from talkface.inference.vgnet_renderer import load_vgnet_renderer

        return load_vgnet_renderer(weights, pick_device(device))
    raise ConfigError(f"unknown renderer {name!r}: expected one of {', '.join(RENDERERS)}")


def pick_device(name: str) -> torch.device:
    """Torch device of a user's word; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: not a device, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    kind, _, index = name.partition(":")
    if not (index or "0").isdigit() or int(index or 0) >= there.get(kind, 0):
        usable = ", ".join(["auto", *(kind for kind, present in there.items() if present)])
        raise ConfigError(f"device {name!r} is not on this machine: use one of {usable}")
    return torch.device(name)
