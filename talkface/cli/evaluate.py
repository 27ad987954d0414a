"""`talkface evaluate default` -> the table of what the default networks must reach, as measured."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talkface.cli.demo import DEMO_SPEECH
from talkface.cli.evaluate_fewshot import evaluate_fewshot
from talkface.cli.evaluate_headmotion import evaluate_headmotion
from talkface.cli.evaluate_model import evaluate_model
from talkface.cli.evaluate_renderer import evaluate_renderer
from talkface.cli.evaluate_speech import evaluate_audio2landmark
from talkface.cli.evaluate_video import pair_set, video
from talkface.cli.options import refuse_missing_folder, with_options
from talkface.cli.progress import tracker
from talkface.cli.score_output import TableOptions, set_threads, show_scores
from talkface.errors import ConfigError
from talkface.inference.request import Family
from talkface.options import option

if TYPE_CHECKING:
    from talkface.evaluation.bench import Bench
    from talkface.evaluation.clips import HeldOutClip
    from talkface.evaluation.tables.default import System
    from talkface.evaluation.tables.portraits import Portrait
    from talkface.inference.animator import Animator
    from talkface.metrics.table import Measure
    from talkface.types import FloatArray, Image, Shot, Waveform

PARTS = ("clips", "silence", "identity", "still")


@dataclass(frozen=True)
class EvaluateSizes:
    """Numbers of people, portraits and seconds in the default table."""

    quick_people: int = 8
    quick_sentences: int = 3
    quick_portraits: int = 6
    clips_per_person: int = 2  # of somebody with many clips; all of them with --full
    closed_portraits: int = 5  # how many closed-mouth portraits must stay closed in silence
    still_portraits: int = 4
    portrait_speech_s: float = 2.4  # seconds of speech per portrait


EVALUATE = EvaluateSizes()


def register(app: typer.Typer) -> None:
    """Add the verb and its tables."""
    tables = typer.Typer(help="Measure made videos.", no_args_is_help=True)
    default.add_to(tables, "default")
    video.add_to(tables, "video")
    pair_set.add_to(tables, "set")
    further = {"allow_extra_args": True, "ignore_unknown_options": True}
    tables.command("model", context_settings=further)(evaluate_model)
    evaluate_audio2landmark.add_to(tables, "audio2landmark")
    evaluate_fewshot.add_to(tables, "fewshot")
    evaluate_headmotion.add_to(tables, "headmotion")
    evaluate_renderer.add_to(tables, "renderer")
    app.add_typer(tables, name="evaluate")


@dataclass(frozen=True, kw_only=True)
class DefaultTableOptions(TableOptions):
    """Options of `evaluate default`: the networks that it measures."""

    renderer: Family = option("hybrid", "The renderer that the targets are for.")
    renderer_model: str | None = option(None, "Name or file of the renderer's network.", old="renderer_weights")
    speech_model: str = option("audio2landmark", "Name or file of the speech network.", old="audio2landmark")
    set: tuple[str, ...] = option((), "A number of the renderer, such as mouth.feather=1.5; repeat for more.")


@with_options(DefaultTableOptions)
def default(
    data: Annotated[Path, typer.Option(help="Folder of manifest.csv, video/, portraits/ and speech/.")],
    out: Annotated[
        Path, typer.Option(help="Where videos and scores go; crops of real clips are kept for later.")
    ] = Path("runs/evaluate_default"),
    quick: Annotated[bool, typer.Option("--quick", help="A few people and portraits, for a first look.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Whole clips, portraits at their own size.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Prepare the real clips again, as after a change of detector.")
    ] = False,
    natural: Annotated[
        bool,
        typer.Option("--natural", help="Measure lips with the default head motion and blinks, not on still heads."),
    ] = False,
    only: Annotated[str, typer.Option(help=f"Parts to measure, comma-separated, of {', '.join(PARTS)}.")] = "all",
    *,
    options: DefaultTableOptions,
) -> None:
    """Render held-out people, measure the videos, and print the table with its targets.

    Beside the default networks stand the geometry-only renderer (warp), the photo that does not move and the real
    video, re-encoded and re-measured. Exit code 1 when a target is missed.
    """
    parts = _parts(only)
    set_threads(options.threads)
    if fresh:
        shutil.rmtree(out / "real", ignore_errors=True)
    refuse_missing_folder(data, "one of manifest.csv, video/, portraits/ and speech/")
    from talkface import AnimateOptions, Animator
    from talkface.metrics.table import to_table

    named = ("renderer", "renderer_model", "speech_model", "set")
    judged = AnimateOptions(**{name: getattr(options, name) for name in named})
    systems = [AnimatorSystem(options.renderer, Animator.from_options(judged))]
    if options.renderer != "warp":
        systems.append(AnimatorSystem("warp", Animator.from_pretrained("warp", speech_model=options.speech_model)))
    measures = list(_measures(parts, data, out, systems, quick=quick, full=full, natural=natural))
    marks = ["still heads" if not natural else "natural motion", *["quick subset"] * quick, *options.set]
    title = ", ".join([options.renderer, *marks])
    show_scores([to_table(title, measures)], measures, out, f"videos: {out}")


class AnimatorSystem:
    """Makes videos through the public door, with networks loaded once."""

    def __init__(self, name: str, animator: "Animator") -> None:
        """Take a column title and loaded networks."""
        self.name = name
        self._animator = animator

    def animate(self, photo: "Image", speech: "Waveform", out: Path, *, natural: bool) -> None:
        """Write `photo` speaking; without `natural` head and eyes stay still."""
        from talkface import animate

        animate(photo, speech, out, still=not natural, blink=natural, force=True, animator=self._animator)

    def render(self, photo: "Shot", landmarks: "FloatArray") -> Iterator["Image"]:
        """Render exactly these pixel landmarks `[T, 68, 2]`."""
        identity = self._animator.renderer.enroll([photo])
        for rendered in self._animator.renderer.render(identity, landmarks):
            yield rendered.image


def _parts(only: str) -> Sequence[str]:
    if only == "all":
        return PARTS
    chosen = [part.strip() for part in only.split(",")]
    for part in chosen:
        if part not in PARTS:
            raise ConfigError(f"invalid --only {part!r}: expected one of {', '.join(PARTS)}")
    return chosen


def _measures(
    parts: Sequence[str],
    data: Path,
    out: Path,
    systems: Sequence["System"],
    *,
    quick: bool,
    full: bool,
    natural: bool,
) -> Iterator["Measure"]:
    """Measure part after part, in the order of the table."""
    from talkface.evaluation.bench import Bench
    from talkface.evaluation.clips import read_test_clips
    from talkface.evaluation.tables.default import clip_measures, score_clips
    from talkface.evaluation.tables.portraits import identity_measures, silence_measure, stillness_measures
    from talkface.landmarks.detect import load_detector
    from talkface.media.speech import read_waveform
    from talkface.metrics.table import row_log

    judged = systems[0].name
    bench = Bench(load_detector(), out, float("inf") if full else 8.0, track=tracker())
    out.mkdir(parents=True, exist_ok=True)
    if "clips" in parts:
        clips = read_test_clips(data)
        if not full:
            clips = _few_people(clips) if quick else _few_clips(clips)
        rows, write = [], row_log(out / "clips.jsonl")
        for row in score_clips(clips, systems, bench, natural=natural):
            rows.append(row)
            write(row.cells())
        yield from clip_measures(rows, judged)
    if set(parts) & {"silence", "identity", "still"}:
        portraits = _portraits(data, bench, quick=quick, full=full)
        babble = _backwards(read_waveform(DEMO_SPEECH))
        if "silence" in parts:
            closed = sorted(portraits, key=lambda portrait: portrait.opening)[: EVALUATE.closed_portraits]
            silence = read_waveform(data / "speech" / "silence_4s.wav")
            yield silence_measure(closed, systems, silence, bench, judged)
        if "identity" in parts:
            yield from identity_measures(portraits, systems[:1], babble, bench, judged)
        if "still" in parts:
            yield from stillness_measures(_with_room(portraits), systems, babble, bench, judged)


def _portraits(data: Path, bench: "Bench", *, quick: bool, full: bool) -> list["Portrait"]:
    from talkface.evaluation.tables.portraits import load_portraits, portrait_paths

    paths = portrait_paths(data / "portraits")
    if quick:
        paths = paths[:: max(1, len(paths) // EVALUATE.quick_portraits)]
    return load_portraits(paths, bench, 100_000 if full else 1024)


def _with_room(portraits: Sequence["Portrait"]) -> list["Portrait"]:
    """Portraits with the most to see around the face: only they can show that it stands still."""
    from talkface.metrics.image import away_from_face

    def room(portrait: "Portrait") -> float:
        height, width = portrait.shot.image.shape[:2]
        return float(away_from_face((height, width), portrait.shot.landmarks).mean())

    return sorted(portraits, key=room, reverse=True)[: EVALUATE.still_portraits]


def _few_clips(clips: Sequence["HeldOutClip"]) -> list["HeldOutClip"]:
    """The first clips of every person, and all sentences of the GRID speaker."""
    taken: dict[str, int] = {}
    kept = []
    for clip in clips:
        taken[clip.person] = taken.get(clip.person, 0) + 1
        if clip.group != "people" or taken[clip.person] <= EVALUATE.clips_per_person:
            kept.append(clip)
    return kept


def _few_people(clips: Sequence["HeldOutClip"]) -> list["HeldOutClip"]:
    """The first clip of a few people, spread over the list, and a few sentences of the GRID speaker."""
    first = {clip.person: clip for clip in reversed(clips) if clip.group == "people"}
    people = sorted(first.values(), key=lambda clip: clip.key)
    sentences = [clip for clip in clips if clip.group != "people"]
    return [
        *people[:: max(1, len(people) // EVALUATE.quick_people)][: EVALUATE.quick_people],
        *sentences[: EVALUATE.quick_sentences],
    ]


def _backwards(speech: "Waveform") -> "Waveform":
    """Speech played backwards moves a mouth like speech but says nothing, so nobody is made to say words."""
    import numpy as np

    from talkface.types import Waveform

    kept = speech.samples[: round(EVALUATE.portrait_speech_s * speech.rate)]
    return Waveform(np.ascontiguousarray(kept[::-1]), speech.rate)
