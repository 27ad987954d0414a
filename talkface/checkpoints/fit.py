"""Settings and tensors of a file -> a network built within what the file holds, or one line that says why not."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from talkface.errors import CheckpointError, ConfigError
from talkface.files.check import matches
from talkface.files.read import refusing


@dataclass(frozen=True)
class FitLimits:
    """What building a network from a file may take."""

    largest_setting: int = 100_000  # no size, count or rate of a network comes near
    longest_setting: int = 2_000  # characters of a layer code
    most_per_setting: int = 256  # items of a list
    memory_factor: int = 4  # numbers that building may take: so many times the file's, and some more
    memory_slack: int = 2_000_000
    allocations_factor: int = 8
    allocations_slack: int = 200


FIT = FitLimits()
FACTORIES = ("empty", "zeros", "ones", "full", "rand", "randn", "eye", "arange", "empty_strided", "randint")


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
        except ConfigError as error:  # what a user's settings are told, but these are the file's
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
        if name in FACTORIES:
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
