"""Other people's VGG weights (Caffe, PyTorch) -> perceptual networks in our format, or names set right."""

from pathlib import Path

import torch
from torch import Tensor

from talkface.checkpoints.convert.caffe import read_caffemodel
from talkface.checkpoints.convert.read import read_published, state_dicts
from talkface.checkpoints.format import SUFFIX, file_hash, save_checkpoint
from talkface.checkpoints.perceptual import perceptual_checkpoint
from talkface.errors import CheckpointError
from talkface.files.write import atomic_file
from talkface.models.perceptual import KINDS


def convert_caffe(model: Path, out: Path, kind: str | None = None) -> str:
    """Write the perceptual network inside a `.caffemodel` to `out`; returns its kind.

    Args:
        kind: `caffe_vgg19` or `caffe_vggface`; found from the layers where not given.

    Raises:
        CheckpointError: no Caffe model, neither of the two networks, or layers of other shapes.
    """
    layers = {layer.name: layer for layer in read_caffemodel(model)}
    caffe_kinds = {"conv3_4": "caffe_vgg19", "conv3_3": "caffe_vggface"}  # by a layer that only the deeper one has
    if kind is None:
        kind = next((kind for name, kind in caffe_kinds.items() if name in layers), None)
    if kind is None:
        raise CheckpointError(
            f"{model} is neither VGG_ILSVRC_19_layers nor VGG_FACE: its layers are {', '.join(layers) or 'none'}"
        )
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        for part, blob in zip(("weight", "bias"), layer.blobs, strict=False):
            tensors[f"{name}.{part}"] = torch.from_numpy(blob)
    _save(tensors, kind, model, out)
    return kind


def convert_rename(weights: Path, out: Path, kind: str = "caffe_vgg19") -> list[str]:
    """Set the names of a VGG-19 in PyTorch's format right.

    Args:
        weights: state dict with `features.N` and `classifier.N`, as vgg19-d01eb7cb.pth; read with `weights_only=True`.
        out: `.safetensors` gets the perceptual network, any other name the whole state dict under the right names.
        kind: what the weights expect: `caffe_vgg19` for vgg19-d01eb7cb.pth, `torchvision_vgg19` for torchvision's.

    Returns:
        What was renamed, as `old -> new`.

    Raises:
        CheckpointError: no state dict, or not of that network.
    """
    downloads = tuple(kind for kind in KINDS if kind not in ("tiny", "dlib_face"))
    if kind not in downloads:
        raise CheckpointError(f"unknown kind {kind!r}: use one of {', '.join(downloads)}")
    state = _read_state_dict(weights)
    renamed, lines = {}, []
    # In vgg19-d01eb7cb.pth the dropouts were counted before the layers that they follow.
    wrong_names = {"classifier.1": "classifier.0", "classifier.4": "classifier.3"}
    for name, tensor in state.items():
        layer, _, part = name.rpartition(".")
        right = wrong_names.get(layer, layer)
        if right != layer and f"{right}.{part}" in state:
            raise CheckpointError(f"{weights} has both {layer} and {right}: its names are right already")
        renamed[f"{right}.{part}"] = tensor
        if right != layer:
            lines.append(f"{name} -> {right}.{part}")
    if out.suffix == SUFFIX:
        _save(_by_caffe_names(renamed, kind), kind, weights, out)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out) as partial:
            torch.save(renamed, partial)
    return lines


def _by_caffe_names(state: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    """`features.N` counted through convolutions, ReLUs and poolings -> `convB_C`."""
    names, index = {}, 0
    for block, count in enumerate(KINDS[kind].convolutions, 1):
        for number in range(1, count + 1):
            names[f"features.{index}"] = f"conv{block}_{number}"
            index += 2  # a convolution and its ReLU
        index += 1  # pooling
    tensors = {}
    for name, tensor in state.items():
        layer, _, part = name.rpartition(".")
        if layer in names:
            tensors[f"{names[layer]}.{part}"] = tensor
    return tensors


def _save(tensors: dict[str, Tensor], kind: str, source: Path, out: Path) -> None:
    if out.suffix != SUFFIX:
        raise CheckpointError(f"{out} must end in {SUFFIX}")
    provenance = {"source": KINDS[kind].source, "file": source.name, "sha256": file_hash(source)}
    save_checkpoint(out, perceptual_checkpoint(kind, tensors, provenance))


def _read_state_dict(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a VGG; raises `CheckpointError` for anything else."""
    found = state_dicts(read_published(path))
    state = next((state for state in found.values() if any(name.startswith("features.") for name in state)), None)
    if state is None:
        raise CheckpointError(f"{path} holds no VGG: tensors named features.N.weight were expected")
    return state
