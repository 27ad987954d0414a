"""`talkface verify FILE` -> whether a video or picture says that it is synthetic, and who signs for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talkface.cli.options import refuse_missing
from talkface.errors import MediaError, printable

if TYPE_CHECKING:
    from talkface.media.mark.verify import Verdict


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify")(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="A video or a picture, such as a screenshot.")],
    trust: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) of authorities to trust, beside this computer's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell which marks of a synthetic video FILE bears: C2PA signature, invisible mark, comment tag.

    Exit code 0: marked, and all that is there holds. 1: no mark found, which proves nothing, or FILE cannot be read.
    3: marked, but the signature is broken or the marks contradict one another.
    """
    refuse_missing([file, trust])
    from talkface.files.read import read_bytes
    from talkface.media.mark.verify import verify_file

    verdict = verify_file(file, None if trust is None else read_bytes(trust, "certificate", MediaError))
    if as_json:
        typer.echo(json.dumps({"file": str(file), **verdict.plain()}, indent=2))
    else:
        for line in _lines(verdict):
            typer.echo(printable(line))
        typer.echo(f"{printable(file)}: {verdict.summary}")
    unmarked, broken = 1, 3  # exit codes
    if verdict.faults or not verdict.marked:
        raise typer.Exit(broken if verdict.faults else unmarked)


def _lines(verdict: "Verdict") -> Iterator[str]:
    for layer in verdict.layers:
        yield f"{layer.name}: {layer.text}"
    if verdict.manifest is not None:
        yield from (f"  {name}: {value}" for name, value in verdict.manifest.details.items())
