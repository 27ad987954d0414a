"""`talkface verify VIDEO` -> whether the file says that talkface made it."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.errors import printable


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify")(verify)


def verify(video: Annotated[Path, typer.Argument(help="A video file.")]) -> None:
    """Tell whether VIDEO carries the tag that marks it as synthetic; exit code 1 where it does not.

    A missing tag proves nothing: re-encoding and most upload sites remove it.
    """
    from talkface.media.mark.tag import read_comment, verify_mark

    if not verify_mark(video):
        typer.echo(f"{printable(video)}: no synthetic mark found (re-encoding removes it, so this proves nothing)")
        raise typer.Exit(1)
    typer.echo(f"{printable(video)}: {printable(read_comment(video))}")
