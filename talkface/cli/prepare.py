"""`talkface prepare folder DIR OUT` -> shards, manifest, contact sheet and a table of what was refused."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from talkface.cli.options import Quiet, refuse_missing, with_options, word_argument
from talkface.cli.progress import ProgressLines
from talkface.errors import ConfigError, DatasetError
from talkface.inference.batch.options import WorkerOptions
from talkface.options import option
from talkface.scale.cluster import open_workers

if TYPE_CHECKING:
    from talkface.data.prepare.manifest import Record
    from talkface.data.prepare.preprocess import PreprocessConfig
    from talkface.scale.mirror import Mirror
    from talkface.types import Clip


def register(app: typer.Typer) -> None:
    """Add the verb."""
    prepare.add_to(app, "prepare")


CORPUS_NAMES = (
    *("folder", "lrw", "grid", "lrs3", "cremad", "hdtf", "voxceleb1", "voxceleb2", "rhythmic"),
    *("atvgnet", "lstm_hdf5"),  # landmarks that earlier systems left
)


@dataclass(frozen=True, kw_only=True)
class PrepareOptions(WorkerOptions):
    """Options of `prepare`."""

    table: Path | None = option(None, "CSV with columns file, split, identity or speaker, licence, tier.")
    config: Path | None = option(None, "A YAML from configs/data.")
    sync: Literal["correct", "drop", "keep"] | None = option(
        None, "Sound out of time: correct it, drop the clip for speech, or keep it as it is."
    )
    stage: Path | None = option(None, "Where OUT is a URL: local folder to work in; in ~/.cache/talkface if not given.")
    quintuple: Path | None = option(
        None, "Folder to also write each clip to as X_aligned.mp4, .npy, _rt, _front, _ani and X.wav."
    )
    where: tuple[str, ...] = option((), "Take only rows with COLUMN=VALUE[,VALUE]; repeat for more columns.")
    set: tuple[str, ...] = option((), "KEY=VALUE: a setting, such as preprocess.size=128; repeat for more.")


@with_options(PrepareOptions)
def prepare(
    corpus: Annotated[str, word_argument(CORPUS_NAMES, "Layout of the clips, folder for any")],
    root: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with the clips, or with the archives as downloaded.")
    ],
    out: Annotated[
        str, typer.Argument(help="Folder for the shards, or a URL such as s3://...; the same command resumes there.")
    ],
    quiet: Quiet = False,
    index: Annotated[
        Path | None,
        typer.Option(
            metavar="SHARDS",
            is_eager=True,
            callback=lambda folder: write_table(folder),
            help="Instead: measure the clips of prepared shards again and write their table, clips.index.",
        ),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(
            metavar="SHARDS",
            is_eager=True,
            callback=lambda folder: show_overlaps(folder),
            help="Instead: find people of prepared shards who look alike in different splits.",
        ),
    ] = None,
    *,
    options: PrepareOptions,
) -> None:
    """Turn a corpus into training shards: face crops, landmarks and sound, at 25 frames per second.

    May be stopped or killed at any moment; the same command resumes it.
    """
    refuse_missing([options.table if corpus == "folder" else None, options.config, root])
    from talkface.config import load_config
    from talkface.data.prepare.contact_sheet import write_contact_sheet
    from talkface.data.prepare.quality import write_histograms
    from talkface.data.prepare.refused_sheet import write_refused_sheets
    from talkface.data.prepare.run import PrepareConfig
    from talkface.data.prepare.run import prepare as prepare_clips
    from talkface.data.sources.registry import corpus_root

    folder, mirror = work_folder(out, options.stage)
    given = list(options.set)
    given += [f"preprocess.sync={options.sync}"] if options.sync is not None else []
    given += [f"workers={options.workers}"] if options.workers is not None else []
    settings = load_config(PrepareConfig, options.config, given)
    if options.quintuple is not None:
        check_quintuple(options.quintuple, settings.preprocess)
    with ExitStack() as stack:
        tree = stack.enter_context(corpus_root(corpus, root))
        clips = corpus_clips(corpus, tree, options.table, parse_where(options.where))
        advance = stack.enter_context(_clip_progress(len(clips), quiet))
        cluster = open_workers(options.ray, settings.workers, ahead=4)  # clips differ much in length
        places = stack.enter_context(cluster)

        def report(record: "Record") -> None:
            if advance is not None:
                advance(record)
            if mirror is not None:
                mirror.push(every_s=30.0)  # finished shards and the manifest

        records = prepare_clips(clips, folder, settings, report, places)
        write_refused_sheets(clips, records, folder, settings.preprocess)  # while the archives are open
    if mirror is not None:
        mirror.push()
    if not quiet:
        _show(records, out)
    if all(record.refused for record in records):
        raise DatasetError(f"all {len(records)} clips were refused: {folder / 'manifest.jsonl'} says why")
    write_contact_sheet(folder, folder / "contact_sheet.png")
    write_histograms(records, folder / "quality.png")
    if mirror is not None:
        mirror.push()
    if options.quintuple is not None:
        write_demos(folder, [record.key for record in records if not record.refused], options.quintuple, quiet)


def write_table(folder: Path | None) -> None:
    """Measure prepared shards again, and end the command; nothing where no folder was given."""
    if folder is None:
        return
    from talkface.data.prepare.run import index_shards

    print(f"{index_shards(folder)} clips -> {folder / 'clips.index'}")
    raise typer.Exit


def show_overlaps(folder: Path | None) -> None:
    """Print who may be in two splits, and end the command; nothing where no folder was given."""
    if folder is None:
        return
    from talkface.data.prepare.people import split_overlaps

    counts, overlaps = split_overlaps(folder)
    looked_at = ", ".join(f"{count} of {split}" for split, count in counts.items())
    print(f"{looked_at} looked at, {len(overlaps)} pairs of different splits look alike")
    for pair in overlaps[:20]:
        print(f"{pair.distance:.2f}: {pair.keys[0]} ({pair.splits[0]}) and {pair.keys[1]} ({pair.splits[1]})")
    raise typer.Exit


def check_quintuple(out: Path, config: "PreprocessConfig") -> None:
    """Refuse `--quintuple` before any work where no clip could be written as one.

    Raises:
        ConfigError: `out` is a file; pictures of another size, or frames left out.
    """
    from talkface.data.interop.quintuple import QUINTUPLE

    if out.exists() and not out.is_dir():
        raise ConfigError(f"--quintuple {out} is a file: give a folder")
    if config.size != QUINTUPLE.side:
        raise ConfigError(
            f"--quintuple writes pictures of {QUINTUPLE.side}x{QUINTUPLE.side}: set preprocess.size={QUINTUPLE.side}"
        )
    if config.step != 1 or config.num_frames:
        raise ConfigError("--quintuple writes every frame: set preprocess.step=1 and preprocess.num_frames=0")


def write_demos(shards: Path, keys: Sequence[str], out: Path, quiet: bool) -> None:
    """Write the demo files of prepared clips, and say which were left out and why.

    Raises:
        DatasetError: none could be written.
    """
    from talkface.cli.progress import frame_progress
    from talkface.data.interop.quintuple_write import write_quintuples

    with frame_progress(str(out), quiet) as advance:
        written, left_out = write_quintuples(shards, keys, out, advance)
    if not quiet:
        for line in left_out:
            print(f"note: not written to {out}: {line}")
        print(f"{len(written)} clips -> {out}, such as {written[0]}_aligned.mp4")


def work_folder(out: str, stage: Path | None) -> "tuple[Path, Mirror | None]":
    """The local folder to work in; where `out` is a URL, also its copy there, from which what is missing here came.

    Raises:
        ConfigError: a stage for a path.
        MediaError: the URL cannot be used.
    """
    from talkface.scale.mirror import Mirror
    from talkface.scale.storage import Folder, is_url

    if not is_url(out):
        if stage is not None:
            raise ConfigError(f"--stage is for an OUT that is a URL, {out} is a path: leave it out")
        return Path(out), None
    name = hashlib.sha256(out.encode()).hexdigest()[:12]
    local = stage or Path.home() / ".cache" / "talkface" / "prepare" / name
    remote = Folder(out)
    remote.make()
    mirror = Mirror(local, remote, ("pending", ".tmp"))
    mirror.pull()
    return local, mirror


def corpus_clips(corpus: str, root: Path, table: Path | None, where: dict[str, list[str]]) -> list["Clip"]:
    """Clips that the corpus' adapter finds.

    Raises:
        ConfigError: a table for a corpus that brings its own lists.
        DatasetError: from the adapter: wrong name or root, no clip that fits.
    """
    from talkface.data.sources.folder import find_folder_clips
    from talkface.data.sources.registry import find_clips

    if corpus == "folder":
        return find_folder_clips(root, table, where)
    if table is not None:
        raise ConfigError(f"--table is for `prepare folder`: {corpus} says itself who speaks in which split")
    return find_clips(corpus, root, where)


def parse_where(items: Sequence[str]) -> dict[str, list[str]]:
    """`["split=train", "tier=A,B"]` -> column -> accepted values.

    Raises:
        ConfigError: an item without `=`.
    """
    result: dict[str, list[str]] = {}
    for item in items:
        column, equals, values = item.partition("=")
        if not equals or not column:
            raise ConfigError(f"invalid --where {item!r}: expected COLUMN=VALUE or COLUMN=VALUE,VALUE")
        result[column] = values.split(",")
    return result


@contextmanager
def _clip_progress(total: int, quiet: bool) -> Iterator[Callable[["Record"], None] | None]:
    """Progress bar over clips with the count of refusals so far; None when `quiet`."""
    if quiet:
        yield None
        return
    console = Console(stderr=True)
    lines = None if console.is_terminal else ProgressLines("prepare", "clips")
    columns = [TextColumn("prepare"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[refused]} refused")]
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("prepare", total=total, refused=0)
        refused = 0

        def advance(record: "Record") -> None:
            nonlocal refused
            refused += record.refused
            bar.update(task, advance=1, refused=refused)
            if lines is not None:
                lines(int(bar.tasks[task].completed), total, f", {refused} refused")

        yield advance


def _show(records: Sequence["Record"], out: str) -> None:
    """Print the summary, and the refusals by reason."""
    kept = [record for record in records if not record.refused]
    speech = [record for record in kept if record.speech]
    moved = sum(record.sync_lag is not None and record.sync_applied != 0 for record in kept)
    seen, work_s = sum(record.source_frames for record in records), sum(record.work_s for record in records)
    print(f"{len(kept)} clips of {len({record.speaker for record in kept})} people, ", end="")
    print(f"{sum(record.num_frames for record in kept)} frames, {_hours(kept)} -> {out}")
    print(f"{len(speech)} of them ({_hours(speech)}) with sound to learn from, {moved} moved into time")
    print(f"{seen} frames looked at, {seen / max(work_s, 1e-9):.0f} per second and core")
    refusals = Counter(record.reason for record in records if record.refused)
    if not refusals:
        print("no clip refused")
        return
    table = Table("refused", "clips", "for example")
    for reason, count in refusals.most_common():
        example = next(record for record in records if record.reason == reason)
        table.add_row(reason, str(count), f"{example.key}: {example.detail}")
    Console().print(table)


def _hours(records: Sequence["Record"]) -> str:
    seconds = sum(record.seconds for record in records)
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
