"""`talkface evaluate renderer CKPT... --shards SHARDS` -> renderers of any family, one table on people never seen."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from talkface.cli.evaluate_speech import column_name
from talkface.cli.options import refuse_missing, refuse_missing_folder
from talkface.cli.score_output import limit_threads, make_folder, show_scores
from talkface.errors import CheckpointError, ConfigError, DatasetError
from talkface.files.write import atomic_file

if TYPE_CHECKING:
    from talkface.data.clip import PreparedClip
    from talkface.evaluation.tables.renderer import Bench, Hear
    from talkface.evaluation.tables.renderer_measures import RendererScore
    from talkface.types import FloatArray, Image, Shot

    Tiles = dict[tuple[str, int], dict[str, Image]]
    """Renderer and number of shots -> person -> picture."""

DRIVEN_BY = ("real", "predicted")
FLOOR = "warp"  # the family without a network: always in the table


def evaluate_renderer(
    checkpoints: Annotated[
        list[str], typer.Argument(metavar="CKPT...", help="Renderer networks, by name or path; their kind says which.")
    ],
    shards: Annotated[Path, typer.Option(help="Prepared shards of people never trained on.")],
    out: Annotated[Path, typer.Option(help="Where scores and pictures go.")] = Path("runs/evaluate_renderer"),
    shots: Annotated[
        str, typer.Option(help="Shots of a person that a renderer sees; several make several rows.")
    ] = "1",
    landmarks: Annotated[
        str, typer.Option(help="real: of the frames to paint; predicted: heard in the clip's sound, put on the photo.")
    ] = "real",
    audio2landmark: Annotated[
        str, typer.Option(help="Name or path of the network that hears, for --landmarks predicted.")
    ] = "audio2landmark",
    split: Annotated[str, typer.Option(help="Split of the shards.")] = "test",
    people: Annotated[int, typer.Option(min=1, help="People at most, spread over the shards.")] = 8,
    targets: Annotated[int, typer.Option(min=1, help="Other frames that are painted, per person.")] = 5,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Somebody who was trained on all the same; repeat for more.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Name in the table that the others are compared with. (default: the first given)")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to the libraries.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Paint other frames of people never seen with every renderer, and compare them with the real ones.

    Shots come from the first half of a clip, targets from the second, from shut to wide open.
    Made and real frames are laid over each other by eyes and nose and compared in one 256x256 crop.
    Beside the renderers stand the one without a network (warp), the photo that does not move, and the real frames,
    re-encoded.
    Times are at the size of the shards' pictures.
    """
    refuse_missing(checkpoints)
    refuse_missing_folder(shards, "one that `talkface prepare` wrote")
    from talkface.data.datasets import ClipDataset
    from talkface.evaluation.speech_clips import check_speaker
    from talkface.evaluation.tables.renderer import Bench, choose_people
    from talkface.evaluation.tables.renderer_measures import paired_measures, renderer_measures, summary_rows
    from talkface.landmarks.detect import load_detector
    from talkface.metrics.stats import blank, systems_table, write_csv

    limit_threads(threads)
    counts = _counts(shots)
    if landmarks not in DRIVEN_BY:
        raise ConfigError(f"--landmarks {landmarks!r}: expected {' or '.join(DRIVEN_BY)}")
    families = {name: renderer_family(checkpoint) for name, checkpoint in column_names(checkpoints).items()}
    base = _base(against, list(families))
    hear = _hearing(audio2landmark) if landmarks == "predicted" else None
    dataset = ClipDataset(shards, split, speech=hear is not None)
    for name in leave_out or ():
        check_speaker(name, {meta["speaker"] for meta in dataset.metas}, shards)
    clips = (dataset[i] for i in range(len(dataset)) if dataset.metas[i]["num_frames"] >= max(counts) + targets)
    chosen = choose_people(clips, max(counts), targets, people, leave_out or (), hear)
    if not chosen:
        raise DatasetError(
            f"nobody who is not left out has {max(counts)} + {targets} frames with a face in {shards}: ask for fewer"
        )
    make_folder(out)
    bench = Bench(chosen, load_detector())
    scores, tiles = _scored(bench, families, counts, device, out / "people.jsonl", quiet=quiet)
    write_csv(out / "people.csv", [{name: blank(value) for name, value in asdict(one).items()} for one in scores])
    measures = renderer_measures(scores)
    write_csv(out / "scores.csv", summary_rows(measures))
    _draw([person.name for person in chosen], tiles, counts, out)
    gains = paired_measures(scores, base)
    title = f"{len(chosen)} people never seen, {targets} frames each, {landmarks} landmarks; behind a name its shots"
    tables = [systems_table(title, measures), systems_table(f"better than {base}, person by person, by", gains)]
    show_scores(tables, [*measures, *gains], out, f"pictures: {out}", quiet=quiet)


