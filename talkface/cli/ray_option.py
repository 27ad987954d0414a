"""`--ray [ADDRESS]` -> the address of a Ray cluster, `local` where none is given."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from talkface.scale.cluster import EMBEDDED

RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Work on a Ray cluster: its address, or one started on this machine where none is given.",
    ),
]


class RayCommand(TyperCommand):
    """A command whose `--ray` may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a lone `--ray` the embedded cluster's address: at the end, or with another option behind it."""
        following = [*args[1:], "-"]
        words = [
            f"{word}={EMBEDDED}" if word == "--ray" and behind.startswith("-") else word
            for word, behind in zip(args, following, strict=False)
        ]
        return super().parse_args(ctx, words)
