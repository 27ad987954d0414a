"""Weights of a perceptual network <-> a checkpoint of that network's kind."""

from pathlib import Path
from typing import Any

from torch import Tensor

from talkface.checkpoints.dlib_face import load_dlib_face
from talkface.checkpoints.format import Checkpoint, load_checkpoint
from talkface.checkpoints.load import must_fit
from talkface.errors import CheckpointError
from talkface.models.dlib_face import DlibFaceNet
from talkface.models.perceptual import KINDS, PerceptualNet, layer_shapes


def load_perceptual(kind: str, path: Path) -> PerceptualNet | DlibFaceNet:
    """Frozen network of `kind`, its weights from `path`; `tiny` needs none, `dlib_face` takes dlib's own file.

    Raises:
        CheckpointError: missing or other weights; the message names the file, its source and what to do without it.
    """
    if kind == "dlib_face":
        return load_dlib_face(path)
    network = PerceptualNet(kind)
    if kind == "tiny":
        return network
    if not path.is_file():
        raise CheckpointError(
            f"no perceptual weights {path}: convert {KINDS[kind].source} with `talkface models convert`,"
            f" give its place as loss.content.{kind}=FILE, or train without: 'loss.content.perceptual=[none]'"
            " loss.content.pixel=1"
        )
    checkpoint = load_checkpoint(path, kind)
    with must_fit(str(path), checkpoint.config, checkpoint.tensors):
        network.convs.load_state_dict(checkpoint.tensors)
    return network


def perceptual_checkpoint(kind: str, tensors: dict[str, Tensor], provenance: dict[str, Any]) -> Checkpoint:
    """The convolutions that `kind` uses, as a checkpoint; other tensors are left out.

    Args:
        tensors: `conv1_1.weight`, `conv1_1.bias`, ...

    Raises:
        CheckpointError: a missing convolution, or one of another shape.
    """
    kept = {}
    for name, inputs, outputs in layer_shapes(kind):
        for part, shape in (("weight", (outputs, inputs, 3, 3)), ("bias", (outputs,))):
            tensor = tensors.get(f"{name}.{part}")
            if tensor is None:
                raise CheckpointError(f"{name}.{part} is missing: expected the weights of {KINDS[kind].source}")
            if tensor.shape != shape:
                raise CheckpointError(f"{name}.{part} has shape {list(tensor.shape)}, {kind} needs {list(shape)}")
            kept[f"{name}.{part}"] = tensor.float()
    return Checkpoint(kind, {}, kept, provenance)
