"""`talkface evaluate video FAKE REAL` and `talkface evaluate set MANIFEST` -> tables, files and a page to look at."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from talkface.errors import ConfigError

if TYPE_CHECKING:
    from talkface.evaluation.pair import Bench
    from talkface.evaluation.scores import ClipRow, Summary

ALIGNMENTS = ("auto", "frame", "face")
NETWORKS = "Networks that you bring"
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for scores.jsonl, scores.csv and report.html.")]
Align = Annotated[
    str, typer.Option(help="frame: resize the made frame; face: lay eyes and nose over each other; auto: as it fits.")
]
Silent = Annotated[bool, typer.Option("--silent", help="Allow videos without sound; then no voice measures.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")]
Detector = Annotated[str, typer.Option(help="dlib or face-alignment, for all videos alike.")]


def video(
    made: Annotated[Path, typer.Argument(metavar="FAKE", help="The made video.")],
    real: Annotated[Path, typer.Argument(metavar="REAL", help="The real video of the same speech.")],
    photo: Annotated[
        Path | None, typer.Option(help="The photo it was made from. (default: the real video's first frame)")
    ] = None,
    out: Out = Path("runs/evaluate_video"),
    align: Align = "auto",
    silent: Silent = False,
    detector: Detector = "dlib",
    quiet: Quiet = False,
) -> None:
    """Measure FAKE against REAL, beside the photo held still and REAL itself.

    Both are compared at 25 frames/s over the time that both cover.
    """
    from talkface.evaluation.pair import REAL, STILL, Pair, score_pair
    from talkface.evaluation.scores import ClipRow, summarise

    bench = _bench(out, align, detector, silent=silent, quiet=quiet)
    result = score_pair(Pair(made, real, photo), bench)
    rows = [ClipRow(real.stem, "", row) for row in result.rows]
    summaries = summarise(rows, (STILL, REAL))
    _write(out, rows, summaries)
    if not quiet:
        _show(f"{made.name} against {real.name}", summaries, result.notes)
        typer.echo(f"scores: {out / 'scores.jsonl'}, {out / 'scores.csv'}")


def _bench(out: Path, align: str, detector: str, *, silent: bool, quiet: bool) -> "Bench":
    from talkface.evaluation.pair import Bench
    from talkface.landmarks.detect import load_detector

    if align not in ALIGNMENTS:
        raise ConfigError(f"--align {align} is unknown: choose of {', '.join(ALIGNMENTS)}")
    out.mkdir(parents=True, exist_ok=True)
    return Bench(load_detector(detector), out, alignment=align, silent=silent, track=_tracker(quiet))  # type: ignore[arg-type]


def _tracker(quiet: bool) -> Any:
    console = Console(stderr=True)

    def shown(items: Iterable[Any], count: int | None, words: str) -> Iterable[Any]:
        return track(items, words, total=count, console=console, transient=True, disable=quiet)

    return shown


def _write(out: Path, rows: "list[ClipRow]", summaries: "list[Summary]") -> None:
    from talkface.evaluation.scores import csv_text, json_lines

    write_whole(out / "scores.jsonl", json_lines(rows, summaries))
    write_whole(out / "scores.csv", csv_text(rows))


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is complete or not there."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _show(title: str, summaries: "list[Summary]", notes: Iterable[str]) -> None:
    from talkface.evaluation.scores import summary_table

    Console().print(summary_table(title, summaries))
    for note in notes:
        typer.echo(f"note: {note}")
