"""Donor mouths <-> tensors of the checkpoint whose network lays them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from talkface.errors import CheckpointError
from talkface.files.arrays import check_array
from talkface.geometry.donor import Donor
from talkface.media.photo import decode_picture, encode_png
from talkface.types import FloatArray, Image

PREFIX = "donors."
SHAPES: dict[str, tuple[int, ...]] = {"lips": (8, 2), "split": (), "cavity": (3,), "skin": (3,), "unit": ()}
ROOM = 0.06  # around the lips that is kept, in outer-eye distances


def pack_donors(donors: Sequence[Donor]) -> dict[str, Tensor]:
    """Tensors by name; pictures are cut close to the lips and kept as the bytes of a PNG."""
    cut = [_close(one) for one in donors]
    numbers = {
        "lips": np.stack([one.lips for one in cut]),
        "split": np.array([one.split for one in cut]),
        "cavity": np.stack([one.cavity for one in cut]),
        "skin": np.stack([one.skin for one in cut]),
        "unit": np.array([one.unit for one in cut]),
    }
    tensors = {f"{PREFIX}{name}": torch.from_numpy(values.astype(np.float32)) for name, values in numbers.items()}
    return tensors | {f"{PREFIX}picture_{index:03d}": _packed(one.image) for index, one in enumerate(cut)}


def unpack_donors(tensors: Mapping[str, Tensor], where: str) -> list[Donor]:
    """Undo `pack_donors`; other tensors are left out.

    Args:
        tensors: of a checkpoint.
        where: what errors call it.

    Raises:
        CheckpointError: the tensors are not those of `pack_donors`.
    """
    numbers = {}
    for name, shape in SHAPES.items():
        if PREFIX + name not in tensors:
            raise CheckpointError(f"{where} has no donors' {name}: train it again")
        numbers[name] = tensors[PREFIX + name].float().numpy()
        check_array(numbers[name], [(None, *shape)], f"donors' {name} in {where}", CheckpointError)
    count = min(len(values) for values in numbers.values())
    if not count or any(len(values) != count for values in numbers.values()) or numbers["unit"].min() < 1:
        raise CheckpointError(f"{where} has no whole donors: train it again")
    return [
        Donor(
            _unpacked(tensors.get(f"{PREFIX}picture_{index:03d}"), f"donor {index + 1} in {where}"),
            numbers["lips"][index],
            float(numbers["split"][index]),
            numbers["cavity"][index],
            numbers["skin"][index],
            float(numbers["unit"][index]),
        )
        for index in range(count)
    ]


def network_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The checkpoint's other tensors, in single precision."""
    return {name: tensor.float() for name, tensor in tensors.items() if not name.startswith(PREFIX)}


def _close(donor: Donor) -> Donor:
    height, width = donor.image.shape[:2]
    room: FloatArray = np.array([ROOM, ROOM]) * donor.unit
    low = np.clip(np.floor(donor.lips.min(0) - room), 0, [width - 2, height - 2]).astype(int)
    high = np.clip(np.ceil(donor.lips.max(0) + room), low + 2, [width, height]).astype(int)
    image = np.ascontiguousarray(donor.image[low[1] : high[1], low[0] : high[0]])
    return replace(donor, image=image, lips=np.asarray(donor.lips - low, np.float32))


def _packed(image: Image) -> Tensor:
    return torch.from_numpy(np.frombuffer(encode_png(image), np.uint8).copy())


def _unpacked(data: Tensor | None, where: str) -> Image:
    if data is None:
        raise CheckpointError(f"{where} has no picture: train it again")
    return decode_picture(data.numpy().tobytes(), ("PNG",), where, CheckpointError)
