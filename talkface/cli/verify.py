"""`talkface verify FILE` -> whether a video or picture says that it is synthetic, and who signs for it."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talkface.errors import MediaError, printable

if TYPE_CHECKING:
    from talkface.media.mark.verify import Verdict

UNMARKED, BROKEN = 1, 3  # exit codes


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify")(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="A video or a picture, such as a screenshot.")],
    trust: Annotated[
        Path | None, typer.Option(help="Certificates (PEM) of authorities to trust, beside this computer's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell which marks of a synthetic video FILE bears: C2PA signature, invisible mark, comment tag.

    Exit code 0: marked, and all that is there holds. 1: no mark found, which proves nothing, or FILE cannot be read.
    3: marked, but the signature is broken or the marks contradict one another.
    """
    from talkface.files.read import read_bytes
    from talkface.media.mark.verify import verify_file

    verdict = verify_file(file, None if trust is None else read_bytes(trust, "certificate", MediaError))
    if as_json:
        typer.echo(json.dumps({"file": str(file), **verdict.plain()}, indent=2))
    else:
        for line in _lines(verdict):
            typer.echo(printable(line))
        typer.echo(f"{printable(file)}: {_summary(verdict)}")
    if verdict.faults or not verdict.marked:
        raise typer.Exit(BROKEN if verdict.faults else UNMARKED)


def _lines(verdict: "Verdict") -> list[str]:
    mark, manifest = verdict.mark, verdict.manifest
    lines = [f"comment tag: {verdict.tag or 'none'}"]
    if mark is None:
        lines.append("invisible mark: none found")
    else:
        where = f", at {mark.scale:.2f} of the size" if abs(mark.scale - 1) > 0.02 else ""
        where += ", mirrored" if mark.mirrored else ""
        alarm = f"false alarm: at most 1 in 10^{_digits(mark.chance)}"
        lines.append(f"invisible mark: {mark.payload.hex()}{where} ({alarm})")
    if not verdict.sought:
        lines.append("C2PA signature: not looked for (pip install 'talkface[provenance]')")
    elif manifest is None:
        lines.append("C2PA signature: none")
    else:
        known = {"trusted": "valid, by a trusted signer", "valid": "valid, but by an unknown signer"}
        lines.append(f"C2PA signature: {known.get(manifest.state, 'broken')}: {manifest.signer or 'nobody'}")
        lines += [f"  {name}: {value}" for name, value in manifest.details.items()]
    return lines


def _digits(chance: float) -> int:
    return 300 if chance <= 0 else int(-math.log10(chance))


def _summary(verdict: "Verdict") -> str:
    if verdict.faults:
        return "; ".join(verdict.faults)
    if verdict.marked:
        return "synthetic, says the file itself"
    return "no mark of a synthetic video found (which proves nothing: marks can be removed)"
