"""`talkface evaluate renderer MODEL... --shards SHARDS` -> renderers of any family, one table on held-out people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer

from talkface.cli.evaluate_speech import column_name
from talkface.cli.options import Quiet, refuse_missing, refuse_missing_folder, with_options
from talkface.cli.progress import tracker
from talkface.cli.score_output import PeopleTableOptions, make_folder, set_threads, show_scores
from talkface.errors import CheckpointError, ConfigError, DatasetError
from talkface.files.write import atomic_file
from talkface.options import Device, device_option, option

if TYPE_CHECKING:
    from talkface.data.clip import PreparedClip
    from talkface.evaluation.people import Person, Predict
    from talkface.evaluation.rows import Row
    from talkface.types import FloatArray, Image, Shot

    Tiles = dict[tuple[str, int], dict[str, Image]]
    """Renderer and number of shots -> person -> picture."""

FLOOR = "warp"  # the family without a network: always in the table


@dataclass(frozen=True, kw_only=True)
class RendererTableOptions(PeopleTableOptions):
    """Options of `evaluate renderer`."""

    shots: str = option("1", "Shots of a person that a renderer sees; several, as 1,4,8, make several rows.")
    landmarks: Literal["real", "predicted"] = option(
        "real", "Of the frames to generate, or predicted from the clip's sound and put on the photo."
    )
    speech_model: str = option(
        "audio2landmark", "Name or file of the speech network, for --landmarks predicted.", old="audio2landmark"
    )
    split: str = option("test", "Split of the shards.")
    people: int = option(8, "People at most, spread over the shards.", low=1)
    targets: int = option(5, "Other frames that are generated, per person.", low=1)
    against: str | None = option(
        None, "Name in the table that the others are compared with. (default: the first given)"
    )
    device: Device = device_option("cpu")


@with_options(RendererTableOptions)
def evaluate_renderer(
    checkpoints: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Renderer networks, by name or path; their kind says which.")
    ],
    shards: Annotated[Path, typer.Option(help="Prepared shards of held-out people.")],
    out: Annotated[Path, typer.Option(help="Where scores and pictures go.")] = Path("runs/evaluate_renderer"),
    quiet: Quiet = False,
    *,
    options: RendererTableOptions,
) -> None:
    """Generate other frames of held-out people with every renderer, and compare them with the real ones.

    Shots come from the first half of a clip, targets from the second, from shut to wide open.
    Generated and real frames are aligned by eyes and nose and compared in one 256x256 crop.
    Beside the renderers stand the one without a network (warp), the photo that does not move, and the real frames,
    re-encoded.
    Times are at the size of the shards' pictures.
    """
    refuse_missing(checkpoints)
    refuse_missing_folder(shards, "one that `talkface prepare` wrote")
    from talkface.data.datasets import ClipDataset
    from talkface.evaluation.people import choose_speakers
    from talkface.evaluation.speech_clips import check_speaker
    from talkface.evaluation.tables.renderer_measures import paired_measures, renderer_measures
    from talkface.metrics.table import system_rows, systems_table, write_csv

    set_threads(options.threads)
    counts, targets = _counts(options.shots), options.targets
    families = {name: renderer_family(checkpoint) for name, checkpoint in column_names(checkpoints).items()}
    base = _base(options.against, list(families))
    predict = _predictor(options.speech_model) if options.landmarks == "predicted" else None
    dataset = ClipDataset(shards, options.split, speech=predict is not None)
    for name in options.leave_out:
        check_speaker(name, {meta["speaker"] for meta in dataset.metas}, shards)
    clips = (dataset[i] for i in range(len(dataset)) if dataset.metas[i]["num_frames"] >= max(counts) + targets)
    chosen = choose_speakers(clips, max(counts), targets, options.people, options.leave_out, predict)
    if not chosen:
        raise DatasetError(
            f"nobody who is not left out has {max(counts)} + {targets} frames with a face in {shards}: ask for fewer"
        )
    make_folder(out)
    rows, tiles = _scored(chosen, families, counts, options.device, out / "people.jsonl", quiet=quiet)
    write_csv(out / "people.csv", [row.cells() for row in rows])
    measures = renderer_measures(rows)
    write_csv(out / "scores.csv", system_rows(measures, "renderer"))
    _draw([person.name for person in chosen], tiles, counts, out)
    gains = paired_measures(rows, base)
    title = (
        f"{len(chosen)} held-out people, {targets} frames each, {options.landmarks} landmarks; after a name its shots"
    )
    tables = [systems_table(title, measures), systems_table(f"better than {base}, person by person, by", gains)]
    show_scores(tables, [*measures, *gains], out, f"pictures: {out}", quiet=quiet)


def renderer_family(checkpoint: str) -> tuple[str, str | None]:
    """Family and weights, for `load_renderer`, of a name or path; the checkpoint's kind decides.

    Raises:
        CheckpointError: no such network, or one that is not a renderer.
    """
    from talkface.checkpoints.format import load_weights
    from talkface.renderers.base import RENDERERS

    if checkpoint == FLOOR:
        return FLOOR, None
    kind = load_weights(checkpoint).kind
    if kind not in RENDERERS:
        raise CheckpointError(
            f"{checkpoint} holds a network of kind {kind}, expected a renderer: {', '.join(RENDERERS)}"
        )
    return kind, checkpoint


def column_names(checkpoints: Sequence[str]) -> dict[str, str]:
    """Name of each network in the table, as short as tells them apart; the one without a network comes first."""
    short = {checkpoint: column_name(checkpoint) for checkpoint in [FLOOR, *checkpoints]}
    names = list(short.values())
    return {name if names.count(name) == 1 else checkpoint: checkpoint for checkpoint, name in short.items()}


def _scored(
    people: Sequence["Person"],
    families: dict[str, tuple[str, str | None]],
    counts: Sequence[int],
    device: str,
    path: Path,
    *,
    quiet: bool,
) -> tuple[list["Row"], "Tiles"]:
    """Score everything, family after family so that one network is in memory at a time; write scores as they come."""
    from talkface.evaluation.tables.renderer_grid import tile
    from talkface.metrics.table import row_log

    rows: list[Row] = []
    tiles: Tiles = {}
    most = len(people) * (3 + (len(families) - 1) * len(counts))
    write = row_log(path)
    for row, crops in tracker(quiet)(_all(people, families, counts, device), most, "renderers"):
        rows.append(row)
        key = row.system, int(str(row.labels["shots"]))
        tiles.setdefault(key, {})[row.person] = tile(crops[-1])  # the most open
        write(row.cells())
    return rows, tiles


def _all(
    people: Sequence["Person"], families: dict[str, tuple[str, str | None]], counts: Sequence[int], device: str
) -> Iterator[tuple["Row", list["Image"]]]:
    from talkface.evaluation.tables.renderer import judge_of, score_baselines, score_renderer
    from talkface.landmarks.detect import load_detector
    from talkface.renderers.load import load_renderer

    detector = load_detector()
    judges = [judge_of(person, detector) for person in people]
    yield from score_baselines(people, judges)
    for name, (family, weights) in families.items():
        yield from score_renderer(name, load_renderer(family, device, weights), counts, people, judges)


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
        raise ConfigError(f"invalid --against {against!r}: expected one of {', '.join(names)}")
    return against


def _counts(shots: str) -> list[int]:
    """`1,4,8` -> numbers of shots, in order, once each."""
    parts = [part.strip() for part in shots.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigError(f"invalid --shots {shots!r}: expected whole numbers above 0 with commas between, as 1,4,8")
    return sorted({int(part) for part in parts})


def _predictor(speech_model: str) -> "Predict":
    """Landmarks as `animate` makes them from sound, with a still head and open eyes."""
    from talkface.inference.animator import Animator
    from talkface.inference.photos import Shots
    from talkface.inference.request import AnimateOptions
    from talkface.media.speech import open_speech
    from talkface.types import Waveform

    animator = Animator.from_pretrained(FLOOR, "cpu", speech_model=speech_model)

    def predict(clip: "PreparedClip", photo: "Shot") -> "FloatArray":
        fps = Fraction(clip.fps).limit_denominator(1001)
        subject = animator.subject(Shots([photo], 1, []))
        speech = animator.track_speech(open_speech(Waveform(clip.audio)), fps, subject)
        return np.concatenate(
            list(animator.landmarks(subject, speech, AnimateOptions(fps=fps, still=True, blink=False)))
        )

    return predict
