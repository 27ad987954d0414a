"""Frozen dataclass of options -> flags, keywords, batch columns and table rows, all read from its fields."""

import difflib
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from fractions import Fraction
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from talkface.errors import ConfigError
from talkface.files.check import parse_ratio

Device = Literal["auto", "cpu", "cuda", "mps"]
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def option(
    default: Any,
    help: str,
    *,
    group: str = "",
    low: float | None = None,
    high: float | None = None,
    old: str = "",
    short: str = "",
    lone: str = "",
    indexed: bool = False,
    beside: str = "",
    per_row: bool = True,
) -> Any:
    """Field of an `Options` class.

    Args:
        default: value when nothing is given.
        help: one line for `--help` and the tables.
        group: heading under which `--help` lists it.
        low: least value of a number.
        high: greatest value of a number.
        old: names that the option had one release ago, a space between them, still read with a warning.
        short: letter of the flag's short form.
        lone: value where the flag stands without any.
        indexed: whether a choice may have a number behind it, such as cuda:1.
        beside: suffix of a file that is written beside the video; in a batch `true` names it after the video.
        per_row: whether a row of a batch may set it.
    """
    known = {"help": help, "group": group, "low": low, "high": high, "old": old, "beside": beside, "per_row": per_row}
    return field(default=default, metadata={**known, "short": short, "lone": lone, "indexed": indexed})


def device_option(default: str = "auto") -> Any:
    """Field of type `Device`: where networks work."""
    help = "Where networks work; auto takes a GPU where there is one."
    return option(default, help, group="Networks", per_row=False, indexed=True)


