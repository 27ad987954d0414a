"""`talkface demo` -> the NASA portrait speaks a synthetic sentence."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.animate import report_result
from talkface.cli.progress import frame_progress
from talkface.errors import MediaError

DEMO_PHOTO = Path(__file__).with_name("demo_photo.jpg")
DEMO_SPEECH = Path(__file__).with_name("demo_speech.flac")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The .mp4 to write.")] = Path("talkface_demo.mp4"),
    renderer: Annotated[str, typer.Option(help="hybrid or warp.")] = "hybrid",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite a file that is not ours.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only where the video is.")] = False,
) -> None:
    """Make a portrait speak, with nothing but this package.

    The photo is NASA's portrait of Eileen Collins (public domain).
    The voice is synthetic (espeak-ng).
    """
    from talkface import animate

    with frame_progress(out.name, quiet) as report:
        result = animate(
            DEMO_PHOTO,
            DEMO_SPEECH,
            out,
            renderer=renderer,
            device=device,
            force=force or _is_ours(out),
            progress=report,
        )
    if not quiet:
        from talkface.inference.networks import network_names
        from talkface.inference.request import AnimateOptions

        report_result(result, network_names(AnimateOptions.from_mapping({"renderer": renderer})))
    typer.echo(f"demo video: {result.path.resolve()}")


def _is_ours(path: Path) -> bool:
    """Whether an earlier demo made the file, so that it may be replaced."""
    from talkface.media.mark.tag import verify_mark

    try:
        return path.is_file() and verify_mark(path)
    except MediaError:
        return False
