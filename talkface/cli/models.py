"""`talkface models list|show|convert` -> what networks say of themselves; other people's VGGs in our format."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    group = typer.Typer(help="The networks inside the package, and networks to train with.", no_args_is_help=True)
    group.command("list")(list_weights)
    group.command("show")(show_weights)
    convert = typer.Typer(help="Perceptual networks for meta-training, from published files.", no_args_is_help=True)
    convert.command("caffe")(convert_from_caffe)
    convert.command("rename")(convert_by_renaming)
    group.add_typer(convert, name="convert")
    app.add_typer(group, name="models")


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


def convert_from_caffe(
    model: Annotated[Path, typer.Argument(help="VGG_ILSVRC_19_layers.caffemodel or VGG_FACE.caffemodel.")],
    out: Annotated[Path, typer.Argument(help="A .safetensors file, for loss.content.caffe_vgg19 or caffe_vggface.")],
) -> None:
    """Read a Caffe model without Caffe and write the part that the content loss needs."""
    from talkface.checkpoints.convert.vgg import convert_caffe

    kind = convert_caffe(model, out)
    typer.echo(f"{kind}: {out.resolve()}")


def convert_by_renaming(
    weights: Annotated[Path, typer.Argument(help="VGG-19 in PyTorch's format, as vgg19-d01eb7cb.pth.")],
    out: Annotated[Path, typer.Argument(help="A .safetensors file for the content loss, or a .pth with all layers.")],
    kind: Annotated[
        str, typer.Option(help="What the weights expect: caffe_vgg19, caffe_vggface or torchvision_vgg19.")
    ] = "caffe_vgg19",
) -> None:
    """Set right the layer names of a VGG-19 that was converted to PyTorch."""
    from talkface.checkpoints.convert.vgg import convert_rename

    for line in convert_rename(weights, out, kind):
        typer.echo(line)
    typer.echo(f"{kind}: {out.resolve()}")
