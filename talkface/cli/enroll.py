"""`talkface enroll PHOTOS -o PERSON.safetensors` -> an identity file, fed forward or with a generator of its own."""

from typing import Annotated

import typer

from talkface.cli.embed import embed
from talkface.cli.options import Quiet, refuse_missing, with_options
from talkface.inference.request import EnrollOptions


def register(app: typer.Typer) -> None:
    """Add the verb."""
    enroll.add_to(app, "enroll")


@with_options(EnrollOptions)
def enroll(
    photos: Annotated[list[str], typer.Argument(help="Photos, a folder of photos, or a video of one person.")],
    out: Annotated[str, typer.Option("--out", "-o", help="PERSON.safetensors, or a name to keep the person under.")],
    quiet: Quiet = False,
    *,
    options: EnrollOptions,
) -> None:
    """Keep a person: `animate` and `reenact` take the file, or its name, in place of the photos.

    With a few-shot network its embedding of all shots is kept too. With --finetune its generator is trained on these
    photos: losses and rates are those of its meta-training unless set otherwise; 125 steps for one photo to 230 for
    thirty. Keep only people who agreed.
    """
    refuse_missing([*photos, options.model])
    if not options.finetune:
        embed(photos, out, options, quiet=quiet)
        return
    from talkface.cli.finetune import finetune

    finetune(photos, out, options, quiet=quiet)
