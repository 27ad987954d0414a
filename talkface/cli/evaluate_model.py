"""`talkface evaluate model MODEL SHARDS` -> the table of its kind of network."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.errors import CheckpointError


def evaluate_model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name or path of a network; its kind says which table it gets.")],
    shards: Annotated[Path, typer.Argument(help="Folder that `prepare` wrote, of people held out of training.")],
) -> None:
    """Score a network on held-out people, whatever it is.

    Speech networks get the table `audio2landmark`, head motion `headmotion`, few-shot networks `fewshot`, all other
    renderers `renderer`. Further options are those of that table: `talkface evaluate renderer --help` lists them.
    """
    from talkface.checkpoints.format import load_weights
    from talkface.renderers.base import RENDERER_OF

    kind = load_weights(model).kind
    table = kind if kind in ("audio2landmark", "headmotion", "fewshot") else "renderer" if kind in RENDERER_OF else ""
    if not table:
        raise CheckpointError(f"{model} is of kind {kind}: expected a network of speech, head motion or faces")
    assert context.parent is not None
    command = context.parent.command.get_command(context.parent, table)  # type: ignore[attr-defined]
    given = [model, *(["--shards"] if table == "renderer" else []), str(shards), *context.args]
    with command.make_context(table, given, parent=context.parent) as inner:
        command.invoke(inner)
