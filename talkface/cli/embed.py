"""Photos -> an identity file, fed forward without training."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from talkface.errors import printable
from talkface.inference.request import EnrollOptions

if TYPE_CHECKING:
    from talkface.checkpoints.identity import StoredIdentity


def embed(photos: list[str], out: str, options: EnrollOptions, *, quiet: bool) -> None:
    """Write an identity file of photos, with a few-shot network's embedding where one is given."""
    target = output_path(out, options.force)
    console = Console(stderr=True)
    with nullcontext() if quiet or not console.is_terminal else console.status("looking for faces"):
        from talkface.checkpoints.identity import save_identity
        from talkface.inference.enroll import load_people, make_identity
        from talkface.landmarks.detect import load_detector
        from talkface.renderers.fewshot import load_fewshot_renderer
        from talkface.renderers.load import pick_device

        network = None if options.model is None else load_fewshot_renderer(options.model, pick_device(options.device))
        found = load_people(photos, load_detector(options.detector), options.shots, options.face)
        identity = make_identity(found, network, {"command": "embed", "num_shots": len(found.shots)})
        save_identity(target, identity, exclusive=not options.force)
    if not quiet:
        for note in found.notes:
            typer.echo(f"note: {printable(note)}")
        report_identity(target, identity)


def output_path(out: str, force: bool) -> Path:
    """Where an identity is written: a path, or the place of a bare name.

    Raises:
        MediaError: it exists, or its folder does not.
    """
    from talkface.checkpoints.format import SUFFIX
    from talkface.checkpoints.identity import identity_folder, identity_path, make_identity_folder
    from talkface.media.write import check_output

    target = identity_path(out)
    if target.parent == identity_folder():
        make_identity_folder()
    check_output(target, force=force, suffixes=(SUFFIX,))
    return target


def report_identity(path: Path, identity: "StoredIdentity") -> None:
    """Print what a file holds and how to use it."""
    part = identity.fewshot
    kind = "shots only" if part is None else f"embedded by network {part.network}"
    if part is not None and part.generator:
        kind = f"with a generator fine-tuned from network {part.network}"
    count = len(identity.shots)
    typer.echo(f"{path}: {count} shot{'s' * (count != 1)}, {kind}, {path.stat().st_size / 1e6:.1f} MB")
    how = (
        "" if part is None else " --renderer fewshot" if part.generator else " --renderer fewshot --renderer-model ..."
    )
    typer.echo(f"use it: talkface animate {path} SPEECH -o OUT.mp4{how}")
