"""`talkface evaluate set hdtf:FOLDER` -> pairs of a public set, of given videos or of ones that are made now."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from talkface.errors import ConfigError, TalkfaceError

if TYPE_CHECKING:
    from talkface.evaluation.benchmark import Benchmark
    from talkface.evaluation.pair import Pair
    from talkface.metrics.table import Measure
    from talkface.types import Clip


def pairs_of_set(
    benchmark: "Benchmark", root: Path, out: Path, made: Sequence[Path], listed: Path | None
) -> "list[Pair]":
    """Pairs of the set's test clips with every given system's videos, or with those of the default networks.

    Raises:
        DatasetError: another layout, or no made video.
    """
    from talkface.evaluation.benchmark import benchmark_pairs, clips_to_test

    clips = clips_to_test(benchmark, root, listed)
    ours = "talkface"  # name of the system whose videos are made now
    if not made:
        make_videos(clips, out / ours)
    return benchmark_pairs(clips, root, list(made) or [out / ours])


def make_videos(clips: "Sequence[Clip]", folder: Path) -> None:
    """Write KEY.mp4 of every clip: its first frame says what the clip says. Those that are there are kept."""
    from talkface import Animator, animate
    from talkface.media.read import read_frames
    from talkface.media.speech import read_waveform

    folder.mkdir(parents=True, exist_ok=True)
    animator = Animator.from_pretrained()
    for clip in clips:
        path = folder / f"{clip.key}.mp4"
        if path.is_file():
            continue
        try:
            photo, _ = next(iter(read_frames(clip.video)))
            animate(photo, read_waveform(clip.audio), path, animator=animator)
        except TalkfaceError as error:
            typer.echo(f"not made: {clip.key}: {error}", err=True)


def refuse_options_of_sets(made: Sequence[Path] | None, listed: Path | None) -> None:
    """Raises `ConfigError` where a manifest is measured with options that only public sets have."""
    if made or listed:
        raise ConfigError("--made and --list belong to public sets: name one, such as hdtf:FOLDER, or leave them out")


def paper_columns(benchmark: "Benchmark", measures: "Sequence[Measure]") -> "list[Measure]":
    """Measures of the set's papers, in their order; those whose network the user did not supply are left out."""
    by_name = {measure.name: measure for measure in measures}
    return [by_name[name] for name in benchmark.measures if name in by_name]
