"""Identity + landmarks -> frames whose face the whole-frame SPADE network generated, without a seam in the photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.checkpoints.load import must_fit
from talkface.data.samplers.patches import draw_face
from talkface.data.samplers.shot_pictures import picture_map, shot_pictures, signed, sketch_picture, unsigned
from talkface.data.samplers.warp_shots import hidden_features, nearest_first
from talkface.geometry.affine import transform
from talkface.models.spade import Source, SpadeFrame, SpadeNet, network_sketch
from talkface.models.spade_config import SpadeConfig
from talkface.renderers.animation import Animation
from talkface.renderers.base import BATCH, Identity, Rendered, Tuning
from talkface.renderers.blend import blend_face
from talkface.renderers.canvas import Canvas
from talkface.types import FloatArray, Shot


@dataclass(frozen=True)
class SpadeIdentity(Identity):
    """A person ready for the SPADE renderer.

    Attributes:
        shots: as they were given.
        pictures: `[K, 3, S, S]` in [-1, 1], as the network sees them.
        sketches: `[K, c, S, S]`.
        drawn_face: whether the network sees a drawn 3-D face.
        animation: the user's own pictures of it, instead of drawing it.
    """

    shots: tuple[Shot, ...] = ()
    pictures: Tensor | None = None
    sketches: Tensor | None = None
    drawn_face: bool = False
    animation: Animation | None = field(default=None, repr=False)

    @property
    def takes_animation(self) -> bool:
        return self.drawn_face


class SpadeRenderer:
    """Rhythmic Head Motion's picture (Chen et al. 2020): its face over the warped photo, see `blend`.

    For every frame the shot whose pose is nearest is the one that is warped; a network with `warp_ani` gets the first
    shot's face as a light 3-D surface in the frame's pose, one with `warp_prev` its own last frame.
    """

    name = "spade"
    tuning = Tuning()

    def __init__(self, network: SpadeNet, device: torch.device) -> None:
        self.device = device
        self.network = network.to(device).eval().requires_grad_(False)

    def enroll(self, shots: Sequence[Shot]) -> SpadeIdentity:
        """Cut out all shots; the first is the picture that will move. Too few are repeated, too many left out."""
        config = self.network.config
        chosen = [shots[place % len(shots)] for place in range(config.shots)]
        pictures, sketches = shot_pictures(chosen, config.crop, config.crop_side, config.size, config.sketch)
        return SpadeIdentity(
            (Canvas(shots[0], self.tuning.canvas),),
            shots=tuple(chosen),
            pictures=pictures.to(self.device),
            sketches=network_sketch(sketches, config).to(self.device),
            drawn_face=config.warp_ani,
        )

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """Frames for `[T, 68, 2]` landmarks in pixels of the first shot."""
        assert isinstance(identity, SpadeIdentity), "this identity was enrolled by another renderer"
        carried = identity.carried if identity.carried is not None else {}
        step = 1 if self.network.config.warp_prev else BATCH
        for start in range(0, len(landmarks), step):
            block = landmarks[start : start + step]
            generated = self.generate(identity, block, carried)
            for target, picture in zip(block, unsigned(generated.image), strict=True):
                yield blend_face(identity.canvases[0], target, picture, self._to_picture(target))

    @torch.no_grad()
    def generate(self, identity: SpadeIdentity, landmarks: FloatArray, carried: dict[str, Any]) -> SpadeFrame:
        """The network's own pictures of `[T, 68, 2]` landmarks of the photo; a single one where it has a memory."""
        assert identity.pictures is not None and identity.sketches is not None
        config = self.network.config
        drawn = [sketch_picture(points, self._to_picture(points), config.size, config.sketch) for points in landmarks]
        sketch = network_sketch(signed(drawn), config).to(self.device)
        points = [shot.landmarks for shot in identity.shots]
        orders = np.stack([nearest_first(np.arange(len(points)), points, target) for target in landmarks])
        shots, sketches = identity.pictures[orders], identity.sketches[orders]
        sources = {"ref": Source(shots[:, 0], sketches[:, 0], self._hidden(landmarks))}
        if config.warp_ani:
            sources["ani"] = Source(self._faces(identity, landmarks), sketch)
        memory = "spade"  # its place in what an identity carries
        if config.warp_prev and memory in carried:
            sources["prev"] = carried[memory]
        frame: SpadeFrame = self.network(sketch, shots, sketches, sources, with_raw=False)
        if config.warp_prev:
            carried[memory] = Source(frame.image, sketch)
        return frame

    def _hidden(self, landmarks: FloatArray) -> Tensor | None:
        """`[T, 1, S, S]`, above 0 at eyes and mouth; None where the network sees them."""
        if not self.network.config.crop_ref:
            return None
        size = self.network.config.size
        places = [transform(self._to_picture(points), np.asarray(points, np.float64)) for points in landmarks]
        return signed([hidden_features(points, size) for points in places])[:, :1].to(self.device)

    def _faces(self, identity: SpadeIdentity, landmarks: FloatArray) -> Tensor:
        """`[T, 3, S, S]` in [-1, 1]: the first shot's face as a 3-D surface in each pose, on black, or the user's."""
        size, shot, animation = self.network.config.size, identity.shots[0], identity.animation
        faces = []
        for target in landmarks:
            to_picture = self._to_picture(target)
            if animation is not None:
                faces.append(animation.next_patch(target, to_picture, size)[..., :3])
            else:
                faces.append(draw_face(shot.image, shot.landmarks, target, to_picture, size)[..., :3])
        return signed(faces).to(self.device)

    def _to_picture(self, landmarks: FloatArray) -> FloatArray:
        """`[2, 3]` from pixels of the frame to the network's picture, laid around the face as in training."""
        config = self.network.config
        return picture_map(landmarks, config.crop, config.crop_side, config.size)


def build_spade(checkpoint: Checkpoint) -> SpadeNet:
    """Network of a checkpoint, in single precision.

    Raises:
        CheckpointError: settings or weights that do not fit this version's network.
    """
    with must_fit("this spade network", checkpoint.config, checkpoint.tensors):
        network = SpadeNet(SpadeConfig(**checkpoint.config))
        network.load_state_dict(checkpoint.tensors)
    return network
