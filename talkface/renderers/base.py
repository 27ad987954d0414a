"""Identity + pixel landmarks -> frames of the photo's size, by warping alone or with a generated mouth."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch

from talkface.geometry.donor import MOUTH_SETTINGS, MouthSettings
from talkface.geometry.resample import place_patch
from talkface.landmarks.motion import MOTION, MotionSettings
from talkface.renderers.canvas import CANVAS, Canvas, CanvasSettings
from talkface.types import FloatArray, Image, Shot

if TYPE_CHECKING:
    from talkface.models.hybrid import Enrolled

RENDERERS = ("hybrid", "warp", "fewshot", "vgnet", "spade")
RENDERER_OF = {"hybrid": "hybrid", "mouth": "hybrid", "fewshot": "fewshot", "vgnet": "vgnet", "spade": "spade"}
"""Kind of a checkpoint -> the renderer that takes it."""
DEFAULT_INPAINTER = "mouth"  # weights of the renderer `hybrid`
BATCH = 8  # frames generated at once


@dataclass(frozen=True)
class Tuning:
    """Numbers on which the picture depends, by stage; `renderers.tuning` reads them from `mouth.feather=1.5`."""

    canvas: CanvasSettings = CANVAS
    mouth: MouthSettings = MOUTH_SETTINGS
    motion: MotionSettings = MOTION


@dataclass(frozen=True)
class Rendered:
    """One frame.

    Attributes:
        image: `[H, W, 3]` of the photo's size.
        landmarks: `[68, 2]` it was drawn for.
        patch_mask: `[S, S]` where the network generated, None where nothing did.
        to_patch: `[2, 3]` from the frame to the generated patch.
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
        from talkface.landmarks.rasterize import face_sketch  # few videos show it

        return face_sketch(self.landmarks, (self.image.shape[1], self.image.shape[0]))

    @cached_property
    def mask(self) -> FloatArray | None:
        """`[H, W]` float32 in [0, 1], where the network generated."""
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
        notes: what of the photos is not used, and why.
    """

    canvases: tuple[Canvas, ...]
    enrolled: "Enrolled | None" = field(default=None, repr=False)
    carried: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def takes_animation(self) -> bool:
        """Whether the network sees a drawn 3-D face, which the user may draw instead."""
        return False

    def streaming(self) -> Self:
        """The same person for one video whose blocks of frames follow each other; nothing is remembered yet."""
        return replace(self, carried={})


class Renderer(Protocol):
    """A renderer family."""

    name: str
    tuning: Tuning

    def enroll(self, shots: Sequence[Shot]) -> Identity:
        """Prepare a person; the first shot is the picture that will move."""
        ...

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """Frames for `[T, 68, 2]` landmarks in pixels of the first shot."""
        ...


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """On a CPU the patches are too small to share out: threads would wait for each other, and for the encoder.

    As `scale.threads.limit_threads`, which would bring a room more into every video. Each thread that
    has computed has a number of its own, as OpenMP keeps it, so renderers in several threads leave each other's alone.
    """
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware: a CPU that does is about twice as fast here as in float32."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cuda" or (device.type == "cpu" and bool(probe and probe()))
