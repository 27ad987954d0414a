"""Command line -> one verb of `cli/`, one line for every mistake."""

import importlib
import os
import pkgutil
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from talkface import __version__, cli
from talkface.errors import TalkfaceError

ORDER = (
    *("animate", "batch", "reenact", "embed", "finetune", "demo", "verify", "doctor", "weights", "prepare", "train"),
    *("evaluate", "benchmark"),
)
INTERRUPTED = 130  # exit code of a program that Ctrl-C ended
USAGE = 2  # exit code of a command line that cannot be understood
TRACEBACK = "TALKFACE_TRACEBACK"  # environment variable that shows where in the code an error arose


def build_app() -> typer.Typer:
    """The command line, put together from every module of `cli/` that has `register(app)`."""
    app = typer.Typer(
        name="talkface",
        help="A photo and a speech clip become a video of that person speaking.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    found = [module.name for module in pkgutil.iter_modules(cli.__path__)]
    for name in sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        module = importlib.import_module(f"talkface.cli.{name}")
        if hasattr(module, "register"):
            module.register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a mistake in the input, 2 in the command, 130 interrupted."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code, with any error said in one line on standard error."""
    warnings.simplefilter("ignore")
    try:
        code = build_app()(args=list(arguments), prog_name="talkface", standalone_mode=False)
    except TalkfaceError as error:
        return _say(error, str(error), 1)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _say(error, "interrupted", INTERRUPTED)
    except typer.Exit as error:
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has left, as in `talkface ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError as error:
        return _say(error, "not enough memory: use a smaller photo, or close other programs", 1)
    except OSError as error:  # a full disk or a file taken away where no room expected it
        return _say(error, f"{error.filename or 'a file'} cannot be used: {error.strerror or error}", 1)
    except Exception as error:  # noqa: BLE001 - the outermost door: whatever is left becomes one line and a code
        if hasattr(error, "format_message"):  # what the parser says of a wrong command line
            message = error.format_message()
            return _say(error, message and f"{message} ({_help_of(error)} lists what there is)", USAGE)
        return _say(error, f"fault in talkface: {type(error).__name__}: {error} ({TRACEBACK}=1 shows where)", 1)
    if code == INTERRUPTED:  # the parser turns Ctrl-C into this code itself
        return _say(KeyboardInterrupt(), "interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _help_of(error: Exception) -> str:
    """The command whose help names what the mistaken words should have been."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'talkface'} --help"


def _terminate(number: int, _: object) -> None:
    """End like Ctrl-C does, so that half-written files are removed; the parser must not take it for its own."""
    raise SystemExit(128 + number)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"talkface {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every verb."""


def _say(error: BaseException, message: str, code: int) -> int:
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    line = " ".join(message.split())
    if line:
        typer.echo(f"error: {line}", err=True)
    return code


if __name__ == "__main__":
    main()
