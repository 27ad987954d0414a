"""Tensors -> tensors: the networks and their shared blocks."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

Value = TypeVar("Value")


def renamed(state: Mapping[str, Value], names: Mapping[str, str], prefix: str = "") -> dict[str, Value]:
    """A state dict by today's names.

    Args:
        state: tensors by name.
        names: beginnings of names, behind `prefix`, in earlier versions -> today's.
        prefix: of the names that these are looked for in.

    Returns:
        All of it; a name of old that today's stands beside is kept, and found unexpected by `load_state_dict`.
    """
    result = dict(state)
    for name in state:
        old = next((old for old in names if name.startswith(prefix + old)), None)
        today = name if old is None else prefix + names[old] + name[len(prefix + old) :]
        if today not in result:
            result[today] = result.pop(name)
    return result


def load_renamed(module: Any, names: Mapping[str, str]) -> None:
    """Let `module`, a `torch.nn.Module`, also load state dicts of earlier versions, whose names begin as in `names`.

    So shipped weights, users' checkpoints and the states of their trainings outlive a renaming of attributes.
    """
    register: Callable[..., object] = module.register_load_state_dict_pre_hook  # torch leaves it untyped
    register(partial(_rename, names))


def _rename(names: Mapping[str, str], _: Any, state: dict[str, Any], prefix: str, *__: Any) -> None:
    current = renamed(state, names, prefix)
    state.clear()
    state.update(current)
