"""Options -> names of the networks that they choose, and a folder or file of networks -> options."""

from pathlib import Path

from talkface.checkpoints.format import SUFFIX, find_weights, load_checkpoint
from talkface.errors import CheckpointError
from talkface.inference.request import AnimateOptions, RenderOptions
from talkface.inference.subject import RHYTHM
from talkface.renderers.base import DEFAULT_INPAINTER, RENDERER_OF, RENDERERS

NETWORKS = ("renderer", "renderer_model", "set", "detector", "device", "speech_model", "head_model")
"""Options that choose networks; the others say what to do with them."""


def network_names(options: AnimateOptions) -> tuple[str, ...]:
    """Names or paths of the networks that an animator of these options has."""
    heads = () if options.head_model == RHYTHM else (options.head_model,)
    return (options.speech_model, *heads, *renderer_network(options))


def renderer_network(options: RenderOptions) -> tuple[str, ...]:
    """Name or path of the renderer's network; none for `warp`, or where a person's file holds it."""
    if options.renderer == "warp":
        return ()
    named = options.renderer_model or {"hybrid": DEFAULT_INPAINTER}.get(options.renderer)
    return () if named is None else (named,)


def find_networks(name: str | Path) -> dict[str, str]:
    """Options that name the networks of a renderer family, of a file, or of a folder.

    Raises:
        CheckpointError: no such weights, or a folder without a renderer's.
    """
    if str(name) in RENDERERS:
        return {"renderer": str(name)}
    path = Path(name)
    if not path.is_dir():
        kind = load_checkpoint(find_weights(name)).kind
        if kind not in RENDERER_OF:
            raise CheckpointError(
                f"{name} holds a network of kind {kind}, expected a renderer's: {', '.join(RENDERER_OF)}"
            )
        return {"renderer": RENDERER_OF[kind], "renderer_model": str(name)}
    found: dict[str, str] = {}
    for file in sorted(path.glob(f"*{SUFFIX}")):
        kind = load_checkpoint(file).kind
        if kind in RENDERER_OF:
            found |= {"renderer": RENDERER_OF[kind], "renderer_model": str(file)}
        elif kind in ("audio2landmark", "headmotion"):
            found["speech_model" if kind == "audio2landmark" else "head_model"] = str(file)
    if "renderer" not in found:
        raise CheckpointError(f"no renderer's network in {path}: expected a {SUFFIX} file of {', '.join(RENDERER_OF)}")
    return found
