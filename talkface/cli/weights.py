"""`talkface weights` -> a table of the networks inside the package."""

import typer
from rich.console import Console
from rich.table import Table


def register(app: typer.Typer) -> None:
    """Add the verb `weights` with `list`."""
    weights = typer.Typer(help="The networks that ship inside the package.", no_args_is_help=True)
    weights.command("list")(list_weights)
    app.add_typer(weights, name="weights")


def list_weights() -> None:
    """Print name, kind, size, parameters and hash of every shipped network."""
    from talkface import list_models

    table = Table("name", "kind", "parameters", "MB", "sha256", "file")
    for model in list_models():
        table.add_row(
            model.name,
            model.kind,
            f"{model.num_parameters:,}",
            f"{model.size_mb:.1f}",
            model.sha256,
            str(model.path),
        )
    Console().print(table)
