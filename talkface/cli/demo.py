"""`talkface demo` -> the NASA portrait speaks a synthetic sentence."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.animate import report_result
from talkface.cli.options import with_options
from talkface.cli.progress import frame_progress
from talkface.errors import MediaError
from talkface.inference.request import AnimateOptions

DEMO_PHOTO = Path(__file__).with_name("demo_photo.jpg")
DEMO_SPEECH = Path(__file__).with_name("demo_speech.flac")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    demo.add_to(app, "demo")


@with_options(AnimateOptions, "renderer", "renderer_model", "device", "force")
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The .mp4 to write.")] = Path("talkface_demo.mp4"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only where the video is.")] = False,
    *,
    options: AnimateOptions,
) -> None:
    """Make a portrait speak, with nothing but this package.

    The photo is NASA's portrait of Eileen Collins (public domain).
    The voice is synthetic (espeak-ng).
    """
    from talkface import animate

    with frame_progress(out.name, quiet) as report:
        chosen = replace(options, force=options.force or _is_ours(out))
        result = animate(DEMO_PHOTO, DEMO_SPEECH, out, chosen, progress=report)
    if not quiet:
        from talkface.inference.subject import network_names

        report_result(result, network_names(options))
    typer.echo(f"demo video: {result.path.resolve()}")


def _is_ours(path: Path) -> bool:
    """Whether an earlier demo made the file, so that it may be replaced."""
    from talkface.media.mark.tag import verify_mark

    try:
        return path.is_file() and verify_mark(path)
    except MediaError:
        return False
