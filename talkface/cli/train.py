"""`talkface train CONFIG [key=value ...]` -> run folder with a trained network."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.config import load_config, read_kind
from talkface.errors import ConfigError

KINDS = ("audio2landmark", "renderer", "fewshot")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("train")(train)


def train(
    config: Annotated[Path, typer.Argument(help="A file of configs/audio2landmark or configs/renderer.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Settings to change, as run.steps=100.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only where the weights are.")] = False,
) -> None:
    """Train a network; the same command again goes on where the last one stopped."""
    kind = read_kind(config)
    if kind == "audio2landmark":
        from talkface.training.audio2landmark import train_audio2landmark
        from talkface.training.speech_config import Audio2LandmarkTraining

        settings = load_config(Audio2LandmarkTraining, config, overrides or ())
        scores = train_audio2landmark(settings)
    elif kind == "renderer":
        from talkface.training.renderer import RendererConfig, train_renderer

        settings = load_config(RendererConfig, config, overrides or ())
        scores = train_renderer(settings)
    elif kind == "fewshot":
        from talkface.training.fewshot import FewshotTraining, train_fewshot

        settings = load_config(FewshotTraining, config, overrides or ())
        scores = train_fewshot(settings)
    else:
        raise ConfigError(f"{config} is of kind {kind!r}: train knows {', '.join(KINDS)}")
    if not quiet:
        typer.echo("  ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    typer.echo(f"weights: {(Path(settings.run.out) / 'best.safetensors').resolve()}")
