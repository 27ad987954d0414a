"""Generated and real picture -> the content term: perceptual networks and pixels, each weighted as its kind demands."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from talkface.checkpoints.perceptual import load_perceptual
from talkface.errors import ConfigError
from talkface.losses.content import feature_l1
from talkface.models.dlib_face import DLIB_FILE
from talkface.models.perceptual import KINDS


@dataclass(frozen=True)
class ContentConfig:
    """FSTH's L_CNT. Without downloads: `perceptual: [none]` and `pixel` above 0."""

    perceptual: tuple[str, ...] = ("caffe_vgg19", "caffe_vggface")  # none | tiny | dlib_face | caffe_vgg19 | ...
    version: str = "v1"  # of the paper, whose weights are taken: v1 | v2
    pixel: float = 0.0  # weight of the pixels' L1
    caffe_vgg19: str = "runs/caffe_vgg19.safetensors"  # made by `talkface models convert`
    caffe_vggface: str = "runs/caffe_vggface.safetensors"
    torchvision_vgg19: str = "runs/torchvision_vgg19.safetensors"
    dlib_face: str = ""  # dlib's own .dat; the one that comes with the landmarks if empty

    def __post_init__(self) -> None:
        for kind in self.perceptual:
            if kind != "none" and kind not in KINDS:
                raise ConfigError(f"loss.content.perceptual has {kind!r}: known are none, {', '.join(KINDS)}")
        versions = ("v1", "v2")
        if self.version not in versions:
            raise ConfigError(f"invalid loss.content.version {self.version!r}: expected one of {', '.join(versions)}")
        if self.pixel <= 0 and not self.kinds:
            raise ConfigError("loss.content has neither perceptual networks nor pixels: set loss.content.pixel=1")

    @property
    def kinds(self) -> tuple[str, ...]:
        """Perceptual networks that are used."""
        return tuple(kind for kind in self.perceptual if kind != "none")


class ContentLoss(nn.Module):
    """Weighted sum of the terms of a `ContentConfig`."""

    def __init__(self, config: ContentConfig) -> None:
        """Load the perceptual networks.

        Raises:
            CheckpointError: missing weights; the message says where they come from, and how to do without.
        """
        super().__init__()
        self.config = config
        paths = {kind: Path(getattr(config, kind, "")) for kind in config.kinds}
        if "dlib_face" in paths and not config.dlib_face:
            from talkface.landmarks.dlib_backend import weights_path

            paths["dlib_face"] = Path(weights_path(DLIB_FILE))
        self.networks = nn.ModuleDict({kind: load_perceptual(kind, path) for kind, path in paths.items()})

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """`[B, 3, S, S]` twice, in [-1, 1] -> the term."""
        terms = self._terms(fake, real)
        return sum(terms.values(), torch.zeros((), device=fake.device))

    @torch.no_grad()
    def start_terms(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Every weighted part on its own, as `start/...`: what a wrong range or mean would show in."""
        return {f"start/{name}": term for name, term in self._terms(fake, real).items()}

    def _terms(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        terms = {}
        for kind, network in self.networks.items():
            with torch.no_grad():
                wanted = network(real)
            terms[kind] = KINDS[kind].weights[self.config.version] * feature_l1(network(fake), wanted)
        if self.config.pixel > 0:
            terms["pixel"] = self.config.pixel * (fake.float() - real).abs().mean()
        return terms
