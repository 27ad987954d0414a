"""`talkface evaluate headmotion MODEL SHARDS` -> scores and plots of a head-motion network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from talkface.cli.evaluate_speech import ClipTableOptions, column_name, spread
from talkface.cli.options import Quiet, refuse_missing, refuse_missing_folder, with_options
from talkface.cli.progress import tracker
from talkface.cli.score_output import make_folder, set_threads, show_scores, wide_console
from talkface.errors import ConfigError

if TYPE_CHECKING:
    from talkface.evaluation.tables.headmotion import Preference
    from talkface.evaluation.tables.headmotion_scores import HeadRow
    from talkface.metrics.stats import Score


@with_options(ClipTableOptions)
def evaluate_headmotion(
    model: Annotated[str, typer.Argument(help="Name or path of a head-motion network.")],
    shards: Annotated[Path, typer.Argument(help="Folder that `prepare` wrote, of held-out people.")],
    out: Annotated[Path, typer.Option(help="Where scores and plots go.")] = Path("runs/evaluate_headmotion"),
    quiet: Quiet = False,
    *,
    options: ClipTableOptions,
) -> None:
    """Score the head motion that a network generates to speech against the real head motion.

    Distance of the distribution of pose and velocity, of the velocity's spectrum, beats in time with the speech,
    extent, speed and variety; beside the rhythm heuristic, a still head, a random walk, somebody else's real motion
    and the real motion. Says whether the network is preferred to the heuristic, and by which differences.
    """
    refuse_missing([model])
    refuse_missing_folder(shards, "one that `talkface prepare` wrote")
    from talkface.evaluation.speech_clips import SpokenClips
    from talkface.evaluation.tables.headmotion import head_measures, preference, write_clips
    from talkface.evaluation.tables.headmotion_scores import score_heads
    from talkface.inference.subject import load_heads
    from talkface.metrics.table import to_table

    name = column_name(model)
    set_threads(options.threads)
    network = load_heads(model)
    if network is None:
        raise ConfigError("rhythm is what networks are scored against: give the name or path of a network")
    clips = SpokenClips(shards, options.chosen_split, options.speaker, options.leave_out)
    make_folder(out)
    scored = list(tracker(quiet)(score_heads(clips, network, name), len(clips), "clips"))
    rows = [row for clip in scored for row in clip]
    measures, verdict = head_measures(rows, name), preference(rows, name)
    write_clips(out, rows)
    _draw(out, scored, name, options.plots)
    people = len({row.person for row in rows})
    title = f"{name}: {len(scored)} clips of {people} speakers, {shards}, split {options.split}"
    show_scores([to_table(title, measures)], measures, out, "clips and plots beside them", quiet=quiet)
    if not quiet:
        _say(wide_console(), verdict, name)


def _say(console: Console, verdict: "Preference", name: str) -> None:
    def words(score: "Score") -> str:
        return f"{score.value:+.3f} ({score.low:+.3f} … {score.high:+.3f})"

    console.print(f"{name} less rhythm: Frechet distance {words(verdict.frechet)},")
    console.print(f"  spectrum distance {words(verdict.spectrum)} dB, alignment above chance {words(verdict.in_time)}")
    if not verdict.known:
        console.print("preferred to the rhythm: these clips are too short or too few to tell")
        return
    console.print(f"preferred to the rhythm: {'yes' if verdict.preferred else 'no'}")


def _draw(out: Path, scored: "list[list[HeadRow]]", name: str, plots: int) -> None:
    from talkface.evaluation.report.headmotion_plots import plot_angles, plot_spectra

    shown = spread([clip[0].person for clip in scored], plots)
    if shown:
        plot_angles(out / "angles.png", [{row.system: row for row in scored[index]} for index in sorted(shown)], name)
    plot_spectra(out / "spectra.png", [row for clip in scored for row in clip], name)
