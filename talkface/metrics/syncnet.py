"""Five mouth frames and 0.2 s of sound -> two embeddings that lie close where lips and voice keep time (SyncNet)."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from talkface.errors import CheckpointError


@dataclass(frozen=True)
class SyncNetSizes:
    """Sizes of SyncNet's inputs and embedding."""

    frames: int = 5  # of one video window, at 25 per second
    side: int = 224  # pixels of one frame
    steps: int = 20  # of one sound window, at 100 per second
    coefficients: int = 13  # per step
    embedding: int = 1024


SYNCNET = SyncNetSizes()


class SyncNet(nn.Module):
    """Chung & Zisserman, "Out of time" (2016), in the shape of the published `syncnet_v2` weights.

    Two towers. Pictures: `[B, 3, 5, 224, 224]` BGR, 0 to 255, through 3-D convolutions whose first spans all five
    frames. Sound: `[B, 1, 13, 20]` MFCC through 2-D convolutions. Both end in 1024 numbers. The names of the parts are
    those of the published weights file, so that it loads as it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_layer2d(1, 64),
            nn.MaxPool2d(1, 1),
            *_layer2d(64, 192),
            nn.MaxPool2d(3, (1, 2)),
            *_layer2d(192, 384),
            *_layer2d(384, 256),
            *_layer2d(256, 256),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 512, (5, 4)),
            nn.BatchNorm2d(512),
            nn.ReLU(),
        )
        self.netcnnlip = nn.Sequential(
            *_layer3d(3, 96, (SYNCNET.frames, 7, 7), stride=2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3d(96, 256, (1, 5, 5), stride=2, padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_layer3d(256, 256, (1, 3, 3), padding=1),
            *_layer3d(256, 256, (1, 3, 3), padding=1),
            *_layer3d(256, 256, (1, 3, 3), padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_layer3d(256, 512, (1, 6, 6)),
        )
        self.netfcaud = _head()
        self.netfclip = _head()

    def embed_sound(self, mfcc: Tensor) -> Tensor:
        """`[B, 1, 13, 20]` -> `[B, 1024]`."""
        embedding: Tensor = self.netfcaud(self.netcnnaud(mfcc).flatten(1))
        return embedding

    def embed_lips(self, frames: Tensor) -> Tensor:
        """`[B, 3, 5, 224, 224]` -> `[B, 1024]`."""
        embedding: Tensor = self.netfclip(self.netcnnlip(frames).flatten(1))
        return embedding


def load_syncnet(path: Path) -> SyncNet:
    """Read the published weights (`syncnet_v2.model`, a state dictionary) or the same tensors as safetensors.

    Only tensors are unpickled (`weights_only=True`), so a weights file cannot run code. Tests load a file of the same
    names and shapes with random values: the published one is for research use and does not come with talkface.

    Raises:
        CheckpointError: no such file, or not SyncNet's tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"no SyncNet weights {path}: give the path of syncnet_v2.model")
    network = SyncNet()
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
        network.load_state_dict(tensors)
    except (
        RuntimeError,
        TypeError,
        AttributeError,
        ValueError,
        EOFError,
        SafetensorError,
        pickle.UnpicklingError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} does not hold SyncNet's weights: expected syncnet_v2.model ({reason})"
        ) from error
    return network.eval()


def _layer2d(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


def _layer3d(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    """Convolution over the picture, never beyond its own frames, with stride and padding in the plane only."""
    convolution = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), (0, padding, padding))
    return [convolution, nn.BatchNorm3d(outputs), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, SYNCNET.embedding))