def renderer_family(checkpoint: str) -> tuple[str, str | None]:
    """Family and weights, for `load_renderer`, of a name or path; the checkpoint's kind decides.

    Raises:
        CheckpointError: no such network, or one that paints nothing.
    """
    from talkface.checkpoints.format import load_weights
    from talkface.renderers.base import RENDERERS

    if checkpoint == FLOOR:
        return FLOOR, None
    kind = load_weights(checkpoint).kind
    if kind not in RENDERERS:
        raise CheckpointError(f"{checkpoint} holds a {kind} network, expected a renderer: {', '.join(RENDERERS)}")
    return kind, checkpoint


def column_names(checkpoints: Sequence[str]) -> dict[str, str]:
    """What the table calls each network: as short as tells them apart; the one without a network comes first."""
    short = {checkpoint: column_name(checkpoint) for checkpoint in [FLOOR, *checkpoints]}
    names = list(short.values())
    return {name if names.count(name) == 1 else checkpoint: checkpoint for checkpoint, name in short.items()}


def _scored(
    bench: "Bench",
    families: dict[str, tuple[str, str | None]],
    counts: Sequence[int],
    device: str,
    path: Path,
    *,
    quiet: bool,
) -> tuple[list["RendererScore"], "Tiles"]:
    """Score everything, family after family so that one network is in memory at a time; write scores as they come."""
    from talkface.evaluation.tables.renderer_grid import tile

    scores: list[RendererScore] = []
    tiles: Tiles = {}
    rows = 3 + (len(families) - 1) * len(counts)
    bar = Console(stderr=True)
    scored = track(
        _all(bench, families, counts, device),
        "renderers",
        rows * len(bench.people),
        console=bar,
        disable=quiet or not bar.is_terminal,
    )
    with atomic_file(path) as part, part.open("w", encoding="utf-8") as file:
        for one, crops in scored:
            scores.append(one)
            tiles.setdefault((one.system, one.shots), {})[one.person] = tile(crops[-1])  # the most open
            file.write(json.dumps({k: None if v != v else v for k, v in asdict(one).items()}) + "\n")
            file.flush()
    return scores, tiles


def _all(
    bench: "Bench", families: dict[str, tuple[str, str | None]], counts: Sequence[int], device: str
) -> Iterator[tuple["RendererScore", list["Image"]]]:
    from talkface.renderers.load import load_renderer

    yield from bench.baselines()
    for name, (family, weights) in families.items():
        yield from bench.score(name, load_renderer(family, device, weights), counts)


def _draw(people: Sequence[str], tiles: "Tiles", counts: Sequence[int], out: Path) -> None:
    """A picture for each number of shots; a renderer without a row of so many is shown with fewer."""
    from PIL import Image as Pillow

    from talkface.evaluation.tables.renderer_grid import renderer_grid

    for count in counts:
        columns = {name: pictures for (name, shots), pictures in tiles.items() if shots <= count}  # the last wins
        path = out / f"pictures_{count}.png"
        with atomic_file(path) as part:
            Pillow.fromarray(renderer_grid(people, columns)).save(part, "PNG")


def _base(against: str | None, names: Sequence[str]) -> str:
    """The renderer that others are compared with; `names` begins with the one without a network."""
    if against is None:
        return names[min(1, len(names) - 1)]
    if against not in names:
        raise ConfigError(f"--against {against!r} is not in the table: choose of {', '.join(names)}")
    return against


def _counts(shots: str) -> list[int]:
    """`1,4,8` -> numbers of shots, in order, once each."""
    parts = [part.strip() for part in shots.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigError(f"--shots {shots!r}: expected whole numbers above 0 with commas between, as 1,4,8")
    return sorted({int(part) for part in parts})


def _hearing(audio2landmark: str) -> "Hear":
    """Landmarks as `animate` makes them from sound, with a still head and open eyes."""
    from talkface.inference.animator import Animator
    from talkface.inference.photos import Shots
    from talkface.inference.request import AnimateOptions
    from talkface.media.speech import open_speech
    from talkface.types import Waveform

    animator = Animator.from_pretrained(FLOOR, "cpu", speech_model=audio2landmark)

    def hear(clip: "PreparedClip", photo: "Shot") -> "FloatArray":
        fps = Fraction(clip.fps).limit_denominator(1001)
        subject = animator.subject(Shots([photo], 1, []))
        speech = animator.listen(open_speech(Waveform(clip.audio)), fps, subject)
        return np.concatenate(
            list(animator.landmarks(subject, speech, AnimateOptions(fps=fps, still=True, blink=False)))
        )

    return hear
