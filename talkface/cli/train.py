"""`talkface train CONFIG --set key=value ...` -> run folder with a trained network."""

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from talkface.cli.options import with_options
from talkface.config import load_config, read_kind, read_mapping
from talkface.errors import ConfigError, DatasetError, StoppedError
from talkface.options import Options, option


def register(app: typer.Typer) -> None:
    """Add the verb."""
    train.add_to(app, "train")


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Options):
    """Options of `train`; what is trained, and how, are settings of its config."""

    set: tuple[str, ...] = option((), "KEY=VALUE: a setting to change, such as run.steps=100; repeat for more.")
    processes: int = option(1, "Processes of this machine that train together, one per GPU or share of cores.", low=1)


@with_options(TrainOptions)
def train(
    config: Annotated[Path, typer.Argument(help="A file of configs/audio2landmark, headmotion or renderer.")],
    bare: Annotated[list[str] | None, typer.Argument(hidden=True, help="Settings, as a release ago.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only where the weights are.")] = False,
    *,
    options: TrainOptions,
) -> None:
    """Train a network; the same command again resumes a stopped run."""
    if bare:
        typer.echo(f"warning: settings are given by --set now: --set {' --set '.join(bare)}", err=True)
    overrides = [*(bare or []), *options.set]
    words = ["train", str(config), *(word for item in overrides for word in ("--set", item))]
    words += ["--quiet"] if quiet else []
    if options.processes > 1:
        from talkface.training.engine.launch import launch

        raise typer.Exit(launch(words, options.processes))
    kind = read_kind(config)
    _refuse_missing_shards(config, overrides)
    try:
        with _resumed_by(words):
            settings, scores = _train(kind, config, overrides, quiet)
    except StoppedError as stopped:
        if stopped.number != signal.SIGTERM:
            raise
        if _is_first():  # a scheduler takes the machine away: nothing failed
            typer.echo(stopped, err=True)
        return
    if _is_first():
        _report(Path(settings.run.out), scores, quiet, held_out=bool(settings.data.held_out_every))


def _train(kind: str, config: Path, overrides: list[str], quiet: bool) -> tuple[Any, dict[str, float]]:
    """Train a network of that kind; returns the settings and the last scores."""
    kinds = ("audio2landmark", "headmotion", "mouth", "renderer", "fewshot", "vgnet", "spade")
    if kind == "audio2landmark":
        from talkface.training.jobs.audio2landmark import train_audio2landmark
        from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining

        settings = _settings(Audio2LandmarkTraining, config, overrides, quiet)
        scores = train_audio2landmark(settings)
    elif kind == "renderer":
        from talkface.training.jobs.hybrid import train_renderer
        from talkface.training.jobs.hybrid_config import RendererConfig

        settings = _settings(RendererConfig, config, overrides, quiet)
        scores = train_renderer(settings)
    elif kind == "mouth":
        from talkface.training.jobs.mouth import train_mouth
        from talkface.training.jobs.mouth_config import MouthTraining

        settings = _settings(MouthTraining, config, overrides, quiet)
        scores = train_mouth(settings)
    elif kind == "headmotion":
        from talkface.training.jobs.headmotion import train_headmotion
        from talkface.training.jobs.headmotion_config import HeadmotionTraining

        settings = _settings(HeadmotionTraining, config, overrides, quiet)
        scores = train_headmotion(settings)
    elif kind == "fewshot":
        from talkface.training.jobs.fewshot import train_fewshot
        from talkface.training.jobs.fewshot_config import FewshotTraining

        settings = _settings(FewshotTraining, config, overrides, quiet)
        scores = train_fewshot(settings)
    elif kind == "vgnet":
        from talkface.training.jobs.vgnet import train_vgnet
        from talkface.training.jobs.vgnet_config import VgnetTraining

        settings = _settings(VgnetTraining, config, overrides, quiet)
        scores = train_vgnet(settings)
    elif kind == "spade":
        from talkface.training.jobs.spade import train_spade
        from talkface.training.jobs.spade_config import SpadeTraining

        settings = _settings(SpadeTraining, config, overrides, quiet)
        scores = train_spade(settings)
    else:
        raise ConfigError(f"{config} is of kind {kind!r}: train knows {', '.join(kinds)}")
    return settings, scores


@contextmanager
def _resumed_by(words: Sequence[str]) -> Iterator[None]:
    """Inside, a training that is stopped names this command."""
    from talkface.training.engine.launch import RESUME
    from talkface.training.engine.stop import resume_command

    whole = os.environ.get("WORLD_SIZE", "1") == "1"  # else torchrun and the like have words of their own before it
    command = shlex.join(["talkface", *words]) if whole else "the same command"
    token = resume_command.set(os.environ.get(RESUME) or command)
    try:
        yield
    finally:
        resume_command.reset(token)


def _is_first() -> bool:
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def _refuse_missing_shards(config: Path, overrides: Sequence[str]) -> None:
    """Say that there are no shards before torch is loaded to find that out."""
    data = read_mapping(config).get("data")
    named = dict(data) if isinstance(data, dict) else {}
    pairs = (item.partition("=") for item in overrides)
    named |= {name.removeprefix("data."): value for name, _, value in pairs if name.startswith("data.")}
    for name in ("shards", "talk_shards"):
        place = named.get(name)
        if isinstance(place, str) and place and "://" not in place and not Path(place).exists():
            raise DatasetError(f"no shards in {place}: make them with `talkface prepare folder DIR {place}`")


def _settings(schema: type[Any], path: Path, overrides: list[str] | None, quiet: bool) -> Any:
    settings = load_config(schema, path, overrides or ())
    return replace(settings, run=replace(settings.run, quiet=settings.run.quiet or quiet))


def _report(folder: Path, scores: dict[str, float], quiet: bool, *, held_out: bool) -> None:
    """Say how good the last weights are, how good the best, on which clips, and where these lie."""
    from talkface.checkpoints.format import load_checkpoint

    best = folder / "best.safetensors"
    if not quiet:
        kept = load_checkpoint(best)
        scored = "clips that were held out" if held_out else "training clips, as data.held_out_every=0 holds none out"
        typer.echo(f"scores are of {scored}")
        typer.echo(f"last: {_line(scores)}")
        typer.echo(f"best: {_line(kept.metrics)}, after {kept.provenance['steps']} steps")
    typer.echo(f"weights: {best.resolve()}")


def _line(scores: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
