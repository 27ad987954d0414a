"""`talkface weights list|show` -> the networks inside the package and what they say of themselves."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    group = typer.Typer(help="The networks inside the package.", no_args_is_help=True)
    group.command("list")(list_weights)
    group.command("show")(show_weights)
    app.add_typer(group, name="weights")


def list_weights() -> None:
    """Print name, kind, size, parameters and hash of every shipped network."""
    from rich.console import Console
    from rich.table import Table

    from talkface import list_models

    table = Table("name", "kind", "parameters", "MB", "sha256")
    for model in list_models():
        table.add_row(model.name, model.kind, f"{model.num_parameters:,}", f"{model.size_mb:.1f}", model.sha256)
    Console().print(table)


def show_weights(name: Annotated[str, typer.Argument(help="Shipped name, or path of a .safetensors file.")]) -> None:
    """Print what a weights file says of itself: kind, data, command, date, scores, settings."""
    from rich.console import Console

    from talkface.checkpoints.registry import load_weights

    checkpoint = load_weights(name)
    console = Console()
    console.print(f"[bold]{checkpoint.kind}[/bold], {sum(t.numel() for t in checkpoint.tensors.values()):,} parameters")
    for title, part in (
        ("provenance", checkpoint.provenance),
        ("scores", checkpoint.metrics),
        ("settings", checkpoint.config),
    ):
        console.print(f"[bold]{title}[/bold]")
        console.print_json(data=part)