@dataclass(frozen=True)
class Option:
    """One option, as its field describes it.

    Attributes:
        name: of the field: the keyword and the batch column; the flag has dashes.
        kind: `bool`, `int`, `float`, `Fraction`, `Path`, `str`, `tuple` for a pair of numbers, `list` for many words.
        choices: values of a `Literal`, else empty.
        others: further types that pass as they are, such as an array that stands for a file.
        optional: whether None is a value.
        default: value when nothing is given.
        meta: what `option` was called with.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    others: tuple[type, ...]
    optional: bool
    default: Any
    meta: Mapping[str, Any]

    @property
    def written(self) -> str:
        """The default as it is typed."""
        if self.kind is list:
            return " ".join(self.default)
        return ",".join(f"{part:g}" for part in self.default) if self.kind is tuple else str(self.default)

    @property
    def expected(self) -> str:
        """The values that it takes, in words."""
        if self.choices:
            *before, last = self.choices
            words = f"{', '.join(before)} or {last}" if before else last
            words += ", and cuda:1 for the second" if self.meta["indexed"] else ""
            return f"{words}, or a path" if Path in self.others else words
        low, high = self.meta["low"], self.meta["high"]
        reach = "" if low is None else f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
        words_of = {
            bool: "true or false",
            int: f"a whole number{', ' * bool(reach)}{reach}",
            float: f"a number{', ' * bool(reach)}{reach}",
            Fraction: f"a number such as 25, 29.97 or 30000/1001, above 0 and at most {high or 0:g}",
            Path: "a path",
            str: "a name or a path",
            list: "a list of words",
            tuple: f"a number or two such as 0.5,-0.5, each {reach}",
        }
        others = "".join(f", or {other.__module__}.{other.__qualname__}" for other in self.others)
        return words_of[self.kind] + others

    @property
    def described(self) -> str:
        """The help, and the values that it takes where their type does not say so."""
        plain = self.kind in (bool, list) or (self.kind is str and not self.choices)
        return self.meta["help"] if plain else f"{self.meta['help']} ({self.expected})"

    def read(self, value: object) -> Any:
        """Typed and checked value from what a program, a flag, a table or JSON gave.

        Raises:
            ConfigError: of another type, out of range or none of the choices.
        """
        if value is None and self.optional:
            return None
        if self.others and isinstance(value, self.others):
            return value
        try:
            read = self._typed(value)
        except (ValueError, TypeError, ZeroDivisionError, OverflowError, KeyError, AttributeError):
            shown = isinstance(value, (str, int, float, Path, NoneType))
            given = repr(value) if shown else f"of type {type(value).__name__}"
            raise ConfigError(f"invalid {self.name} {given}: expected {self.expected}") from None
        return read

    def _typed(self, value: Any) -> Any:
        if self.choices:
            return self._choice(value)
        if self.kind is bool:
            return WORDS[value.lower()] if isinstance(value, str) else _flag(value)
        if isinstance(value, bool):
            _refuse()
        if self.kind is int:
            return self._in_range(int(value) if isinstance(value, (str, Integral)) else _refuse())
        if self.kind is float:
            return self._in_range(float(value) if isinstance(value, (str, Real)) else _refuse())
        if self.kind is Fraction:
            ratio = parse_ratio(str(value))
            return ratio if 0 < ratio <= self.meta["high"] else _refuse()
        if self.kind is list:
            words = value.split() if isinstance(value, str) else list(value)
            return tuple(word if isinstance(word, str) else _refuse() for word in words)
        if self.kind is tuple:
            return self._pair(value)
        if not isinstance(value, (str, Path)):
            _refuse()
        return self.kind(value)

    def _choice(self, value: Any) -> str | Path:
        if Path in self.others and isinstance(value, str) and (Path(value).suffix or Path(value).name != value):
            return Path(value)
        word, colon, number = value.partition(":") if self.meta["indexed"] else (value, "", "")
        if colon and not (number.isascii() and number.isdecimal()):
            _refuse()
        return self.choices[self.choices.index(word)] + colon + number

    def _pair(self, value: Any) -> tuple[float, float]:
        """Two numbers from text, a sequence, or one number with which the second is 0."""
        parts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, Real) else list(value)
        if not 1 <= len(parts) <= 2 or any(isinstance(part, bool) for part in parts):
            _refuse()
        first, second = (self._in_range(float(part)) for part in (*parts, 0)[:2])
        return first, second

    def _in_range(self, value: Any) -> Any:
        low, high = self.meta["low"], self.meta["high"]
        inside = math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
        return value if inside else _refuse()


def _flag(value: Any) -> bool:
    if value is not True and value is not False and type(value).__name__ not in ("bool", "bool_"):
        _refuse()
    return bool(value)


def _refuse() -> Any:
    raise ValueError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the options of a verb: every field is made by `option`, read and checked at birth."""

    def __post_init__(self) -> None:
        for found in options_of(type(self)).values():
            object.__setattr__(self, found.name, found.read(getattr(self, found.name)))

    def __new__(cls, **given: object) -> Self:
        """Refuse unknown names in one line; raises `ConfigError`."""
        for name in given.keys() - options_of(cls).keys():
            if name in (former := old_names(cls)):
                raise ConfigError(f"option {name} is now called {former[name]}: use that name")
            current_name(cls, name)  # which says the nearest one
        return super().__new__(cls)

    @classmethod
    def merged(cls, options: Self | None, keywords: Mapping[str, Any]) -> Self:
        """Options with keywords, by names as of `from_mapping`, laid over them; None: over the defaults.

        Raises:
            ConfigError: as `from_mapping`, or options of another class.
        """
        if options is None:
            return cls.from_mapping(keywords)
        if not isinstance(options, cls):
            raise ConfigError(f"options are of type {type(options).__name__}: pass talkface.{cls.__name__}(...)")
        return replace(options, **{current_name(cls, name): value for name, value in keywords.items()})

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> Self:
        """Options from keywords, a table's row or JSON; names may have dashes or be those of one release ago.

        Raises:
            ConfigError: an unknown name, the nearest known one is said, or a value that is not one.
        """
        return cls(**{current_name(cls, name): value for name, value in given.items()})

    def plain(self) -> dict[str, Any]:
        """Every option as JSON can hold it: fractions and paths as text, values in memory by their type."""
        return {found.name: _plain(getattr(self, found.name)) for found in fields(self)}


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, (Fraction, Path)) else type(value).__name__


