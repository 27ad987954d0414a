"""Command line -> one verb of `cli/`, one line for every mistake."""

import gc
import importlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Annotated

import typer

from talkface import __version__
from talkface.errors import StoppedError, TalkfaceError, missing_package, raise_if_stopped, stopped_by

VERBS = {
    "animate": "Make the person in PHOTO speak SPEECH.",
    "batch": "Make many videos: a manifest of rows, or every photo with every speech.",
    "reenact": "Make the person in PHOTO do what the face in DRIVING does, or what a camera sees.",
    "enroll": "Keep a person: `animate` and `reenact` take the file, or its name, in place of the photos.",
    "identities": "People that `enroll` keeps by name: list and delete them.",
    "demo": "Make a portrait speak, with nothing but this package.",
    "live": "Make the person in PHOTO say what is said, as it is said.",
    "serve": "Serve a web page and an HTTP API that make videos and live streams.",
    "verify": "Tell which marks of a synthetic video FILE bears: C2PA signature, invisible mark, comment tag.",
    "doctor": "Check this installation, and say what to do about each fault; exit code 1 where `animate` cannot run.",
    "models": "The networks inside the package, and networks to train with.",
    "prepare": "Turn a corpus into training shards: face crops, landmarks and sound, at 25 frames per second.",
    "train": "Train a network; the same command again resumes a stopped run.",
    "runs": "List trainings with their best scores, and write a page with their curves and previews side by side.",
    "evaluate": "Measure made videos.",
    "benchmark": "Time this machine.",
}
"""Verbs of the command line in the order of its help: verb -> first line of the verb's own help.

Each is the module `cli/VERB`, which has `register(app)` and is imported when the verb is called, not before."""

OLD_VERBS = {
    "embed": ("enroll",),
    "finetune": ("enroll", "--finetune"),
    "weights": ("models",),
    "benchmark-fewshot": ("benchmark", "train"),
    "benchmark-prepare": ("benchmark", "prepare"),
    "benchmark-scale": ("benchmark", "scale"),
}
"""Verbs of one release ago -> the words that replace them."""

INTERRUPTED = 130  # exit code of a program that Ctrl-C ended
USAGE = 2  # exit code of a command line that cannot be understood
TRACEBACK = "TALKFACE_TRACEBACK"  # environment variable that shows where in the code an error arose


def build_app(called: Container[str] = VERBS) -> typer.Typer:
    """The command line with the verbs in `called` as their modules define them; of the others only name and summary."""
    app = typer.Typer(
        name="talkface",
        help="A photo and a speech clip become a video of that person speaking.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    for verb, summary in VERBS.items():
        if verb in called:
            importlib.import_module(f"talkface.cli.{verb}").register(app)
        else:
            app.command(verb, help=summary)(_only_named)
    return app


def _only_named() -> None:
    """Stand for a verb whose module is not imported."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a mistake in the input, 2 in the command, 130 interrupted, 143 ended."""
    stopped_by.clear()
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets for a closed terminal
            signal.signal(number, _terminate)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # not where a shell lets it be ignored
        signal.signal(signal.SIGINT, _interrupt)
    # imports make a million objects that stay: looking through them took .1 s of a short video
    gc.set_threshold(50_000)
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"  # one line, without a place in the code
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt as error:  # Ctrl-C while an error was being said, or files were being cleaned up
        code = _say(error, "interrupted", INTERRUPTED)
    gc.freeze()  # nor are they looked through once more, .2 s, before they go with the process
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code, with any error said in one line on standard error."""
    for kind in (DeprecationWarning, FutureWarning):  # of other packages: for who writes them, not for who runs them
        warnings.filterwarnings("ignore", category=kind, module=r"(?!talkface\b)")
    completing = "_TALKFACE_COMPLETE"  # environment variable by which a shell asks how a word goes on
    try:
        arguments = _with_current_verb(arguments)
        line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")  # bash; the other shells
        typed = line.split()[1:] if completing in os.environ else arguments
        called = next((word for word in typed if not word.startswith("-")), "")
        code = build_app({called})(args=list(arguments), prog_name="talkface", standalone_mode=False)
    except typer.Exit as error:
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has left, as in `talkface ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost door: it all becomes a line
        if not isinstance(error, StoppedError):
            raise_if_stopped()  # torch makes a damaged file of a signal while it reads one
        return _say(error, *_explain(error))
    if code == INTERRUPTED:  # the parser turns Ctrl-C into this code itself
        return _say(KeyboardInterrupt(), "interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _explain(error: BaseException) -> tuple[str, int]:
    """One line that describes an error, and the exit code."""
    if isinstance(error, StoppedError):
        return str(error), error.exit_code
    if isinstance(error, TalkfaceError):
        return str(error), 1
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return "interrupted", INTERRUPTED
    if isinstance(error, ModuleNotFoundError):
        return missing_package(error.name or str(error)), 1
    if isinstance(error, MemoryError):
        return "not enough memory: use a smaller photo, or close other programs", 1
    if isinstance(error, OSError):  # a full disk or a file taken away where no room expected it
        return f"{error.filename or 'a file'} cannot be used: {error.strerror or error}", 1
    if hasattr(error, "format_message"):  # what the parser says of a wrong command line
        message = error.format_message()
        return message and f"{message} ({_help_of(error)} lists what there is)", USAGE
    return f"fault in talkface: {type(error).__name__}: {error} ({TRACEBACK}=1 shows where)", 1


def _with_current_verb(arguments: Sequence[str]) -> Sequence[str]:
    """The same words, a verb of one release ago replaced, with a warning."""
    for place, word in enumerate(arguments):
        if word.startswith("-"):
            continue
        if word in OLD_VERBS:
            typer.echo(f"warning: talkface {word} is now called talkface {' '.join(OLD_VERBS[word])}", err=True)
            return [*arguments[:place], *OLD_VERBS[word], *arguments[place + 1 :]]
        further = next((each for each in arguments[place + 1 :] if not each.startswith("-")), "")
        if word == "benchmark" and Path(further).suffix:  # a photo, as it took one release ago
            typer.echo("warning: talkface benchmark PHOTO is now called talkface benchmark animate PHOTO", err=True)
            return [*arguments[: place + 1], "animate", *arguments[place + 1 :]]
        break
    return arguments


def _help_of(error: BaseException) -> str:
    """The command whose help names what the mistaken words should have been."""
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'talkface'} --help"


def _terminate(number: int, _: object) -> None:
    """End like Ctrl-C does, so that half-written files are removed; the parser must not take it for its own.

    Where something does not let go, the process ends all the same.
    """
    leave_within_s = 8.0  # seconds from SIGTERM to the end
    end = threading.Timer(leave_within_s, os._exit, (128 + number,))
    end.daemon = True
    end.start()
    _interrupt(number, None)


def _interrupt(number: int, _: object) -> None:
    """End, and remember that until somebody listens."""
    stopped_by.append(number)
    raise_if_stopped()


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
