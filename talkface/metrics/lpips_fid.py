"""Pairs of crops -> LPIPS and FID by torchmetrics, with backbone weights that the user brings."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from talkface.errors import CheckpointError, MissingExtraError
from talkface.media.colour import to_signed
from talkface.metrics.stats import Score
from talkface.types import Image

BATCH = 16  # crops per forward pass


class Lpips:
    """Learned perceptual similarity (Zhang et al. 2018), AlexNet backbone, v0.1 linear weights of torchmetrics.

    Crop: what is given, RGB; mean over pairs, 0 for equal ones. The backbone's weights are torchvision's
    `alexnet-owt-7be5be79.pth`; tests run this loading path on a file of the same names and shapes.
    """

    name = "lpips"

    def __init__(self, weights: Path) -> None:
        """Build the network and load AlexNet.

        Raises:
            MissingExtraError: torchmetrics is not installed.
            CheckpointError: no such file, or not AlexNet's tensors.
        """
        try:
            from torchmetrics.functional.image.lpips import _NoTrainLpips
        except ImportError as error:
            raise MissingExtraError("--lpips needs torchmetrics: pip install 'talkface[metrics]'") from error
        tensors = _tensors(weights, "alexnet-owt-7be5be79.pth")
        self._network = _NoTrainLpips(pretrained=True, net="alex", pnet_rand=True)
        # Which convolutions of AlexNet's `features` stand in which slice of LPIPS' backbone.
        lpips_layers = {"slice1": (0,), "slice2": (3,), "slice3": (6,), "slice4": (8,), "slice5": (10,)}
        backbone = {
            f"{part}.{layer}.{kind}": tensors.get(f"features.{layer}.{kind}")
            for part, layers in lpips_layers.items()
            for layer in layers
            for kind in ("weight", "bias")
        }
        try:
            self._network.net.load_state_dict(backbone)
        except (RuntimeError, AttributeError) as error:
            raise CheckpointError(f"{weights} is not torchvision's AlexNet: give alexnet-owt-7be5be79.pth") from error
        self._made: list[Image] = []
        self._real: list[Image] = []
        self._values: list[float] = []

    def add(self, made: Image, real: Image) -> None:
        """Take one pair of crops."""
        self._made.append(made)
        self._real.append(real)
        if len(self._made) == BATCH:
            self._measure()

    def result(self) -> float:
        """Mean over all pairs since the last result."""
        if self._made:
            self._measure()
        values, self._values = self._values, []
        return float(np.mean(values)) if values else float("nan")

    @torch.inference_mode()
    def _measure(self) -> None:
        made, real = (to_signed(_batch(images)) for images in (self._made, self._real))
        self._values += self._network(made, real).flatten().tolist()
        self._made, self._real = [], []


class FidPool:
    """Fréchet inception distance (Heusel et al. 2017) of each system's frames over all clips, by torchmetrics.

    Images: the crops given, resized to 299x299 by torchmetrics; pool3 features (2048) of the FID Inception, one network
    for all systems. The weights are torch-fidelity's `weights-inception-2015-12-05-6726825d.pth`; tests run this
    loading path on a file of the same names and shapes. With few frames FID is biased upwards: never compare across
    tables.
    """

    def __init__(self, weights: Path) -> None:
        """Build the network.

        Raises:
            MissingExtraError: torchmetrics or torch-fidelity is not installed.
            CheckpointError: no such file, or not the FID Inception's tensors.
        """
        _tensors(weights, "weights-inception-2015-12-05-6726825d.pth")  # torch-fidelity itself would unpickle anything
        try:
            from torchmetrics.image.fid import FrechetInceptionDistance

            self._first = FrechetInceptionDistance(2048, feature_extractor_weights_path=str(weights))
        except ImportError as error:
            raise MissingExtraError("--fid needs torchmetrics: pip install 'talkface[metrics]'") from error
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(f"{weights} is not the FID Inception: give torch-fidelity's weights file") from error
        self._new: Callable[[Any], Any] = FrechetInceptionDistance
        self._metrics: dict[str, Any] = {}
        self._waiting: dict[str, list[tuple[Image, Image]]] = {}

    def add(self, system: str, made: Image, real: Image) -> None:
        """Take one pair of crops."""
        waiting = self._waiting.setdefault(system, [])
        waiting.append((made, real))
        if len(waiting) == BATCH:
            self._update(system)

    def results(self) -> dict[str, Score]:
        """Distance between all made and all real crops of each system, with the number of frames behind it."""
        for system, waiting in self._waiting.items():
            if waiting:
                self._update(system)
        scores = {}
        for system, metric in self._metrics.items():
            count = int(metric.real_features_num_samples)
            value = float(metric.compute()) if count > 1 else float("nan")
            scores[system] = Score(value, value, value, count)
        return scores

    @torch.inference_mode()
    def _update(self, system: str) -> None:
        if system not in self._metrics:
            self._metrics[system] = self._new(self._first.inception) if self._metrics else self._first
        made, real = zip(*self._waiting[system], strict=True)
        self._metrics[system].update(_batch(made), real=False)
        self._metrics[system].update(_batch(real), real=True)
        self._waiting[system] = []


def _tensors(path: Path, expected: str) -> dict[str, Tensor]:
    """State dictionary of a `.pth` file, tensors only."""
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}: give the path of {expected}")
    try:
        tensors = torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # damaged archives raise anything from OSError to UnpicklingError
        raise CheckpointError(f"{path} is not a weights file of tensors: give {expected}") from error
    if not isinstance(tensors, dict):
        raise CheckpointError(f"{path} holds no state dictionary: give {expected}")
    return tensors


def _batch(images: Sequence[Image]) -> Tensor:
    """`[N, 3, H, W]` uint8."""
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
