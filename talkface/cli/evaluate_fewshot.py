"""`talkface evaluate fewshot MODEL SHARDS` -> scores of a few-shot network on held-out people."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from talkface.cli.options import refuse_missing, refuse_missing_folder, with_options
from talkface.cli.progress import tracker
from talkface.cli.score_output import PeopleTableOptions, set_threads, show_scores
from talkface.errors import DatasetError
from talkface.files.write import atomic_file
from talkface.options import option

if TYPE_CHECKING:
    from torch import Tensor

    from talkface.checkpoints.fewshot import FewshotNetworks
    from talkface.evaluation.people import Person
    from talkface.evaluation.rows import Row
    from talkface.evaluation.tables.fewshot import FewshotSystem, Framing
    from talkface.renderers.base import Renderer
    from talkface.training.jobs.finetune import FinetuneConfig
    from talkface.types import FloatArray, Image, Shot

FED, TUNED = "FF", "FT"  # columns: fed forward, fine-tuned, then the number of shots
SHOWN = 4  # targets of each person in the picture


@dataclass(frozen=True, kw_only=True)
class FewshotTableOptions(PeopleTableOptions):
    """Options of `evaluate fewshot`."""

    split: str = option("test", "Split of the shards.")
    people: int = option(12, "People at most, spread over the shards.", low=1)
    shots: int = option(8, "Shots that a system may see.", low=2)
    targets: int = option(6, "Other frames that are generated, per person.", low=1)
    tune: bool = option(True, "Fine-tune to each person, too.")
    steps: int = option(0, "Of fine-tuning; 0 by the number of shots.", low=0)
    set: tuple[str, ...] = option(
        (), "KEY=VALUE: a setting of fine-tuning, as of `enroll --finetune`; repeat for more."
    )


@with_options(FewshotTableOptions)
def evaluate_fewshot(
    model: Annotated[str, typer.Argument(help="Few-shot network, by name or path.")],
    shards: Annotated[Path, typer.Argument(help="Prepared shards of held-out people.")],
    out: Annotated[Path, typer.Option(help="Where scores and pictures go.")] = Path("runs/evaluate_fewshot"),
    *,
    options: FewshotTableOptions,
) -> None:
    """Generate other frames of held-out people, from one shot and from several, and compare with the real ones.

    Fed forward and fine-tuned, beside the photo that does not move and the renderers `warp` and `hybrid`, which get
    the first shot. Shots come from the first half of a clip, targets from the second. Exit code 1 when a row fails.
    """
    refuse_missing([model])
    refuse_missing_folder(shards, "one that `talkface prepare` wrote")
    from talkface.checkpoints.fewshot import load_fewshot
    from talkface.checkpoints.format import file_hash, find_weights, load_weights
    from talkface.cli.finetune import finetune_config
    from talkface.data.datasets import ClipDataset
    from talkface.evaluation.people import choose_people
    from talkface.evaluation.tables.fewshot import Framing, PhotoOnly, person_measures, score_people
    from talkface.landmarks.detect import load_detector
    from talkface.metrics.table import row_log, to_table
    from talkface.renderers.load import load_renderer

    set_threads(options.threads)
    shots, targets = options.shots, options.targets
    checkpoint = load_weights(model, "fewshot")
    networks = load_fewshot(checkpoint)
    framing = Framing(networks.config.crop, networks.config.crop_side, networks.config.size)
    dataset = ClipDataset(shards, options.split)
    clips = (dataset[i] for i in range(len(dataset)))
    chosen = choose_people(clips, shots, targets, options.people, options.leave_out)
    if not chosen:
        raise DatasetError(f"nobody in {shards} has {shots} + {targets} frames with a face: ask for fewer")
    network_hash = file_hash(find_weights(model))
    config = finetune_config(checkpoint.provenance, [f"steps={options.steps}", *options.set])
    systems: list[FewshotSystem] = [
        PhotoOnly(framing),
        *(RendererSystem(load_renderer(name, "cpu"), framing) for name in ("warp", "hybrid")),
        *(FedForward(networks, network_hash, count) for count in (1, shots)),
        *(FineTuned(networks, network_hash, count, config) for count in (1, shots) if options.tune),
    ]
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    drawn: dict[str, list[Image]] = {}
    write = row_log(out / "people.jsonl")
    scored = score_people(chosen, systems, framing, load_detector())
    for row, pictures in tracker()(scored, len(chosen) * len(systems), "people"):
        rows.append(row)
        drawn.setdefault(row.person, []).append(np.concatenate(pictures[:SHOWN], 1))
        write(row.cells())
    _draw(chosen, drawn, framing, out / "pictures.png")
    one_shot = {f"{kind} {shots}": f"{kind} 1" for kind in (FED, TUNED)}
    measures = person_measures(rows, f"{TUNED} {shots}", f"{FED} {shots}", one_shot)
    words = f"{FED} fed forward, {TUNED} fine-tuned, with so many shots"
    title = f"{len(chosen)} held-out people, {targets} frames each; {words}"
    show_scores([to_table(title, measures)], measures, out, f"pictures: {out / 'pictures.png'}")


class RendererSystem:
    """A renderer of the package, given the first shot."""

    def __init__(self, renderer: "Renderer", framing: "Framing") -> None:
        self.name = renderer.name
        self._renderer, self._framing = renderer, framing

    def generate(self, shots: Sequence["Shot"], landmarks: "FloatArray") -> list["Image"]:
        """Frames of the first shot's photo, framed by each frame's landmarks."""
        frames = self._renderer.render(self._renderer.enroll(shots[:1]), landmarks)
        return [self._framing.picture(frame.image, points) for frame, points in zip(frames, landmarks, strict=True)]


class FedForward:
    """The few-shot network as it is, with the first shots."""

    def __init__(self, networks: "FewshotNetworks", network_hash: str, shots: int) -> None:
        self.name = f"{FED} {shots}"
        self._networks, self._hash, self._shots = networks, network_hash, shots

    def generate(self, shots: Sequence["Shot"], landmarks: "FloatArray") -> list["Image"]:
        """The generator's output for each frame's sketch."""
        import torch

        from talkface.renderers.fewshot import embed_shots

        part = embed_shots(self._networks, self._hash, shots[: self._shots], torch.device("cpu"))
        return _pictures(self._networks, part.adain_params, landmarks)


class FineTuned:
    """The few-shot network after fine-tuning to the first shots; every person starts from the same weights."""

    def __init__(self, networks: "FewshotNetworks", network_hash: str, shots: int, config: "FinetuneConfig") -> None:
        self.name = f"{TUNED} {shots}"
        self._networks, self._hash, self._shots, self._config = networks, network_hash, shots, config

    def generate(self, shots: Sequence["Shot"], landmarks: "FloatArray") -> list["Image"]:
        """The output of the person's own generator for each frame's sketch."""
        import torch

        from talkface.training.jobs.finetune import Finetuning

        own = copy.deepcopy(self._networks)
        job = Finetuning(own, self._hash, shots[: self._shots], self._config, torch.device("cpu"))
        job.run()
        person = job.ema.network
        own.generator.load_state_dict(person.generator.state_dict())  # type: ignore[union-attr]
        return _pictures(own, person.adain_params[0], landmarks)  # type: ignore[index]


def _pictures(networks: "FewshotNetworks", adain_params: "Tensor", landmarks: "FloatArray") -> list["Image"]:
    import torch

    from talkface.data.samplers.shot_pictures import picture_map, signed, sketch_picture, unsigned

    config = networks.config
    maps = [picture_map(points, config.crop, config.crop_side, config.size) for points in landmarks]
    size, style = config.size, config.sketch
    sketches = [
        sketch_picture(points, to_picture, size, style) for points, to_picture in zip(landmarks, maps, strict=True)
    ]
    with torch.no_grad():
        return list(unsigned(networks.generator.eval()(signed(sketches), adain_params[None])))


def _draw(people: Sequence["Person"], rows: dict[str, list["Image"]], framing: "Framing", path: Path) -> None:
    """One row a person: the real frames, then every system's."""
    from PIL import Image as Pillow

    drawn = []
    for person in people:
        real = [framing.picture(target.image, target.landmarks) for target in person.targets[:SHOWN]]
        drawn.append(np.concatenate([np.concatenate(real, 1), *rows[person.name]], 1))
    with atomic_file(path) as part:
        Pillow.fromarray(np.concatenate(drawn)).save(part, "PNG")
