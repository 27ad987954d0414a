"""`talkface identities list|delete` -> the people that are kept by name, and their end."""

from typing import Annotated

import typer

from talkface.errors import printable


def register(app: typer.Typer) -> None:
    """Add the verb."""
    group = typer.Typer(
        help="People that `enroll` keeps by name: list and delete them.\n\nFaces are biometric data: the "
        "files are readable by you alone; delete those that you need no more.",
        no_args_is_help=True,
    )
    group.command("list")(list_kept)
    group.command("delete")(delete)
    app.add_typer(group, name="identities")


def list_kept() -> None:
    """Print name, date, size and place of every identity that is kept."""
    import datetime

    from talkface.checkpoints.identity import identity_folder, list_identities

    kept = list_identities()
    for path in kept:
        state = path.stat()
        day = datetime.datetime.fromtimestamp(state.st_mtime, datetime.UTC).date()
        typer.echo(f"{printable(path.stem)}  {day}  {state.st_size / 1e6:.1f} MB  {printable(path)}")
    if not kept:
        typer.echo(f"no identities in {identity_folder()}: keep one with `talkface enroll PHOTO -o NAME`")


def delete(
    names: Annotated[list[str], typer.Argument(help="Names as `talkface identities list` prints them.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete identities for good; animated videos of these people stay."""
    from talkface.checkpoints.identity import find_identity, list_identities
    from talkface.errors import CheckpointError

    kept = {path.stem: path for path in list_identities()}
    for name in names:
        if name not in kept:
            find_identity(name)
            raise CheckpointError(f"{name} is not kept by name: delete the file itself")
    if not yes:
        typer.confirm(f"Delete {', '.join(printable(name) for name in names)}?", abort=True)
    for name in names:
        kept[name].unlink()
        typer.echo(f"deleted {printable(name)}")
