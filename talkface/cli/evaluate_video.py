"""`talkface evaluate video FAKE REAL` and `talkface evaluate set MANIFEST` -> tables, files and a page to look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from talkface import __version__
from talkface.cli.evaluate_benchmark import pairs_of_set, paper_columns, refuse_options_of_sets
from talkface.cli.options import refuse_missing, with_options
from talkface.cli.progress import tracker
from talkface.cli.score_output import write_whole
from talkface.errors import ConfigError, MediaError, printable
from talkface.inference.request import DetectorOptions
from talkface.options import option

if TYPE_CHECKING:
    from talkface.evaluation.bench import Bench, UserNetworks
    from talkface.metrics.stats import Score
    from talkface.metrics.table import Measure

SUPPLIED = "User-supplied networks"
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for scores.jsonl, scores.csv and report.html.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")]


@dataclass(frozen=True, kw_only=True)
class PairOptions(DetectorOptions):
    """Options of `evaluate video` and `evaluate set`: how a made video is compared with the real one."""

    align: Literal["auto", "frame", "face"] = option(
        "auto", "frame: resize the made frame; face: lay eyes and nose over each other; auto: as it fits."
    )
    silent: bool = option(False, "Allow videos without sound; then no voice measures.")
    syncnet: Path | None = option(None, "syncnet_v2.model, for LSE-C and LSE-D.", group=SUPPLIED)
    arcface: Path | None = option(None, "ArcFace-type .onnx, for CSIM.", group=SUPPLIED)
    lpips: Path | None = option(None, "torchvision's AlexNet, for LPIPS.", group=SUPPLIED, old="lpips_weights")
    fid: Path | None = option(None, "torch-fidelity's Inception, for FID.", group=SUPPLIED, old="fid_weights")

    @property
    def supplied(self) -> dict[str, Path]:
        """Files of networks that the user supplied, by name."""
        files = {name: getattr(self, name) for name in ("syncnet", "arcface", "lpips", "fid")}
        return {name: path for name, path in files.items() if path is not None}


@with_options(PairOptions)
def video(
    made: Annotated[Path, typer.Argument(metavar="FAKE", help="The made video.")],
    real: Annotated[Path, typer.Argument(metavar="REAL", help="The real video of the same speech.")],
    photo: Annotated[
        Path | None, typer.Option(help="The photo it was made from. (default: the real video's first frame)")
    ] = None,
    out: Out = Path("runs/evaluate_video"),
    quiet: Quiet = False,
    *,
    options: PairOptions,
) -> None:
    """Measure FAKE against REAL, beside the photo held still and REAL itself.

    Both are compared at 25 frames/s over the time that both cover.
    """
    refuse_missing([made, real])
    from talkface.evaluation.pair import Pair, score_pair
    from talkface.evaluation.report.pages import clip_pictures, method_lines, video_page
    from talkface.evaluation.report.scores import summarise, write_scores

    bench = _bench(out, options, quiet=quiet)
    result = score_pair(Pair(made, real, photo), bench)
    measures = summarise(result.rows, _fid(bench))
    write_scores(out, result.rows, measures)
    method = method_lines(__version__, options.detector, _hashes(options.supplied), "One clip: no intervals.")
    write_whole(out / "report.html", video_page(result, measures, clip_pictures(result, out), method))
    if not quiet:
        _show(f"{made.name} against {real.name}", measures, result.notes, out)


@with_options(PairOptions)
def pair_set(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            help="CSV or JSON lines: fake, real; photo, speaker, system, clip. Or a public set in its own layout: "
            "hdtf:FOLDER, cremad:FOLDER, grid:FOLDER, lrw:FOLDER, voxceleb2:FOLDER.",
        ),
    ],
    made: Annotated[
        list[Path] | None,
        typer.Option(help="Of a public set: folder of one system's videos, KEY.mp4; repeat. (default: made now)"),
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--list", help="Of a public set: text file that names the clips to test on.")
    ] = None,
    out: Out = Path("runs/evaluate_set"),
    quiet: Quiet = False,
    *,
    options: PairOptions,
) -> None:
    """Measure many made videos, with intervals over people, and compare the systems that made them.

    Of a public set the table has the columns of that set's papers. Without --made, the default networks make every
    clip's video from its first frame and its sound. What cannot be measured is reported and the rest goes on; then the
    exit code is 1.
    """
    refuse_missing([None if ":" in str(manifest) else manifest, listed])
    from talkface.evaluation.benchmark import split_name
    from talkface.evaluation.pair_manifest import read_pairs
    from talkface.evaluation.pair_set import score_set
    from talkface.evaluation.report.pages import method_lines, set_page
    from talkface.evaluation.report.scores import summarise, write_scores

    benchmark = split_name(manifest)
    if benchmark is None:
        refuse_options_of_sets(made, listed)
        pairs = read_pairs(manifest)
    else:
        pairs = pairs_of_set(*benchmark, out, made or [], listed)
    bench = _bench(out, options, quiet=quiet)
    result = score_set(pairs, bench, lambda line: typer.echo(f"left out: {line}", err=True))
    if not result.rows:
        raise MediaError(f"none of the {len(pairs)} rows of {manifest} could be measured: see the lines above")
    measures = summarise(result.rows, _fid(bench))
    write_scores(out, result.rows, measures)
    method = method_lines(
        __version__, options.detector, _hashes(options.supplied), "Intervals: 95 % bootstrap over people (2,000 draws)."
    )
    title = f"{manifest.stem}: {len(pairs) - len(result.failures)} of {len(pairs)} videos measured"
    page = set_page(title, result.rows, measures, result.pictures, result.failures, result.notes, method)
    write_whole(out / "report.html", page)
    if not quiet and benchmark is None:
        _show(title, measures, [], out)
    elif not quiet and benchmark is not None:
        _show(title, paper_columns(benchmark[0], measures), [benchmark[0].note], out)
    if result.failures:
        raise typer.Exit(1)


def _bench(out: Path, options: PairOptions, *, quiet: bool) -> "Bench":
    from talkface.evaluation.bench import Bench
    from talkface.landmarks.detect import load_detector

    networks = _networks(options.supplied)  # before the first frame is read
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"--out {out} is not a folder: give the name of a folder for the report") from error
    return Bench(
        load_detector(options.detector),
        out,
        networks=networks,
        alignment=options.align,
        silent=options.silent,
        track=tracker(quiet, transient=True),
    )


def _networks(supplied: Mapping[str, Path]) -> "UserNetworks":
    from talkface.evaluation.bench import UserNetworks
    from talkface.metrics.arcface import ArcFace
    from talkface.metrics.lpips_fid import FidPool, Lpips
    from talkface.metrics.syncnet import load_syncnet

    return UserNetworks(
        arcface=ArcFace(supplied["arcface"]) if "arcface" in supplied else None,
        lpips=Lpips(supplied["lpips"]) if "lpips" in supplied else None,
        fid=FidPool(supplied["fid"]) if "fid" in supplied else None,
        syncnet=load_syncnet(supplied["syncnet"]) if "syncnet" in supplied else None,
    )


def _fid(bench: "Bench") -> "dict[str, Score] | None":
    return bench.networks.fid.results() if bench.networks.fid is not None else None


def _hashes(supplied: Mapping[str, Path]) -> dict[str, str]:
    from talkface.checkpoints.format import file_hash

    return {name: f"{path.name}, sha256 {file_hash(path)}" for name, path in supplied.items()}


def _show(title: str, measures: "Sequence[Measure]", notes: Iterable[str], out: Path) -> None:
    from talkface.evaluation.rows import REAL, STILL
    from talkface.metrics.table import to_table

    Console().print(to_table(title, measures, plain_columns=(STILL, REAL)))
    for note in notes:
        typer.echo(f"note: {printable(note)}")
    typer.echo(f"report: {out / 'report.html'}, scores: {out / 'scores.jsonl'}, {out / 'scores.csv'}")
