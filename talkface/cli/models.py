"""`talkface models list|show|convert|export|table` -> what networks say of themselves; networks in other formats."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.options import refuse_missing, word_argument

PUBLISHED_KINDS = (
    *("auto", "atvgnet-atnet", "atvgnet-vgnet", "atvgnet-discriminator", "vt", "grey-eye", "reenactment"),
    *("fewshot-authors", "rhythmic", "eskimez", "caffe", "vgg19-rename"),
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    group = typer.Typer(help="The networks inside the package, and networks to train with.", no_args_is_help=True)
    group.command("list")(list_weights)
    group.command("show")(show_weights)
    group.command("convert")(convert_weights)
    group.command("export")(export_network)
    group.command("table")(copy_table)
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
    refuse_missing([name])
    from rich.console import Console
    from rich.markup import escape

    from talkface.checkpoints.format import load_weights
    from talkface.errors import printable

    checkpoint = load_weights(name)
    console = Console()
    count = sum(tensor.numel() for tensor in checkpoint.tensors.values())
    console.print(f"[bold]{escape(printable(checkpoint.kind))}[/bold], {count:,} parameters")
    for title, part in (
        ("provenance", checkpoint.provenance),
        ("scores", checkpoint.metrics),
        ("settings", checkpoint.config),
    ):
        console.print(f"[bold]{title}[/bold]")
        console.print_json(data=part, ensure_ascii=True)


def convert_weights(
    kind: Annotated[str, word_argument(PUBLISHED_KINDS, "Which network it is, as docs/parity.md says")],
    file: Annotated[
        Path, typer.Argument(help="Published file: .pth, .pkl, .tar, .h5, .caffemodel; or a folder of them.")
    ],
    out: Annotated[Path, typer.Argument(help="A .safetensors file; of vgg19-rename also a .pth with all layers.")],
    basics: Annotated[Path | None, typer.Option(help="ATVGnet's folder basics, for its networks.")] = None,
    table: Annotated[Path | None, typer.Option(help="Where to write a few-shot network's W, a .npy file.")] = None,
) -> None:
    """Read a network that somebody else published and write it in this package's format."""
    refuse_missing([file, basics])
    from talkface.checkpoints.convert.kinds import convert_published

    converted = convert_published(kind, file, out, basics=basics, table=table)
    for note in converted.notes:
        typer.echo(note)
    typer.echo(f"{converted.kind}: {out.resolve()}")


def export_network(
    name: Annotated[str, typer.Argument(help="Shipped name, or path of a .safetensors file.")],
    out: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a speech, head-motion or mouth network as ONNX, and compare it with torch."""
    from talkface.checkpoints.export import export_onnx
    from talkface.checkpoints.format import load_weights
    from talkface.media.write import check_output

    check_output(out, force=force, suffixes=(".onnx",))
    difference = export_onnx(load_weights(name), out, force=force)
    typer.echo(f"{out.resolve()}: ONNX Runtime's outputs differ from torch's by at most {difference:.1e}")


def copy_table(
    source: Annotated[Path, typer.Argument(help="A few-shot run's state.pt, or a .npy file.")],
    out: Annotated[Path, typer.Argument(help="A .npy file: one row per training video.")],
) -> None:
    """Write the table of video embeddings (FSTH's W) by itself."""
    refuse_missing([source])
    from talkface.checkpoints.convert.video_table import load_table, save_table

    rows = load_table(source)
    save_table(out, rows)
    typer.echo(f"{len(rows):,} videos of {rows.shape[1]} numbers: {out.resolve()}")
