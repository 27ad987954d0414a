"""Parsed values + expected types -> the same values, or an error that names what is wrong."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from talkface.errors import TalkfaceError, printable

Record = TypeVar("Record")
NUMBERS, TEXT = "fiu", "U"
Shape = tuple[int | None, ...]
"""Sides of an array; None stands for any length of 1 or more."""


@dataclass(frozen=True)
class CheckLimits:
    """Values that are refused."""

    largest_int: int = 2**63
    longest_ratio: int = 40  # characters
    longest_shown: int = 60  # characters of a wrong value in an error


CHECK = CheckLimits()


def matches(value: Any, kind: Any) -> bool:
    """Whether `value` is of type `kind`: a plain type, a union, a `Literal`, or a list, tuple or dict of such.

    Numbers must be finite and fit 64 bits; `bool` is not an `int`; an `int` is a `float`; text has no NUL.
    """
    if kind is Any:
        return True
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return any(matches(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if origin in (list, tuple):
        return _matches_items(value, origin, inner)
    if origin in (dict, Mapping):
        kinds = inner or (str, Any)
        return isinstance(value, Mapping) and all(
            matches(key, kinds[0]) and matches(each, kinds[1]) for key, each in value.items()
        )
    return _matches_plain(value, origin)


def build_record(kind: type[Record], values: Mapping[str, Any], where: str, error: type[TalkfaceError]) -> Record:
    """An instance of a dataclass from parsed values; names that it does not have are left out.

    Raises:
        error: a field without a default is missing, a value has another type, or the class refuses it.
    """
    hints = get_type_hints(kind)
    known = {field.name: hints[field.name] for field in fields(kind) if field.init}  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            continue
        if not matches(value, known[name]):
            shown = printable(value)[: CHECK.longest_shown]
            raise error(f"{where}: invalid {name} {shown!r}: expected {describe(known[name])}")
        given[name] = tuple(value) if get_origin(known[name]) is tuple else value
    try:
        return kind(**given)
    except (TypeError, ValueError) as cause:
        raise error(f"{where} is incomplete or damaged ({cause})") from cause


def parse_ratio(text: str) -> Fraction:
    """A positive number such as `25`, `29.97` or `30000/1001`; `1e99999999` is not computed.

    Raises:
        ValueError: not such a number.
    """
    upper, _, lower = text.strip().partition("/")
    values = [float(part) for part in (upper, lower or "1")]
    if len(text) > CHECK.longest_ratio or not all(0 < value < CHECK.largest_int for value in values):
        raise ValueError(f"{text[: CHECK.longest_ratio]!r} is not a ratio")
    return Fraction(upper) / Fraction(lower or "1")


def describe(kind: Any) -> str:
    """A type in a user's words."""
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(describe(each) for each in inner)
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin in (list, tuple):
        return f"a list of {describe(inner[0])}" if inner else "a list"
    words = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false", NoneType: "null"}
    return words.get(origin, "named values" if origin in (dict, Mapping) else "a value")


def _matches_items(value: Any, origin: Any, inner: tuple[Any, ...]) -> bool:
    if not isinstance(value, (list, tuple)):
        return False
    if not inner:
        return True
    if inner[0] is int and origin is list:  # the offsets of every picture of a clip: thousands for every read
        whole = all(type(each) is int for each in value)
        return whole and (not value or -CHECK.largest_int < min(value) <= max(value) < CHECK.largest_int)
    if origin is list or (len(inner) == 2 and inner[1] is Ellipsis):
        return all(matches(each, inner[0]) for each in value)
    return len(value) == len(inner) and all(matches(each, item) for each, item in zip(value, inner, strict=True))


def _matches_plain(value: Any, kind: Any) -> bool:
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
            return False
        return abs(value) < CHECK.largest_int if isinstance(value, int) else math.isfinite(value)
    if kind is str:
        return isinstance(value, str) and "\0" not in value
    return value is None if kind in (None, NoneType) else isinstance(value, kind)


def check_array(
    array: npt.NDArray[Any],
    shapes: Sequence[Shape],
    where: str,
    error: type[TalkfaceError],
    *,
    most: float = 1e6,
    finite: bool = True,
) -> None:
    """See that an array of numbers has one of `shapes`, is finite, and that no value is larger than `most`.

    With `finite` off, NaN stands for what is not known, as in frames without a face; infinity stays refused.

    Raises:
        error: another kind or shape; names what was found and expected.
    """
    expected = " or ".join(f"[{', '.join('T' if side is None else str(side) for side in shape)}]" for shape in shapes)
    if array.dtype.kind not in NUMBERS or not any(_fits(array.shape, shape) for shape in shapes):
        raise error(f"{where} has shape {list(array.shape)} of {array.dtype}: expected {expected}")
    if not (np.isfinite(array) if finite else ~np.isinf(array)).all():
        raise error(f"{where} holds numbers that are not finite: expected {expected} finite ones")
    if array.size and bool((np.abs(array.astype(np.float64)) > most).any()):
        raise error(f"{where} holds numbers beyond {most:g}: expected pixels or similar {expected}")


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    return len(found) == len(shape) and all(
        (have > 0 if want is None else have == want) for have, want in zip(found, shape, strict=True)
    )
