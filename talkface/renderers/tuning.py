"""Overrides such as `mouth.feather=1.5` -> the numbers that a renderer works with, checked; and what there is."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from talkface.errors import ConfigError, printable
from talkface.files.check import describe, matches
from talkface.renderers.base import Tuning


def read_tuning(overrides: Sequence[str], start: Tuning | None = None) -> Tuning:
    """Numbers with overrides laid over them, in their order.

    Args:
        overrides: `stage.name=value`, a value as JSON has it: `mouth.feather=1.5`, `mouth.zoom=[0.9,1.1]`.
        start: what is overridden; today's numbers if not given.

    Raises:
        ConfigError: no such number, the nearest one is said; a value of another type or far from the usual one.
    """
    tuning = start or Tuning()
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(
                f"invalid set {printable(text)[:60]!r}: expected stage.name=value such as mouth.feather=1.5"
            )
        tuning = _with(tuning, key.strip().split("."), value.strip(), key.strip())
    return tuning


def _with(group: Any, names: Sequence[str], value: str, key: str) -> Any:
    first, *rest = names
    kinds = get_type_hints(type(group))
    inner = getattr(group, first, None) if first in kinds else None
    if first not in kinds or is_dataclass(inner) is not bool(rest):
        raise ConfigError(f"unknown number {printable(key)[:60]!r} in set: {_hint(key)}")
    new = _with(inner, rest, value, key) if rest else _read(value, kinds[first], inner, key)
    return replace(group, **{first: new})


def _read(text: str, kind: Any, usual: Any, key: str) -> Any:
    """A value of this type within a tenth and ten times of the usual one: beyond, no picture comes of it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    parts, known = (each if isinstance(each, (list, tuple)) else [each] for each in (value, usual))
    low, high = min(known) / 10, 10 * max(known)
    rises = len(known) == 2 and known[0] < known[1]
    fits = matches(value, kind) and parts and all(low <= part <= high for part in parts)
    if not fits or (rises and parts[0] >= parts[1]):
        many = "two rising numbers such as [1,2]" if rises else describe(kind)
        raise ConfigError(f"invalid {key} {printable(text)[:60]!r}: expected {many}, {low:g} to {high:g}")
    return tuple(float(part) for part in parts) if isinstance(usual, tuple) else type(usual)(value)


def _hint(key: str) -> str:
    known = _names(Tuning())
    by_end = {name.rpartition(".")[2]: name for name in known}
    near = difflib.get_close_matches(key, known, n=1) or [
        by_end[end] for end in difflib.get_close_matches(key.rpartition(".")[2], by_end, n=1)
    ]
    groups = sorted({name.rpartition(".")[0] for name in known})
    return f"did you mean {near[0]}?" if near else f"--report lists those of {', '.join(groups)} under tuning"


def _names(group: Any, prefix: str = "") -> list[str]:
    found: list[str] = []
    for each in fields(group):
        value, name = getattr(group, each.name), f"{prefix}{each.name}"
        found += _names(value, f"{name}.") if is_dataclass(value) else [name]
    return found
