"""`talkface evaluate audio2landmark CHECKPOINT SHARDS` -> scores, plots and videos of a speech network."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from talkface.cli.options import refuse_missing, refuse_missing_folder
from talkface.cli.progress import tracker
from talkface.cli.score_output import limit_threads, make_folder, write_whole
from talkface.errors import ConfigError

if TYPE_CHECKING:
    from talkface.evaluation.rows import Row
    from talkface.evaluation.tables.speech_scores import ScoredClip
    from talkface.models.speech_network import SpeechNetwork

SPLITS = ("train", "val", "test", "all")


def evaluate_audio2landmark(
    checkpoint: Annotated[str, typer.Argument(help="Name or path of a speech network.")],
    shards: Annotated[Path, typer.Argument(help="Folder that `prepare` wrote, of held-out people.")],
    out: Annotated[Path, typer.Option(help="Where scores, plots and videos go.")] = Path(
        "runs/evaluate_audio2landmark"
    ),
    split: Annotated[str, typer.Option(help=f"Clips to score: {', '.join(SPLITS)}.")] = "test",
    speaker: Annotated[list[str] | None, typer.Option(help="Score only this speaker; repeat for more.")] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Score all but this speaker; repeat for more.")] = None,
    plots: Annotated[int, typer.Option(min=0, help="Clips on the plot of openings.")] = 6,
    videos: Annotated[int, typer.Option(min=0, help="Clips to make a video of, real beside predicted.")] = 2,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Score predicted against real motion of jaw and lips, clip by clip, beside baselines.

    The predicted displacement moves the shape of one closed-mouth frame, and is compared with the real landmarks:
    landmark distance (LMD), rhythm, speed and closure of the mouth. Baselines: a face that does not move, the same
    network on another clip's sound, and the real landmarks without their jitter.
    """
    refuse_missing([checkpoint])
    refuse_missing_folder(shards, "one that `talkface prepare` wrote")
    from talkface.evaluation.speech_clips import SpokenClips
    from talkface.evaluation.tables.speech import speaker_table, speech_measures
    from talkface.evaluation.tables.speech_scores import score_network
    from talkface.metrics.table import to_table

    name, network = column_name(checkpoint), _load(checkpoint, threads)
    clips = SpokenClips(shards, checked_split(split), speaker or (), leave_out or ())
    make_folder(out)
    shown = spread(clips.speakers, max(plots, videos))
    kept: dict[int, ScoredClip] = {}
    rows: list[Row] = []
    stream = tracker(quiet)(score_network(clips, network, name), len(clips), "clips")
    for index, scored in enumerate(stream):
        rows += scored.rows
        if index in shown:
            kept[index] = scored
    _write_scores(out, rows, name)
    _draw(out, [kept[index] for index in sorted(shown[:plots])], rows, name)
    _film(out / "videos", [kept[index] for index in shown[:videos]], name)
    if quiet:
        return
    measures = speech_measures(rows, name)
    people = len(set(clips.speakers))
    console = Console()
    console.print(to_table(f"{name}: {len(clips)} clips of {people} speakers, {shards}, split {split}", measures))
    console.print(speaker_table(rows, name))
    console.print(f"scores, plots and videos: {out}")


def column_name(checkpoint: str) -> str:
    """Name of a network in the tables: its own, or that of its run folder."""
    path = Path(checkpoint)
    if path.suffix != ".safetensors":
        return checkpoint
    # every run folder has these files: the folder's name tells more
    return path.resolve().parent.name if path.stem in ("best", "last") else path.stem


def spread(speakers: Sequence[str], count: int) -> list[int]:
    """Indices of `count` clips to show, of as many speakers as there are, evenly over the list.

    Args:
        speakers: of every clip.
        count: how many clips.
    """
    import numpy as np

    def evenly(indices: list[int], wanted: int) -> list[int]:
        places = np.linspace(0, len(indices) - 1, min(wanted, len(indices))).round().astype(int)
        return [indices[place] for place in places]

    firsts = sorted({name: index for index, name in reversed(list(enumerate(speakers)))}.values())
    rest = sorted(set(range(len(speakers))) - set(firsts))
    chosen = evenly(firsts, count)
    return chosen + evenly(rest, count - len(chosen))


def checked_split(split: str) -> str | None:
    """A split's name, None for all of them; raises `ConfigError` for any other word."""
    if split not in SPLITS:
        raise ConfigError(f"invalid --split {split!r}: expected one of {', '.join(SPLITS)}")
    return None if split == "all" else split


def _load(checkpoint: str, threads: int) -> "SpeechNetwork":
    from talkface.checkpoints.format import load_weights
    from talkface.checkpoints.load import load_audio2landmark, must_fit

    limit_threads(threads)
    weights = load_weights(checkpoint, "audio2landmark")
    with must_fit(str(checkpoint), weights.config, weights.tensors):
        return load_audio2landmark(weights)


def _write_scores(out: Path, rows: Sequence["Row"], name: str) -> None:
    from talkface.evaluation.tables.speech import speech_measures, write_speaker_csv
    from talkface.metrics.table import json_line, to_json_lines, write_csv

    lines = [row.cells() for row in rows]
    write_whole(out / "clips.jsonl", "".join(map(json_line, lines)))
    write_whole(out / "scores.jsonl", to_json_lines(speech_measures(rows, name)))
    write_csv(out / "clips.csv", lines)
    write_speaker_csv(out / "speakers.csv", rows)


def _draw(out: Path, clips: Sequence["ScoredClip"], rows: Sequence["Row"], name: str) -> None:
    from talkface.evaluation.report.speech_plots import plot_openings, plot_speakers
    from talkface.evaluation.tables.speech import speaker_scores
    from talkface.evaluation.tables.speech_scores import Baseline

    if clips:
        plot_openings(out / "openings.png", clips, name)
    panels = [
        ("opening r, lag 0", "r", (name, Baseline.OTHER)),
        ("LMD, % of the outer-eye distance", "lmd", (name, Baseline.OTHER, Baseline.STATIC)),
    ]
    by_speaker = [
        (label, {system: speaker_scores(rows, system, quantity) for system in systems})
        for label, quantity, systems in panels
    ]
    plot_speakers(out / "speakers.png", by_speaker, name)


def _film(folder: Path, clips: Sequence["ScoredClip"], name: str) -> None:
    from talkface.evaluation.report.speech_video import write_comparison

    if clips:
        make_folder(folder)
    for scored in clips:
        write_comparison(folder / f"{scored.clip.key}.mp4", scored, name)
