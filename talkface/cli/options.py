"""Options class of a verb -> flags of its command, with help, ranges and names of one release ago."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from talkface.errors import MediaError
from talkface.options import Option, Options, old_names, options_of

INPUTS = (
    *("landmarks", "head_from", "captions", "caption_font", "background", "certificate", "key", "ani"),
    *("renderer_model", "speech_model", "head_model"),
)
"""Options that name files; networks also have bare names."""


def with_options(group: type[Options], *names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: the command takes every option of `group`, or those of `names`, and gets them as one `options`.

    The decorated function has a parameter `options`; it receives an instance of `group`.
    """
    taken = {name: found for name, found in options_of(group).items() if not names or name in names}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
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
        return command

    return decorate


def former_names(group: type[Options], aliases: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Settings of a command that reads `--source_image` as `--photo`, and names of one release ago with a warning."""
    old = {was.replace("_", "-"): now.replace("_", "-") for was, now in old_names(group).items()}

    def normalise(name: str) -> str:
        dashed = name.replace("_", "-")
        if dashed in old:
            typer.echo(f"warning: --{dashed} is now called --{old[dashed]}", err=True)
        return old.get(dashed) or aliases.get(dashed, dashed)

    return {"token_normalize_func": normalise}


def _flag(option: Option) -> tuple[Any, Any]:
    """Annotation and default of the flag's parameter."""
    dashed = option.name.replace("_", "-")
    words = [f"--{dashed}/--no-{dashed}"] if option.kind is bool and option.default else [f"--{dashed}"]
    words += ["-f"] if option.name == "force" else []
    kind: Any = option.kind if option.kind in (bool, int, float) else list[str] if option.kind is list else str
    as_is = option.kind in (bool, int, float, list) or option.default is None
    default = option.default if as_is else option.written
    settings: dict[str, Any] = {"help": option.meta["help"]}
    if option.meta["group"]:
        settings["rich_help_panel"] = option.meta["group"]
    if option.choices:
        settings["metavar"] = "|".join(option.choices)
        settings["autocompletion"] = lambda incomplete: [word for word in option.choices if word.startswith(incomplete)]
    if kind in (int, float):
        settings |= {"min": option.meta["low"], "max": option.meta["high"]}
    return Annotated[kind | None if option.optional else kind, typer.Option(*words, **settings)], default


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
