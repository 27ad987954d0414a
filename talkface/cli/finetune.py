"""`talkface finetune PHOTOS -o PERSON.safetensors --weights FEWSHOT` -> an identity with a generator of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from talkface.cli.embed import output_path, report_identity
from talkface.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from talkface.training.jobs.finetune import FinetuneConfig, Progress


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("finetune")(finetune)


def finetune(
    photos: Annotated[list[str], typer.Argument(help="Photos, a folder of photos, or a video of one person.")],
    out: Annotated[str, typer.Option("--out", "-o", help="PERSON.safetensors, or a name to keep the person under.")],
    weights: Annotated[str, typer.Option("--weights", "-w", help="The meta-trained few-shot network.")],
    shots: Annotated[int | None, typer.Option(min=1, help="How many shots to use. (default: all, 32 at most)")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting, as steps=200, batch_size=2, rate=1e-4, content.pixel=10."),
    ] = None,
    previews: Annotated[
        Path | None, typer.Option(help="Where preview pictures go. (default: beside the output)")
    ] = None,
    face: Annotated[int | None, typer.Option(help="Which face, 0 the largest.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    detector: Annotated[str, typer.Option(help="dlib or face-alignment.")] = "dlib",
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Make a new person from a few photos: train the generator on, on these alone.

    Losses and rates are those of the network's meta-training unless set otherwise; 125 steps for one photo to 230 for
    thirty. Use only photos of people who agreed.
    """
    target = output_path(out, force)
    from talkface.checkpoints.fewshot import load_fewshot
    from talkface.checkpoints.format import file_hash
    from talkface.checkpoints.identity import save_identity
    from talkface.checkpoints.registry import find_weights, load_weights
    from talkface.inference.enroll import load_people
    from talkface.landmarks.detect import load_detector
    from talkface.renderers.load import pick_device
    from talkface.training.jobs.finetune import Finetuning

    checkpoint = load_weights(weights, "fewshot")
    config = finetune_config(checkpoint.provenance, settings or [])
    found = load_people(photos, load_detector(detector), shots, face)
    notes = list(found.notes)
    if len(found.shots) == 1:
        notes.append("one shot only: other poses will look poorer than from eight or more")
    job = Finetuning(
        load_fewshot(checkpoint), file_hash(find_weights(weights)), found.shots, config, pick_device(device)
    )
    with _shown(target.stem, previews or target.parent, quiet) as report:
        job.run(report)
    identity = job.identity({"command": "finetune", "num_shots": len(found.shots)})
    save_identity(target, identity)
    if not quiet:
        for note in notes:
            typer.echo(f"note: {note}")
        before, after = (identity.metrics[f"identity_distance_{when}"] for when in ("before", "after"))
        typer.echo(
            f"identity: descriptor distance to the shots {before:.3f} before, {after:.3f} after {job.steps} steps"
        )
        report_identity(target, identity)


def finetune_config(provenance: dict[str, object], settings: list[str]) -> "FinetuneConfig":
    """Settings of the network's meta-training, changed by what the user sets.

    Raises:
        ConfigError: unknown settings or values.
        CheckpointError: the network's own settings are of another version.
    """
    from omegaconf import OmegaConf

    from talkface.config import load_config
    from talkface.training.jobs.finetune import FinetuneConfig, training_settings

    known = FinetuneConfig.__dataclass_fields__
    for setting in settings:
        name = setting.split("=")[0]
        if name.split(".")[0] not in known:
            raise ConfigError(f"unknown setting {name}: known are {', '.join(known)}")
    trained = OmegaConf.create(training_settings(provenance))
    dotted = _dotted(OmegaConf.to_container(trained))
    try:
        load_config(FinetuneConfig, None, dotted)
    except ConfigError as error:
        raise CheckpointError(f"the network's own settings do not fit this version: {error}") from error
    result: FinetuneConfig = load_config(FinetuneConfig, None, [*dotted, *settings])
    return result


def _dotted(settings: object, prefix: str = "") -> list[str]:
    """Nested settings -> `key.sub=value` lines."""
    if isinstance(settings, dict):
        return [line for key, value in settings.items() for line in _dotted(value, f"{prefix}{key}.")]
    value = f"[{','.join(str(one) for one in settings)}]" if isinstance(settings, list) else settings
    return [f"{prefix[:-1]}={value}"]


@contextmanager
def _shown(name: str, folder: Path, quiet: bool) -> Iterator[Callable[["Progress"], None]]:
    """A bar with the loss terms; previews as `NAME_preview.png`, the last one stays."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("fine-tune", total=None)

        def report(now: "Progress") -> None:
            terms = "  ".join(f"{key} {value:.3f}" for key, value in now.terms.items())
            bar.update(task, completed=now.step, total=now.steps, description=f"fine-tune  {terms}")
            if now.preview is not None and not quiet:
                from PIL import Image as Pillow

                folder.mkdir(parents=True, exist_ok=True)
                Pillow.fromarray(now.preview).save(folder / f"{name}_preview.png")

        yield report
