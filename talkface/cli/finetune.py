"""Photos and a few-shot network -> an identity file with a generator of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from talkface.cli.embed import output_path, report_identity
from talkface.errors import CheckpointError, ConfigError, printable
from talkface.files.write import atomic_file
from talkface.inference.request import EnrollOptions

if TYPE_CHECKING:
    from talkface.training.jobs.finetune import FinetuneConfig, FinetuneProgress


def finetune(photos: list[str], out: str, options: EnrollOptions, *, quiet: bool) -> None:
    """Write an identity file with a generator that is trained on these photos alone."""
    assert options.model is not None, "the options refuse to fine-tune without a network"
    target = output_path(out, options.force)
    from talkface.checkpoints.fewshot import load_fewshot
    from talkface.checkpoints.format import file_hash, find_weights, load_weights
    from talkface.checkpoints.identity import save_identity
    from talkface.inference.enroll import load_people
    from talkface.landmarks.detect import load_detector
    from talkface.renderers.load import pick_device
    from talkface.training.jobs.finetune import Finetuning

    checkpoint = load_weights(options.model, "fewshot")
    config = finetune_config(checkpoint.provenance, options.set)
    found = load_people(photos, load_detector(options.detector), options.shots, options.face)
    notes = list(found.notes)
    if len(found.shots) == 1:
        notes.append("one shot only: other poses will look poorer than from eight or more")
    network_hash, device = file_hash(find_weights(options.model)), pick_device(options.device)
    job = Finetuning(load_fewshot(checkpoint), network_hash, found.shots, config, device)
    with _shown(target.stem, options.previews or target.parent, quiet) as report:
        job.run(report)
    identity = job.identity({"command": "finetune", "num_shots": len(found.shots)})
    save_identity(target, identity, exclusive=not options.force)
    if not quiet:
        for note in notes:
            typer.echo(f"note: {printable(note)}")
        before, after = (identity.metrics[f"identity_distance_{when}"] for when in ("before", "after"))
        typer.echo(
            f"identity: descriptor distance to the shots {before:.3f} before, {after:.3f} after {job.steps} steps"
        )
        report_identity(target, identity)


def finetune_config(provenance: dict[str, object], settings: Sequence[str]) -> "FinetuneConfig":
    """Settings of the network's meta-training, changed by what the user sets.

    Raises:
        ConfigError: unknown settings or values.
        CheckpointError: the network's own settings are of another version.
    """
    from talkface.config import load_config
    from talkface.training.jobs.finetune import FinetuneConfig, training_settings

    known = FinetuneConfig.__dataclass_fields__
    for setting in settings:
        name = setting.split("=")[0]
        if name.split(".")[0] not in known:
            raise ConfigError(f"unknown setting {name}: known are {', '.join(known)}")
    dotted = _dotted(training_settings(provenance))
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
    value = f"[{','.join(map(str, settings))}]" if isinstance(settings, list) else settings
    return [f"{prefix[:-1]}={value}"]


@contextmanager
def _shown(name: str, folder: Path, quiet: bool) -> Iterator[Callable[["FinetuneProgress"], None]]:
    """A bar with the loss terms; previews as `NAME_preview.png`, the last one stays."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("fine-tune", total=None)

        def report(now: "FinetuneProgress") -> None:
            terms = "  ".join(f"{key} {value:.3f}" for key, value in now.terms.items())
            bar.update(task, completed=now.step, total=now.steps, description=f"fine-tune  {terms}")
            if now.preview is not None and not quiet:
                from PIL import Image as Pillow

                folder.mkdir(parents=True, exist_ok=True)
                with atomic_file(folder / f"{name}_preview.png") as part:
                    Pillow.fromarray(now.preview).save(part, "PNG")

        yield report
