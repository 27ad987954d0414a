"""Few-shot networks <-> a checkpoint of kind `fewshot`."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from talkface.checkpoints.format import Checkpoint
from talkface.checkpoints.load import must_fit
from talkface.errors import CheckpointError
from talkface.models.discriminator import ProjectionDiscriminator
from talkface.models.embedder import Embedder
from talkface.models.fewshot import FewshotConfig
from talkface.models.generator import Generator

KIND = "fewshot"


@dataclass(frozen=True)
class FewshotNetworks:
    """Networks that meta-training yields; the discriminator serves fine-tuning."""

    config: FewshotConfig
    embedder: Embedder
    generator: Generator
    discriminator: ProjectionDiscriminator

    def by_name(self) -> dict[str, nn.Module]:
        """The three networks under their names in files."""
        return {"embedder": self.embedder, "generator": self.generator, "discriminator": self.discriminator}


def build_fewshot(config: FewshotConfig) -> FewshotNetworks:
    """Untrained networks."""
    return FewshotNetworks(config, Embedder(config), Generator(config), ProjectionDiscriminator(config))


def empty_fewshot(config: FewshotConfig) -> FewshotNetworks:
    """Networks without numbers, to be loaded with `assign=True`: making up some for 70 M weights takes seconds."""
    from torch import _meta_registrations  # noqa: F401 - `cli.animate.import_torch` leaves them out

    with torch.device("meta"):
        return build_fewshot(config)


def fewshot_checkpoint(networks: FewshotNetworks, provenance: dict[str, Any]) -> Checkpoint:
    """The networks as a checkpoint, its tensors named `embedder.*`, `generator.*`, `discriminator.*`."""
    tensors: dict[str, Tensor] = {}
    for name, network in networks.by_name().items():
        tensors |= {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
    return Checkpoint(KIND, asdict(networks.config), tensors, provenance)


def load_fewshot(checkpoint: Checkpoint) -> FewshotNetworks:
    """Networks of a checkpoint of kind `fewshot`, in float32, in evaluation mode, on the CPU.

    Raises:
        CheckpointError: another kind, or tensors that do not fit its own config.
    """
    if checkpoint.kind != KIND:
        raise CheckpointError(
            f"this file holds a network of kind {checkpoint.kind}, expected {KIND}: meta-train one first"
        )
    with must_fit("this few-shot network", checkpoint.config, checkpoint.tensors):
        networks = empty_fewshot(FewshotConfig(**checkpoint.config))
        for name, network in networks.by_name().items():
            prefix = f"{name}."
            own = {k.removeprefix(prefix): t.float() for k, t in checkpoint.tensors.items() if k.startswith(prefix)}
            network.load_state_dict(own, assign=True)
            network.eval()
    return networks
