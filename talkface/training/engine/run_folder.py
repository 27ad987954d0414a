"""Run folder -> the settings that it belongs to and the rows of its log, kept as far as a run is resumed."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from torch.utils.tensorboard import SummaryWriter

from talkface.config import read_mapping
from talkface.errors import ConfigError
from talkface.files.read import parse_table
from talkface.files.write import append_file, atomic_write, sweep
from talkface.models.hybrid_config import current_settings
from talkface.types import Image

CONFIG, LOG, STATE, BEFORE = "config.yaml", "log.csv", "state.pt", "state.before.pt"
COLUMNS = ["step", "name", "value"]


def check_resumable(folder: Path, config: dict[str, Any]) -> None:
    """See that a run with `config` may go on in `folder`; cheap, so ask before anything that takes time.

    A `config.yaml` that is missing or damaged is passed over: `fit` compares with the settings in the state itself.

    Raises:
        ConfigError: the folder belongs to a run of another kind, or with other settings.
    """
    saved = _read_config(folder) if any((folder / name).is_file() for name in (STATE, BEFORE)) else None
    if saved is not None:
        compare_settings(folder, saved, config)


def compare_settings(folder: Path, saved: dict[str, Any], config: dict[str, Any]) -> None:
    """Raises `ConfigError` where `saved` settings of a run and those of `config` differ in what must not."""
    model = saved.get("model")
    if saved.get("kind") == "renderer" and isinstance(model, dict):
        saved = {**saved, "model": current_settings(model)}
    old, new = _fixed_part(saved), _fixed_part(json.loads(json.dumps(config)))  # tuples become lists, as in files
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


def save_config(folder: Path, config: dict[str, Any], *, resumed: bool) -> None:
    """Write the settings; of a resumed run those of `run:` alone, where the file is neither missing nor damaged.

    Leftovers of killed runs are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, LOG, STATE, BEFORE, "best.safetensors", "last.safetensors"):
        sweep(folder / name)
    saved = _read_config(folder)
    if resumed and saved is not None and _fixed_part(saved).keys() >= _fixed_part(config).keys():
        config = {**saved, "run": config["run"]}  # which may have another number of steps now
    atomic_write(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(config)))


def _read_config(folder: Path) -> dict[str, Any] | None:
    """Settings as `config.yaml` has them; None where it is missing, damaged or no mapping."""
    try:
        return read_mapping(folder / CONFIG)
    except ConfigError:
        return None


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
    # Settings of `run:` that may differ from those the run folder was started with; all others must not.
    free_on_resume = ("out", "steps", "device", "threads", "log_every", "eval_every", "save_every", "patience", "quiet")
    return {name: value for name, value in flat.items() if name not in {f"run.{free}" for free in free_on_resume}}


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Settings that both have; one that only one of them knows came or went with a version of talkface."""
    for name in old.keys() & new.keys():
        if old.get(name) != new.get(name):
            yield f"{name} ({old.get(name)!r} there, {new.get(name)!r} here)"


class RunLog:
    """The CSV and the TensorBoard events of a run.

    Attributes:
        text: the CSV so far, which the state of the run keeps, too.
    """

    def __init__(self, folder: Path, resumed_step: int, kept: str | None = None) -> None:
        """Begin, or go on with what is `kept` in the state (of an older version: in the file) up to a step."""
        self._path = path = folder / LOG
        if kept is None and resumed_step and path.is_file():
            kept = path.read_text(encoding="utf-8", errors="replace")
        self.text = _csv_text([COLUMNS, *_rows_until(resumed_step, kept or "")])
        atomic_write(path, self.text)
        self._board = SummaryWriter(str(folder), purge_step=resumed_step + 1 if resumed_step else None)

    def write(self, step: int, values: dict[str, float]) -> None:
        added = _csv_text([[step, name, f"{value:.6g}"] for name, value in values.items()])
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self.text += added
        append_file(self._path, added)

    def picture(self, step: int, drawn: Image) -> None:
        self._board.add_image("preview", drawn, step, dataformats="HWC")

    def close(self) -> None:
        self._board.close()


def _rows_until(step: int, text: str) -> Iterator[list[str]]:
    """Whole rows of a log up to a step; a damaged log is one without rows."""
    try:
        _, rows = parse_table(text, "the log", ConfigError)
    except ConfigError:
        return
    for row in rows:
        cells = [row.get(name, "") for name in COLUMNS]
        if (
            all(cell and cell.isprintable() for cell in cells)
            and re.fullmatch(r"[0-9]{1,12}", cells[0])
            and int(cells[0]) <= step
        ):
            yield cells


def _csv_text(rows: list[list[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
