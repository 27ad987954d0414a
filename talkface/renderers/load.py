"""Name, device and weights -> a renderer."""

from pathlib import Path

import torch

from talkface.checkpoints.format import Checkpoint, load_weights, shipped_names
from talkface.errors import CheckpointError, ConfigError
from talkface.renderers.base import DEFAULT_INPAINTER, RENDERERS, Renderer, Tuning


def load_renderer(
    name: str = "hybrid",
    device: str = "auto",
    weights: str | Path | None = None,
    tuning: Tuning | None = None,
) -> Renderer:
    """Build a renderer family by name.

    Args:
        name: `hybrid`, `warp`, `fewshot`, `vgnet` or `spade`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        weights: shipped name or path; the family's own default if not given.
        tuning: numbers on which the picture depends; today's if not given.

    Raises:
        ConfigError: unknown family, weights for one that has none, or a device that this machine does not have.
        CheckpointError: weights that are missing or of another kind.
    """
    renderer = _load(name, pick_device(device), weights)
    if tuning is not None:
        renderer.tuning = tuning
    return renderer


def _load(name: str, device: torch.device, weights: str | Path | None) -> Renderer:
    if name == "warp":
        if weights is not None:
            raise ConfigError(f"renderer warp has no network, but weights {weights} were given: leave them out")
        from talkface.renderers.warp import WarpRenderer

        return WarpRenderer()
    if name == "hybrid":
        return _load_hybrid(weights or DEFAULT_INPAINTER, device)
    if name == "fewshot":
        from talkface.renderers.fewshot import load_fewshot_renderer

        return load_fewshot_renderer(weights, device)
    if name == "vgnet":
        from talkface.renderers.vgnet import VgnetRenderer, build_vgnet

        return VgnetRenderer(build_vgnet(_trained(name, weights)), device)
    if name == "spade":
        from talkface.renderers.spade import SpadeRenderer, build_spade

        return SpadeRenderer(build_spade(_trained(name, weights)), device)
    raise ConfigError(f"unknown renderer {name!r}: expected one of {', '.join(RENDERERS)}")


def _trained(kind: str, weights: str | Path | None) -> Checkpoint:
    """Network of a family that may have none in the package."""
    if weights is None and kind not in shipped_names():
        raise CheckpointError(
            f"renderer {kind} ships no network: train one with `talkface train configs/renderer/{kind}_small.yaml "
            f"--set data.shards=SHARDS` and give it with --renderer-model runs/{kind}_small/best.safetensors"
        )
    return load_weights(weights or kind, kind)


def _load_hybrid(weights: str | Path, device: torch.device) -> Renderer:
    """Renderer that generates over the warp: a donor's mouth, or all of the mouth by the network of kind `hybrid`."""
    checkpoint = load_weights(weights)
    if checkpoint.kind == "mouth":
        from talkface.renderers.mouth import load_mouth_renderer

        return load_mouth_renderer(checkpoint, device)
    from talkface.renderers.hybrid import HybridRenderer, build_hybrid

    return HybridRenderer(build_hybrid(load_weights(weights, "hybrid")), device)


def pick_device(name: str) -> torch.device:
    """Torch device of a user's word; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: not a device, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    kind, _, index = name.partition(":")
    if not (index or "0").isdigit() or int(index or 0) >= there.get(kind, 0):
        usable = ", ".join(["auto", *(kind for kind, present in there.items() if present)])
        raise ConfigError(f"device {name!r} is not on this machine: use one of {usable}")
    return torch.device(name)