def options_of(group: type[Options]) -> Mapping[str, Option]:
    """Options of a class by name, in the order of its fields."""
    return _read_fields(group)  # type: ignore[arg-type]  # the class is hashable, whatever its instances are


@cache
def _read_fields(group: Any) -> Mapping[str, Option]:
    hints = get_type_hints(group)
    return {found.name: _option_of(found, hints[found.name]) for found in fields(group)}


def _option_of(found: Field[Any], hint: Any) -> Option:
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [part for part in parts if part is not NoneType]
    choices = get_args(kinds[0]) if get_origin(kinds[0]) is Literal else ()
    assert found.default is not MISSING, f"option {found.name} needs a default"
    kind = str if choices else get_origin(kinds[0]) or kinds[0]
    if get_args(kinds[0])[1:] == (Ellipsis,):
        kind = list
    return Option(found.name, kind, choices, tuple(kinds[1:]), NoneType in parts, found.default, found.metadata)


def current_name(group: type[Options], name: str, also: Sequence[str] = ()) -> str:
    """Today's name of an option, from its own with dashes or underscores, or from the one of a release ago.

    Args:
        group: the options.
        name: what was given.
        also: further known names, for the message.

    Raises:
        ConfigError: unknown; the nearest known name is said.
    """
    word = name.strip().replace("-", "_")
    known = options_of(group)
    if word in known:
        return word
    if word in (former := old_names(group)):
        message = f"option {word} is now called {former[word]}: use that name"
        warnings.warn(message, FutureWarning, stacklevel=_users_level())
        return former[word]
    near = difflib.get_close_matches(word, [*also, *known], n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join([*also, *known])}"
    raise ConfigError(f"unknown option {name!r}: {hint}")


def _users_level() -> int:
    """Stack level, seen from the caller, of the first frame outside the package, or of the command line's own."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.partition(".")[0] != "talkface" or name.startswith("talkface.cli."):
            break
        level, frame = level + 1, frame.f_back
    return level


def old_names(group: type[Options]) -> dict[str, str]:
    """Names of a release ago -> today's."""
    return {old: found.name for found in options_of(group).values() for old in found.meta["old"].split()}


def markdown_table(group: type[Options]) -> str:
    """Table of all options: flag, default and help."""
    lines = ["| option | default | |", "|---|---|---|"]
    return "\n".join([*lines, *_rows(group)]) + "\n"


def _rows(group: type[Options]) -> Iterator[str]:
    for found in options_of(group).values():
        flag = f"`--{found.name.replace('_', '-')}`"
        if found.kind is bool and found.default:
            flag += f", `--no-{found.name.replace('_', '-')}`"
        silent = found.default is None or found.default is False or found.default == ()
        default = "" if silent else "on" if found.default is True else f"`{found.written}`"
        yield f"| {flag} | {default} | {found.described} |"


def json_schema(group: type[Options]) -> dict[str, Any]:
    """JSON schema of the options, for forms and other programs."""
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number", tuple: "array", list: "array"}
    properties: dict[str, Any] = {}
    for found in options_of(group).values():
        entry: dict[str, Any] = {"type": names.get(found.kind, "string"), "description": found.meta["help"]}
        entry["default"] = str(found.default) if isinstance(found.default, (Fraction, Path)) else found.default
        if found.choices:
            entry["enum"] = list(found.choices)
        limits = {"minimum": found.meta["low"], "maximum": found.meta["high"]}
        reach = {name: value for name, value in limits.items() if value is not None}
        if found.kind in (int, float):
            entry |= reach
        if found.kind is tuple:
            entry |= {"items": {"type": "number", **reach}, "minItems": 2, "maxItems": 2, "default": [*found.default]}
        if found.kind is list:
            entry |= {"items": {"type": "string"}, "default": [*found.default]}
        entry["group"] = found.meta["group"]
        properties[found.name] = entry
    return {"type": "object", "properties": properties, "additionalProperties": False}
