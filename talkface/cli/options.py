"""Options class of a verb -> flags of its command, with help, ranges and names of one release ago."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from talkface.errors import ConfigError, MediaError
from talkface.options import Option, Options, old_names, options_of

INPUTS = (
    *("landmarks", "head_from", "captions", "caption_font", "background", "certificate", "key", "ani"),
    *("renderer_model", "speech_model", "head_model"),
)
"""Options that name files; networks also have bare names."""

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


class WrongValue(typer.BadParameter):
    """A flag's value that is none of its option's, in the words of the keyword."""

    def format_message(self) -> str:
        """The line alone: it names the option."""
        return self.message


class OptionsCommand(TyperCommand):
    """A command some of whose flags may stand alone, and which says what is called otherwise now.

    Attributes:
        lone: such a flag -> its value then.
        outdated: flag of a release ago -> today's, of those in the words that were read last.
    """

    lone: Mapping[str, str]
    outdated: dict[str, str]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a lone flag its value: at the end, or with another flag behind it."""
        following = [*args[1:], "-"]
        words = [
            f"{word}={self.lone[word]}" if word in self.lone and behind.startswith("-") else word
            for word, behind in zip(args, following, strict=False)
        ]
        self.outdated.clear()
        try:
            return super().parse_args(ctx, words)
        finally:  # also where a value is refused, or only the help is shown
            for old, current in self.outdated.items():
                typer.echo(f"warning: {old} is now called {current}", err=True)


@dataclass(frozen=True)
class Command:
    """A function that `with_options` gave flags, and what adding it to a command line takes.

    Attributes:
        function: with a parameter for each flag.
        group: the options behind the flags.
        aliases: further names of flags and of the function's own parameters.
    """

    function: Callable[..., None]
    group: type[Options]
    aliases: Mapping[str, str]

    def add_to(self, app: typer.Typer, name: str) -> None:
        """Add the command, which also reads `--source_image` as `--photo`, and old names with a warning."""
        options = options_of(self.group).values()
        lone = {f"--{_dashed(found.name)}": found.meta["lone"] for found in options if found.meta["lone"]}
        old = {_dashed(was): options_of(self.group)[now] for was, now in old_names(self.group).items()}
        outdated: dict[str, str] = {}

        def current(written: str) -> str:
            name = _dashed(written)
            if name not in old:
                return self.aliases.get(name, name)
            is_short = len(name) == 1
            outdated[f"-{name}" if is_short else f"--{name}"] = f"--{_dashed(old[name].name)}"
            return str(old[name].meta["short"]) if is_short else _dashed(old[name].name)

        kind = type("OptionsCommand", (OptionsCommand,), {"lone": lone, "outdated": outdated})
        app.command(name, cls=kind, context_settings={"token_normalize_func": current})(self.function)


def with_options(
    group: type[Options], *names: str, aliases: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Callable[..., None]], Command]:
    """Decorator: the command takes every option of `group`, or those of `names`, and gets them as one `options`.

    The decorated function has a parameter `options`; it receives an instance of `group`.
    """
    taken = {name: found for name, found in options_of(group).items() if not names or name in names}

    def decorate(function: Callable[..., None]) -> Command:
        def command(**values: Any) -> None:
            given = {name: values.pop(name) for name in taken}
            function(**values, options=group.from_mapping(given))

        own = inspect.signature(function).parameters
        flags = {name: _flag(found) for name, found in taken.items()}
        parameters = [parameter for name, parameter in own.items() if name != "options"]
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in flags.items()
        ]
        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return Command(command, group, aliases)

    return decorate


def word_argument(words: Sequence[str], help: str) -> Any:
    """Argument that is one of some words, which the help lists and a shell completes; the verb refuses others."""
    completed = lambda incomplete: [word for word in words if word.startswith(incomplete)]  # noqa: E731
    return typer.Argument(help=f"{help}: {', '.join(words)}.", autocompletion=completed)


def _flag(option: Option) -> tuple[Any, Any]:
    """Annotation and default of the flag's parameter: text, which the option itself reads."""
    dashed = _dashed(option.name)
    words = [f"--{dashed}/--no-{dashed}"] if option.kind is bool and option.default else [f"--{dashed}"]
    words += [f"-{option.meta['short']}"] if option.meta["short"] else []
    kind: Any = bool if option.kind is bool else list[str] if option.kind is list else str
    default = option.default if option.kind in (bool, list) or option.default is None else option.written
    reach = option.kind in (tuple, Fraction) or option.meta["low"] is not None or option.meta["high"] is not None
    settings: dict[str, Any] = {"help": option.described if reach else option.meta["help"]}
    if option.meta["group"]:
        settings["rich_help_panel"] = option.meta["group"]
    forms: dict[type, str] = {int: "<int>", float: "<float>", Fraction: "<number>", tuple: "X,Y", Path: "<path>"}
    if option.choices:
        settings["metavar"] = "|".join(option.choices)
        settings["autocompletion"] = lambda incomplete: [word for word in option.choices if word.startswith(incomplete)]
    elif option.kind in forms or option.meta["lone"]:
        settings["metavar"] = "[<str>]" if option.meta["lone"] else forms[option.kind]

    def checked(value: Any) -> Any:
        try:
            return option.read(value)
        except ConfigError as error:
            raise WrongValue(str(error)) from error

    settings["callback"] = checked
    return Annotated[kind | None if option.optional else kind, typer.Option(*words, **settings)], default


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def refuse_missing(words: Iterable[object]) -> None:
    """Refuse files that are not there, pipes and devices before anything large is imported.

    A `Path` is always one; text without a folder or an ending may be the name of an identity or a network.

    Raises:
        MediaError: the first such one.
    """
    for word in filter(None, words):
        name = str(word)
        looks_like_file = isinstance(word, Path) or Path(name).suffix or Path(name).name != name
        if looks_like_file and not os.path.lexists(name):
            what = "file" if Path(name).suffix else "file or folder"
            raise MediaError(f"no {what} {name}: check the name")
        if looks_like_file and Path(name).exists() and not (Path(name).is_file() or Path(name).is_dir()):
            raise MediaError(f"{name} is a pipe or a device, expected a file: write it to a file first")


def refuse_missing_of(options: Options, out: Path | None) -> None:
    """The same for files that options name, and for the folder of what is written.

    Raises:
        MediaError: the first missing one.
    """
    refuse_missing(getattr(options, name, None) for name in INPUTS)  # a colour has neither folder nor ending
    if out is not None and not out.parent.is_dir():
        raise MediaError(f"there is no folder {out.parent}: make it with mkdir -p, or give another output")


def refuse_missing_folder(folder: Path, what: str) -> None:
    """Refuse a folder that is not there; `what` says what to give.

    Raises:
        MediaError: it is missing.
    """
    if not folder.is_dir():
        raise MediaError(f"no folder {folder}: give {what}")
