"""Identity + landmarks -> frames whose face the few-shot network generated, without a seam in the photo."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.fewshot import KIND, FewshotNetworks, load_fewshot
from talkface.checkpoints.format import file_hash, find_weights, load_checkpoint, shipped_names
from talkface.checkpoints.identity import FewshotPart, StoredIdentity
from talkface.checkpoints.load import must_fit
from talkface.data.samplers.shot_pictures import picture_map, shot_pictures, signed, sketch_picture, unsigned
from talkface.errors import CheckpointError
from talkface.files.check import check_array
from talkface.models.fewshot import FewshotConfig
from talkface.models.generator import Generator
from talkface.models.residual import freeze
from talkface.renderers.base import BATCH, Identity, Rendered, Tuning
from talkface.renderers.blend import blend_face
from talkface.renderers.canvas import Canvas
from talkface.types import FloatArray, Shot


@dataclass(frozen=True)
class FewshotIdentity(Identity):
    """A person ready for the few-shot renderer.

    Attributes:
        generator: the shared network, or the person's own after fine-tuning.
        adain_params: `[1, L]`.
    """

    generator: Generator | None = None
    adain_params: Tensor | None = None

    def to_picture(self, landmarks: FloatArray) -> FloatArray:
        """`[2, 3]` from pixels of the frame to the network's picture, laid around the face as in training."""
        assert self.generator is not None
        config = self.generator.config
        return picture_map(landmarks, config.crop, config.crop_side, config.size)


class FewshotRenderer:
    """The few-shot network's face (FSTH, Zakharov et al. 2019) over the warped photo.

    The network generates a square at its own size, see `blend_face`.
    """

    name = "fewshot"
    tuning = Tuning()

    def __init__(self, networks: FewshotNetworks | None, network_hash: str, device: torch.device) -> None:
        """Take networks and the hash of their file; without them only fine-tuned identities can be rendered."""
        self.device = device
        self.networks = networks
        self.network_hash = network_hash
        if networks is not None:
            for network in networks.by_name().values():
                freeze(network.to(device))

    def enroll(self, shots: Sequence[Shot]) -> FewshotIdentity:
        """Embed all shots; the first is the picture that will move.

        Raises:
            CheckpointError: no network was given.
        """
        part = self.embed(shots)
        assert self.networks is not None
        return self._identity(shots[0], self.networks.generator, part.adain_params)

    def embed(self, shots: Sequence[Shot]) -> FewshotPart:
        """Embedding of a person's shots, fed forward (FSTH's mean embedding and P times it).

        Raises:
            CheckpointError: no network was given.
        """
        if self.networks is None:
            raise CheckpointError(
                "renderer fewshot ships no network: give --renderer-model FILE from `talkface train "
                "configs/renderer/fewshot_small.yaml`, or an identity file of `talkface enroll --finetune`"
            )
        return embed_shots(self.networks, self.network_hash, shots, self.device)

    def enroll_stored(self, stored: StoredIdentity) -> FewshotIdentity:
        """Use what an identity file knows; shots alone are embedded now.

        Raises:
            CheckpointError: embedded by another network than this one, or no network was given for it.
        """
        part = stored.fewshot
        if part is None:
            return self.enroll(stored.shots)
        if part.generator:
            generator = own_generator(part, stored).to(self.device)
            return self._identity(stored.shots[0], generator, part.adain_params)
        if self.networks is None:
            raise CheckpointError(
                f"{stored.path} was embedded, not fine-tuned, by network {part.network}: "
                "give that network with --renderer-model"
            )
        if part.network != self.network_hash:
            raise CheckpointError(
                f"{stored.path} was embedded by network {part.network}, the given one is {self.network_hash}: "
                "enroll the person again, or give that network with --renderer-model"
            )
        return self._identity(stored.shots[0], self.networks.generator, part.adain_params)

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """Frames for `[T, 68, 2]` landmarks in pixels of the first shot."""
        assert isinstance(identity, FewshotIdentity), "this identity was enrolled by another renderer"
        for start in range(0, len(landmarks), BATCH):
            block = landmarks[start : start + BATCH]
            yield from self._composed(identity, block, self.generate(identity, block))

    @torch.no_grad()
    def generate(self, identity: FewshotIdentity, landmarks: FloatArray) -> np.ndarray:
        """The network's own pictures `[T, S, S, 3]` uint8 for `[T, 68, 2]` landmarks of the photo."""
        generator = identity.generator
        assert generator is not None
        size, style = generator.config.size, generator.config.sketch
        sketches = signed([sketch_picture(points, identity.to_picture(points), size, style) for points in landmarks])
        return unsigned(generator(sketches.to(self.device), identity.adain_params))

    def _composed(self, identity: FewshotIdentity, landmarks: FloatArray, generated: np.ndarray) -> Iterator[Rendered]:
        for target, picture in zip(landmarks, generated, strict=True):
            yield blend_face(identity.canvases[0], target, picture, identity.to_picture(target))

    def _identity(self, shot: Shot, generator: Generator, adain_params: Tensor) -> FewshotIdentity:
        return FewshotIdentity(
            (Canvas(shot, self.tuning.canvas),), generator=generator, adain_params=adain_params.to(self.device)[None]
        )


def load_fewshot_renderer(weights: str | Path | None, device: torch.device) -> FewshotRenderer:
    """Renderer by name or path of its network; without one it renders fine-tuned identities only.

    Raises:
        CheckpointError: no such file, or another kind of network.
    """
    if weights is None and KIND not in shipped_names():
        return FewshotRenderer(None, "", device)
    path = find_weights(weights or KIND)
    return FewshotRenderer(load_fewshot(load_checkpoint(path, KIND)), file_hash(path), device)


@torch.no_grad()
def embed_shots(
    networks: FewshotNetworks, network_hash: str, shots: Sequence[Shot], device: torch.device
) -> FewshotPart:
    """Mean embedding of all shots and the adaptive layers' parameters that follow from it."""
    config = networks.config
    images, sketches = shot_pictures(shots, config.crop, config.crop_side, config.size, config.sketch)
    parts = [
        networks.embedder(images[i : i + BATCH].to(device), sketches[i : i + BATCH].to(device))
        for i in range(0, len(shots), BATCH)
    ]
    embedding = torch.cat(parts).mean(0)
    adain_params = networks.generator.adain_params(embedding[None])[0]
    return FewshotPart(network_hash, asdict(config), embedding.cpu(), adain_params.cpu())


def own_generator(part: FewshotPart, stored: StoredIdentity) -> Generator:
    """Generator that was fine-tuned to a person; its projection, which that replaced, stays unused.

    Raises:
        CheckpointError: tensors that do not fit the file's own settings.
    """
    with must_fit(f"the generator in {stored.path}", part.config, part.generator):
        generator = Generator(FewshotConfig(**part.config))
        own: dict[str, Any] = dict(part.generator)
        unused = {name: tensor for name, tensor in generator.state_dict().items() if name.startswith("projection.")}
        generator.load_state_dict(own | unused)
        check_array(part.adain_params.numpy(), [(generator.slots.length,)], "adain_params", CheckpointError)
    freeze(generator)
    return generator
