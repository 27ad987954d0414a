"""`talkface live PHOTO --microphone` -> the photo's person says what is said, as it is said."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.options import Quiet, refuse_missing, refuse_missing_of, with_options
from talkface.errors import ConfigError
from talkface.inference.request import AnimateOptions
from talkface.options import option


def register(app: typer.Typer) -> None:
    """Add the verb."""
    live.add_to(app, "live")


@dataclass(frozen=True, kw_only=True)
class LiveOptions(AnimateOptions):
    """Options of `live`."""

    window: bool = option(True, "Show the person.")
    seconds: float | None = option(None, "Stop after so long.", low=0.1)


@with_options(LiveOptions)
def live(
    photo: Annotated[str, typer.Argument(help="Photo, folder of photos, video, or identity file of the person.")],
    microphone: Annotated[bool, typer.Option("--microphone", help="Say what the microphone hears.")] = False,
    speech: Annotated[
        str | None,
        typer.Option(
            "--speech", "-s", help="Say this sound or video file, as if it came now; -: s16le from a pipe, 16 kHz mono."
        ),
    ] = None,
    source: Annotated[str | None, typer.Option(help="With --microphone: its name, as ffmpeg calls it.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also record to this .mp4, with the sound.")] = None,
    quiet: Quiet = False,
    *,
    options: LiveOptions,
) -> None:
    """Make the person in PHOTO say what is said, as it is said.

    The mouth follows 0.16 s after the sound; the window shows the picture, the recording has both.
    Escape, Q or the window's cross ends. Animate only people who agreed, and say that the video is made.
    """
    if microphone == (speech is not None):
        raise ConfigError("give either --microphone or --speech FILE: talkface live PHOTO --microphone")
    piped = speech == "-"
    refuse_missing([photo, None if piped else speech])
    refuse_missing_of(options, out)
    if piped and sys.stdin.isatty():
        raise ConfigError("no pipe to read from: ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | talkface live PHOTO -s -")
    from talkface import Animator
    from talkface.inference.live import check_live
    from talkface.inference.speak_live import RATE, speak_live

    check_live(RATE, options)
    animator = Animator.from_options(options)
    said = sys.stdin.buffer if piped else speech
    report = speak_live(
        animator,
        photo,
        said,
        options=options,
        microphone=source,
        out=out,
        window=options.window,
        seconds=options.seconds,
    )
    if not quiet:
        typer.echo(
            f"live: {report.frames} frames, {report.idle} of them idle, {report.repeated} pictures left out, "
            f"speech late {report.starved} times"
        )
        if out is not None:
            typer.echo(f"{out}: {float(report.frames / options.fps):.2f} s, marked as synthetic")
