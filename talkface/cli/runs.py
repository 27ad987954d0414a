"""`talkface runs [FOLDER]` -> a table of trainings and an HTML page with their curves, scores and previews."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.options import refuse_missing_folder


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("runs")(runs)


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder that holds run folders.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page. (default: runs.html in FOLDER)")] = None,
) -> None:
    """List trainings with their best scores, and write a page with their curves and previews side by side."""
    refuse_missing_folder(folder, "one that holds run folders of `talkface train`")
    from rich.console import Console
    from rich.table import Table

    from talkface.evaluation.report.runs_page import find_runs, write_runs_page

    found = find_runs(folder)
    table = Table("run", "kind", "steps", "best score", "at step", "ships as")
    for run in found:
        done, wanted = run.steps
        score = f"{run.best['score']:.4g}" if "score" in run.best else "-"
        kind = str(run.settings.get("kind", "?"))
        table.add_row(run.folder.name, kind, f"{done} of {wanted}", score, str(run.best_step or "-"), run.ships or "-")
    Console().print(table)
    page = out or folder / "runs.html"
    write_runs_page(found, page)
    print(f"page: {page.resolve()}")
