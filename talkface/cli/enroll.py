"""`talkface enroll PHOTOS -o PERSON.safetensors` -> an identity file, fed forward or with a generator of its own."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.embed import embed
from talkface.cli.options import refuse_missing
from talkface.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("enroll")(enroll)


def enroll(
    photos: Annotated[list[str], typer.Argument(help="Photos, a folder of photos, or a video of one person.")],
    out: Annotated[str, typer.Option("--out", "-o", help="PERSON.safetensors, or a name to keep the person under.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", "--weights", "-w", help="Few-shot network; none: shots for hybrid and warp."),
    ] = None,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="Also train the network's generator on these photos.")
    ] = False,
    shots: Annotated[int | None, typer.Option(min=1, help="How many shots to use. (default: all, 32 at most)")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="With --finetune: change a setting, as steps=200, batch_size=2, rate=1e-4, content.pixel=10."
        ),
    ] = None,
    previews: Annotated[
        Path | None, typer.Option(help="With --finetune: where preview pictures go. (default: beside the output)")
    ] = None,
    face: Annotated[int | None, typer.Option(help="Which face, 0 the largest.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    detector: Annotated[str, typer.Option(help="dlib or face-alignment.")] = "dlib",
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Keep a person: `animate` and `reenact` take the file, or its name, in place of the photos.

    With a few-shot network its embedding of all shots is kept too. With --finetune its generator is trained on these
    photos: losses and rates are those of its meta-training unless set otherwise; 125 steps for one photo to 230 for
    thirty. Keep only people who agreed.
    """
    refuse_missing([*photos, model])
    common = {"shots": shots, "face": face, "device": device, "detector": detector, "force": force, "quiet": quiet}
    if not finetune:
        if settings or previews:
            raise ConfigError("--set and --previews belong to --finetune: add it, or leave them out")
        embed(photos, out, model, **common)  # type: ignore[arg-type]
        return
    if model is None:
        raise ConfigError("--finetune needs a few-shot network: give --model FILE from `talkface train`")
    from talkface.cli.finetune import finetune as train_generator

    train_generator(photos, out, model, settings=settings, previews=previews, **common)  # type: ignore[arg-type]
