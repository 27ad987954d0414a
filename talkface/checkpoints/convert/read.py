"""Published weights file -> numbers by name, without running what code the file may hold."""

import argparse
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from talkface.errors import CheckpointError, printable
from talkface.files.read import limit, refusing, variable


def read_published(path: Path) -> Any:
    """Content of a `torch.save` file: tensors inside dicts and lists; read with `weights_only=True`.

    Raises:
        CheckpointError: no such file, no such format, damaged, or a pickle that wants more than tensors, plain values
            and the command's arguments (`argparse.Namespace`).
    """
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}")
    if path.stat().st_size > limit("weights_mb") * 1e6:
        raise CheckpointError(f"{path} is larger than {variable('weights_mb')} allows ({limit('weights_mb'):g} MB)")
    with (
        refusing(f"{path} is not a PyTorch state dict, or is damaged", CheckpointError),
        torch.serialization.safe_globals([argparse.Namespace]),
    ):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            wanted = re.search(r"GLOBAL (\S+)", str(error))
            if wanted is None:
                raise
            raise CheckpointError(
                f"{path} wants the Python object {printable(wanted[1])}, and loading that would run code: save the"
                " network's state_dict alone where it was made, and convert that"
            ) from error


def state_dicts(content: Any, place: str = "") -> dict[str, dict[str, Tensor]]:
    """Every state dict inside what a file holds, by its place such as `E_state_dict` or `3`; `module.` is taken off.

    A state dict is a mapping of which every value is a tensor; optimisers are none.
    """
    parallel = "module."  # that DataParallel puts in front of every name
    if isinstance(content, Mapping) and content and all(isinstance(value, Tensor) for value in content.values()):
        return {place: {str(name).removeprefix(parallel): tensor for name, tensor in content.items()}}
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in _children(content):
        found |= state_dicts(value, f"{place}.{name}" if place else name)
    return found


def _children(content: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        yield from ((str(name), value) for name, value in content.items())
    elif isinstance(content, (list, tuple)):
        yield from ((str(place), value) for place, value in enumerate(content))
