"""Checkpoint -> the speech, head or mouth network that it holds, and its donor mouths, within its own size."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from talkface.checkpoints.format import Checkpoint
from talkface.errors import CheckpointError, ConfigError
from talkface.files.check import check_array, matches
from talkface.files.read import refusing
from talkface.geometry.donor import Donor
from talkface.media.photo import decode_picture, encode_png
from talkface.models.audio2landmark import build_audio2landmark
from talkface.models.headmotion import Headmotion, build_headmotion
from talkface.models.mouth import MouthConfig, MouthInpainter
from talkface.models.speech_network import SpeechNetwork
from talkface.types import Image

DONORS = "donors."


def load_audio2landmark(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> SpeechNetwork:
    """Rebuild the network that a checkpoint of kind `audio2landmark` holds, of whatever family, ready to predict.

    Raises:
        KeyError, TypeError, RuntimeError: config or weights of another version.
    """
    network = build_audio2landmark(checkpoint.config)
    network.restore(checkpoint.tensors)
    return network.to(device).eval()


def load_headmotion(checkpoint: Checkpoint) -> Headmotion:
    """Rebuild the network that a checkpoint of kind `headmotion` holds, on the CPU: it needs less than 1 ms a second.

    Raises:
        KeyError, TypeError, RuntimeError: config or weights of another version.
    """
    network = build_headmotion(checkpoint.config)
    network.load_state_dict({name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    return network.eval()


def load_mouth(checkpoint: Checkpoint) -> MouthInpainter:
    """Rebuild the network that a checkpoint of kind `mouth` holds.

    Raises:
        CheckpointError: settings or weights that do not fit this version's network.
    """
    weights = network_tensors(checkpoint.tensors)
    with must_fit("this mouth network", checkpoint.config, weights):
        config = MouthConfig(**{**checkpoint.config, "widths": tuple(checkpoint.config["widths"])})
        network = MouthInpainter(config)
        network.load_state_dict(weights)
    return network.eval()


@dataclass(frozen=True)
class FitLimits:
    """Limits of building a network from a file."""

    largest_setting: int = 100_000  # no size, count or rate of a network comes near
    longest_setting: int = 2_000  # characters of a layer code
    most_per_setting: int = 256  # items of a list
    memory_factor: int = 4  # numbers that building may take: so many times the file's, and some more
    memory_slack: int = 2_000_000
    allocations_factor: int = 8
    allocations_slack: int = 200


FIT = FitLimits()


@contextmanager
def must_fit(what: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, a network is built from a file's settings and its tensors are loaded; that may fail, but never harm.

    Settings out of all proportion are refused by themselves, and building stops as soon as it takes more memory, or
    more layers, than the file has tensors for: a header of 300 bytes cannot ask for gigabytes.

    Args:
        what: what the error calls it, by name or path.
        config: the file's settings.
        tensors: the file's weights.

    Raises:
        CheckpointError: settings or weights that do not fit each other or this version.
    """
    with refusing(f"{what} does not fit this version of talkface: train it again", CheckpointError):
        _check_settings(config, what)
        size = sum(tensor.numel() for tensor in tensors.values())
        numbers, allocations = FIT.memory_factor * size + FIT.memory_slack, FIT.allocations_factor * len(tensors)
        try:
            with _Budget(numbers, allocations + FIT.allocations_slack, what):
                yield
        except ConfigError as error:  # worded for a user's settings, but these are the file's
            raise CheckpointError(f"the settings of {what} cannot be: {error}") from error


def _check_settings(value: Any, what: str, name: str = "settings") -> None:
    if isinstance(value, Mapping):
        for key, each in value.items():
            _check_settings(each, what, str(key))
    elif isinstance(value, (list, tuple)) and len(value) <= FIT.most_per_setting:
        for each in value:
            _check_settings(each, what, name)
    elif isinstance(value, (int, float)):
        if not matches(value, bool | float) or abs(value) > FIT.largest_setting:
            raise CheckpointError(f"{what}: invalid {name} {value!r}: expected at most {FIT.largest_setting}")
    elif not (value is None or (isinstance(value, str) and len(value) <= FIT.longest_setting)):
        raise CheckpointError(f"{what}: invalid {name}: expected numbers, short text or short lists of them")


class _Budget(TorchFunctionMode):
    """Counts what torch's factories are asked for in this thread, and stops them before they take it."""

    def __init__(self, numbers: int, allocations: int, what: str) -> None:
        super().__init__()
        self._numbers, self._allocations, self._what = numbers, allocations, what

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        name = getattr(func, "__name__", "")
        factories = ("empty", "zeros", "ones", "full", "rand", "randn", "eye", "arange", "empty_strided", "randint")
        if name in factories:
            count = _count(given.get("size", args))
            self._numbers -= count * count if name == "eye" else count
            self._allocations -= 1
            if min(self._numbers, self._allocations) < 0:
                raise CheckpointError(f"the settings of {self._what} ask for a far larger network than it holds")
        return func(*args, **given)


def _count(sizes: Any) -> int:
    """Numbers in a tensor of these sizes, given one by one or as one sequence."""
    if len(sizes) and isinstance(sizes[0], Iterable) and not isinstance(sizes[0], str | Tensor):
        sizes = sizes[0]
    return math.prod(int(side) for side in sizes if isinstance(side, int) and not isinstance(side, bool))


def pack_donors(donors: Sequence[Donor]) -> dict[str, Tensor]:
    """Tensors by name; pictures are cut close to the lips and kept as the bytes of a PNG."""
    cut = [_close(donor) for donor in donors]
    numbers = {
        "lips": np.stack([donor.lips for donor in cut]),
        "split": np.array([donor.split for donor in cut]),
        "cavity": np.stack([donor.cavity for donor in cut]),
        "skin": np.stack([donor.skin for donor in cut]),
        "unit": np.array([donor.unit for donor in cut]),
    }
    tensors = {f"{DONORS}{name}": torch.from_numpy(values.astype(np.float32)) for name, values in numbers.items()}
    return tensors | {f"{DONORS}picture_{index:03d}": _packed(donor.image) for index, donor in enumerate(cut)}


def unpack_donors(tensors: Mapping[str, Tensor], where: str) -> list[Donor]:
    """Undo `pack_donors`; other tensors are left out.

    Args:
        tensors: of a checkpoint.
        where: what errors call it.

    Raises:
        CheckpointError: the tensors are not those of `pack_donors`.
    """
    numbers = {}
    shapes: dict[str, tuple[int, ...]] = {"lips": (8, 2), "split": (), "cavity": (3,), "skin": (3,), "unit": ()}
    for name, shape in shapes.items():
        if DONORS + name not in tensors:
            raise CheckpointError(f"{where} has no donors' {name}: train it again")
        numbers[name] = tensors[DONORS + name].float().numpy()
        check_array(numbers[name], [(None, *shape)], f"donors' {name} in {where}", CheckpointError)
    count = min(len(values) for values in numbers.values())
    if not count or any(len(values) != count for values in numbers.values()) or numbers["unit"].min() < 1:
        raise CheckpointError(f"{where} has no whole donors: train it again")
    return [
        Donor(
            _unpacked(tensors.get(f"{DONORS}picture_{index:03d}"), f"donor {index + 1} in {where}"),
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
    return {name: tensor.float() for name, tensor in tensors.items() if not name.startswith(DONORS)}


def _close(donor: Donor) -> Donor:
    height, width = donor.image.shape[:2]
    room = 0.06 * donor.unit  # around the lips that is kept
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
