"""Run folder -> the settings that it belongs to and the rows of its log, kept as far as a run is resumed."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from torch.utils.tensorboard import SummaryWriter
from yaml import YAMLError

from talkface.errors import ConfigError
from talkface.types import Image

FREE_ON_RESUME = ("out", "steps", "device", "threads", "log_every", "eval_every", "save_every", "patience", "quiet")
"""Settings of `run:` that may differ from those the run folder was started with; all others must not."""


def check_resumable(folder: Path, config: dict[str, Any]) -> None:
    """See that a run with `config` may go on in `folder`; cheap, so ask before anything that takes time.

    Raises:
        ConfigError: the folder belongs to a run of another kind, or with other settings.
    """
    if not (folder / "state.pt").is_file():
        return
    try:
        saved = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    except (OSError, YAMLError) as error:
        raise ConfigError(
            f"{folder} has a state.pt but no config.yaml that can be read: remove it or give a new run.out"
        ) from error
    old, new = _fixed_part(saved), _fixed_part(config)
    for name in ("kind", "family"):
        if name in old and name in new and old[name] != new[name]:
            raise ConfigError(
                f"{folder} belongs to a run of {name} {old[name]}, this is {new[name]}: give a new run.out"
            )
    changed = sorted(_differences(old, new))
    if changed:
        raise ConfigError(
            f"{folder} belongs to a run with another {changed[0]}: give the old settings to resume it, or a new run.out"
        )


def save_config(folder: Path, config: dict[str, Any]) -> None:
    """Write the settings, against which `check_resumable` compares."""
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")


def _fixed_part(config: Any) -> dict[str, Any]:
    """Dotted names -> values, without the settings that may change."""
    flat: dict[str, Any] = {}

    def walk(node: Any, prefix: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{prefix}{key}.")
        else:
            flat[prefix[:-1]] = list(node) if isinstance(node, tuple) else node

    walk(config, "")
    return {name: value for name, value in flat.items() if name not in {f"run.{free}" for free in FREE_ON_RESUME}}


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Settings that both have; one that only one of them knows came or went with a version of talkface."""
    for name in old.keys() & new.keys():
        if old.get(name) != new.get(name):
            yield f"{name} ({old.get(name)!r} there, {new.get(name)!r} here)"


class RunLog:
    """The CSV and the TensorBoard events of a run; rows after the step that is resumed from are dropped."""

    def __init__(self, folder: Path, resumed_step: int) -> None:
        path = folder / "log.csv"
        kept = []
        if resumed_step and path.is_file():
            with path.open(newline="") as file:
                kept = [row for row in csv.reader(file) if row and row[0].isdigit() and int(row[0]) <= resumed_step]
        self._file = path.open("w", newline="")
        self._csv = csv.writer(self._file)
        self._csv.writerow(["step", "name", "value"])
        self._csv.writerows(kept)
        self._file.flush()
        self._board = SummaryWriter(str(folder), purge_step=resumed_step + 1 if resumed_step else None)

    def write(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._csv.writerow([step, name, f"{value:.6g}"])
            self._board.add_scalar(name, value, step)
        self._file.flush()

    def picture(self, step: int, drawn: Image) -> None:
        self._board.add_image("preview", drawn, step, dataformats="HWC")

    def close(self) -> None:
        self._file.close()
        self._board.close()
