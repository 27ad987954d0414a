"""Identity + landmarks -> frames whose face VG-net generated, without a seam in the photo; and its maps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.checkpoints.load import must_fit
from talkface.data.interop.aligned import aligned_map, displacement
from talkface.data.interop.atvgnet_shapes import AtvgnetShapes
from talkface.data.samplers.shot_pictures import signed, unsigned
from talkface.errors import CheckpointError
from talkface.geometry.resample import cut_patch
from talkface.models.vgnet import SHAPES, VgFrames, VgNet, VgnetConfig, VgPerson
from talkface.renderers.base import BATCH, Identity, Rendered, Tuning
from talkface.renderers.blend import blend_face
from talkface.renderers.canvas import Canvas
from talkface.types import FloatArray, Image, Shot


@dataclass(frozen=True)
class VgnetIdentity(Identity):
    """A person ready for VG-net.

    Attributes:
        person: what the network sees in the photo.
    """

    person: VgPerson | None = None


class VgnetRenderer:
    """VG-net's face (ATVGnet, Chen et al. 2019) over the warped photo, see `blend_face`.

    Every frame is generated where nose and eyes lie in it, so the network sees no head motion; its memory goes on from
    block to block of a streaming identity. Of several shots it looks at the first, which is the picture that moves.
    """

    name = "vgnet"
    tuning = Tuning()

    def __init__(self, network: VgNet, device: torch.device) -> None:
        self.device = device
        self.shapes: AtvgnetShapes | None = None
        if network.config.landmarks == "atvgnet":
            self.shapes = AtvgnetShapes(*(getattr(network, name).double().cpu().numpy() for name in SHAPES))
            if not self.shapes.directions.any():
                raise CheckpointError(
                    "these vgnet weights were converted without ATVGnet's landmark arrays: convert them with --basics"
                )
        self.network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]

    @torch.no_grad()
    def enroll(self, shots: Sequence[Shot]) -> VgnetIdentity:
        """Look at the first shot."""
        shot, config = shots[0], self.network.config
        to_picture = aligned_map(shot.landmarks, config.size, config.reach)
        photo = signed([cut_patch(shot.image, to_picture, config.size)]).to(self.device)
        return VgnetIdentity(
            (Canvas(shot, self.tuning.canvas),),
            person=self.network.enroll(photo, self._displaced(shot.landmarks[None], shot)[0]),
        )

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """Frames for `[T, 68, 2]` landmarks in pixels of the first shot, with the maps `attention` and `motion`."""
        assert isinstance(identity, VgnetIdentity), "this identity was enrolled by another renderer"
        carried = identity.carried if identity.carried is not None else {}
        config = self.network.config
        memory = "vgnet"  # its place in what an identity carries
        for start in range(0, len(landmarks), BATCH):
            block = landmarks[start : start + BATCH]
            generated, carried[memory] = self.generate(identity, block, carried.get(memory))
            pictures, motion = unsigned(generated.image[0]), unsigned(generated.colour[0])
            attention = unsigned(generated.attention[0] * 2 - 1)
            for index, target in enumerate(block):
                to_picture = aligned_map(target, config.size, config.reach)
                blended = blend_face(identity.canvases[0], target, pictures[index], to_picture)
                yield replace(blended, maps={"attention": _rgb(attention[index]), "motion": motion[index]})

    @torch.no_grad()
    def generate(
        self, identity: VgnetIdentity, landmarks: FloatArray, memory: Tensor | None = None
    ) -> tuple[VgFrames, Tensor]:
        """The network's own pictures of `[T, 68, 2]` landmarks of the photo, and its memory after them."""
        assert identity.person is not None
        displaced = self._displaced(landmarks, identity.canvases[0].shot)
        generated: tuple[VgFrames, Tensor] = self.network.generate(identity.person, displaced, memory)
        return generated

    def _displaced(self, landmarks: FloatArray, photo: Shot) -> Tensor:
        """`[T, 68, 2]` pixels -> `[1, T, 68, 2]` as the network wants them."""
        if self.shapes is not None:
            moved = self.shapes.relative(landmarks, np.asarray(photo.landmarks))
        else:
            moved = np.stack([displacement(points) for points in landmarks])
        return torch.from_numpy(moved)[None].to(self.device)


def build_vgnet(checkpoint: Checkpoint) -> VgNet:
    """Network of a checkpoint, in single precision.

    Raises:
        CheckpointError: settings or weights that do not fit this version's network.
    """
    with must_fit("this vgnet network", checkpoint.config, checkpoint.tensors):
        network = VgNet(VgnetConfig(**checkpoint.config))
        network.load_state_dict(checkpoint.tensors)
    return network


def _rgb(grey: Image) -> Image:
    """`[S, S, 1]` -> `[S, S, 3]`."""
    return np.repeat(grey, 3, 2)
