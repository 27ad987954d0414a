"""`talkface evaluate audio2landmark MODEL SHARDS` -> scores, plots and videos of a speech network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from talkface.cli.options import Quiet, refuse_missing, refuse_missing_folder, with_options
from talkface.cli.progress import tracker
from talkface.cli.score_output import PeopleTableOptions, make_folder, set_threads, write_whole
from talkface.options import option

if TYPE_CHECKING:
    from talkface.evaluation.rows import Row
    from talkface.evaluation.tables.speech_scores import ScoredClip
    from talkface.models.speech_network import SpeechNetwork


@dataclass(frozen=True, kw_only=True)
class ClipTableOptions(PeopleTableOptions):
    """Options of a table of spoken clips."""

    split: Literal["train", "val", "test", "all"] = option("test", "Clips to score.")
    speaker: tuple[str, ...] = option((), "Score only this speaker; repeat for more.")
    plots: int = option(6, "Clips on the plot.", low=0)

    @property
    def chosen_split(self) -> str | None:
        """A split's name, None for all of them."""
        return None if self.split == "all" else self.split


@dataclass(frozen=True, kw_only=True)
class SpeechTableOptions(ClipTableOptions):
    """Options of `evaluate audio2landmark`."""

    videos: int = option(2, "Clips to make a video of, real beside predicted.", low=0)


@with_options(SpeechTableOptions)
def evaluate_audio2landmark(
    model: Annotated[str, typer.Argument(help="Name or path of a speech network.")],
    shards: Annotated[Path, typer.Argument(help="Folder that `prepare` wrote, of held-out people.")],
    out: Annotated[Path, typer.Option(help="Where scores, plots and videos go.")] = Path(
        "runs/evaluate_audio2landmark"
    ),
    quiet: Quiet = False,
    *,
    options: SpeechTableOptions,
) -> None:
    """Score predicted against real motion of jaw and lips, clip by clip, beside baselines.

    The predicted displacement moves the shape of one closed-mouth frame, and is compared with the real landmarks:
    landmark distance (LMD), rhythm, speed and closure of the mouth. Baselines: a face that does not move, the same
    network on another clip's sound, and the real landmarks without their jitter.
    """
    refuse_missing([model])
    refuse_missing_folder(shards, "one that `talkface prepare` wrote")
    from talkface.evaluation.speech_clips import SpokenClips
    from talkface.evaluation.tables.speech import speaker_table, speech_measures
    from talkface.evaluation.tables.speech_scores import score_network
    from talkface.metrics.table import to_table

    name, network = column_name(model), _load(model, options.threads)
    clips = SpokenClips(shards, options.chosen_split, options.speaker, options.leave_out)
    make_folder(out)
    shown = spread(clips.speakers, max(options.plots, options.videos))
    kept: dict[int, ScoredClip] = {}
    rows: list[Row] = []
    stream = tracker(quiet)(score_network(clips, network, name), len(clips), "clips")
    for index, scored in enumerate(stream):
        rows += scored.rows
        if index in shown:
            kept[index] = scored
    _write_scores(out, rows, name)
    _draw(out, [kept[index] for index in sorted(shown[: options.plots])], rows, name)
    _film(out / "videos", [kept[index] for index in shown[: options.videos]], name)
    if quiet:
        return
    measures = speech_measures(rows, name)
    people = len(set(clips.speakers))
    console = Console()
    title = f"{name}: {len(clips)} clips of {people} speakers, {shards}, split {options.split}"
    console.print(to_table(title, measures))
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


def _load(checkpoint: str, threads: int) -> "SpeechNetwork":
    from talkface.checkpoints.format import load_weights
    from talkface.checkpoints.load import load_audio2landmark, must_fit

    set_threads(threads)
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
