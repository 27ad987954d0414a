"""Run folders of trainings -> one HTML page with their curves, scores and previews side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from talkface.checkpoints.format import file_hash, list_models, load_checkpoint
from talkface.config import read_mapping
from talkface.errors import CheckpointError, ConfigError
from talkface.evaluation.report.page import clips_html, number, page
from talkface.evaluation.report.pictures import jpeg_address
from talkface.files.check import matches
from talkface.files.read import parse_table, read_text
from talkface.files.write import atomic_write

Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class TrainingRun:
    """Summary of a run folder.

    Attributes:
        settings: its `config.yaml`.
        curves: (step, value) by name, as `log.csv` has them.
        best: scores of `best.safetensors`; empty where there is none yet.
        best_step: after how many steps.
        preview: the newest one, a JPEG data address.
        ships: name of the network inside the package that has the same weights.
    """

    folder: Path
    settings: Mapping[str, object]
    curves: Mapping[str, Curve] = field(repr=False)
    best: Mapping[str, float]
    best_step: int
    preview: str = field(repr=False)
    ships: str

    @property
    def steps(self) -> tuple[int, int]:
        """Steps logged, and those asked for."""
        run = self.settings.get("run")
        wanted = run.get("steps", 0) if isinstance(run, dict) else 0
        done = max((curve[-1][0] for curve in self.curves.values() if curve), default=0)
        return done, wanted if matches(wanted, int) else 0


def find_runs(root: Path) -> list[TrainingRun]:
    """Runs in a folder and below it, the ones changed last first.

    Raises:
        ConfigError: there is none.
    """
    logs = sorted(root.rglob("log.csv"), key=lambda path: path.stat().st_mtime, reverse=True)
    shipped = {model.sha256: model.name for model in list_models()}
    runs = [read_run(log.parent, shipped) for log in logs if (log.parent / "config.yaml").is_file()]
    if not runs:
        raise ConfigError(f"no run in {root}: give a folder that holds run folders of `talkface train`")
    return runs


def read_run(folder: Path, shipped: Mapping[str, str]) -> TrainingRun:
    """One run; files that are missing or damaged are left out."""
    try:
        settings = read_mapping(folder / "config.yaml")
    except ConfigError:
        settings = {}
    best, step, ships = {}, 0, ""
    weights = folder / "best.safetensors"
    if weights.is_file():
        try:
            checkpoint = load_checkpoint(weights)
            best = {name: float(value) for name, value in checkpoint.metrics.items()}
            step, ships = int(checkpoint.provenance.get("steps", 0)), shipped.get(file_hash(weights), "")
        except (CheckpointError, TypeError, ValueError):
            best = {}
    return TrainingRun(folder, settings, read_curves(folder / "log.csv"), best, step, _preview(folder), ships)


def read_curves(path: Path) -> dict[str, Curve]:
    """Rows `step,name,value` of a log; those that are none are left out."""
    curves: dict[str, Curve] = {}
    try:
        _, rows = parse_table(read_text(path, "log", ConfigError), str(path), ConfigError)
    except ConfigError:
        return {}
    for row in rows:
        try:
            name, step, value = row["name"], int(row["step"]), float(row["value"])
        except (KeyError, ValueError):
            continue
        if matches(step, int) and math.isfinite(value):
            curves.setdefault(name, []).append((step, value))
    return curves


def write_runs_page(runs: Sequence[TrainingRun], out: Path) -> None:
    """Write the page, which needs no server and no other file."""
    head = ("run", "kind", "steps", "score", "at step", "all scores", "ships as")
    rows = [_row(run) for run in runs]
    body = [clips_html(head, rows), *(_block(run) for run in runs)]
    lead = f"{len(runs)} trainings, the ones changed last first; lower scores are better."
    atomic_write(out, page("Training runs", lead, body, ["Scores are those of each run's best.safetensors."]))


def _row(run: TrainingRun) -> list[str]:
    done, wanted = run.steps
    scores = ", ".join(f"{name} {number(value)}" for name, value in run.best.items() if name != "score")
    score = number(run.best["score"]) if "score" in run.best else "-"
    kind = str(run.settings.get("kind", "?"))
    return [run.folder.name, kind, f"{done} of {wanted}", score, str(run.best_step or "-"), scores, run.ships or "-"]


def _block(run: TrainingRun) -> str:
    evaluated = [name for name in run.curves if name.startswith("eval/")]
    evaluated.sort(key=lambda name: name != "eval/score")
    trained = sorted(
        (name for name in run.curves if name.startswith("train/")), key=lambda name: -len(run.curves[name])
    )
    charts = "".join(_chart(name, run.curves[name]) for name in (*evaluated[:2], *trained)[:6])
    picture = f'<img alt="newest preview" src="{run.preview}">' if run.preview else ""
    return f"<section><h2>{escape(str(run.folder))}</h2><div>{charts}</div>{picture}</section>"


def _chart(name: str, curve: Curve) -> str:
    """One curve as a small SVG with its first, lowest and last value."""
    width, height = 340, 120
    steps, values = np.array(curve, np.float64).T
    low, high = float(values.min()), float(values.max())
    x = 4 + (width - 8) * (steps - steps[0]) / max(steps[-1] - steps[0], 1)
    y = 22 + (height - 42) * (high - values) / max(high - low, 1e-12)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    summary = f"{escape(name)}: first {number(values[0])}, lowest {number(low)}, last {number(values[-1])}"
    return (
        f'<svg role="img" aria-label="{summary}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<text x="4" y="13">{summary}</text><polyline fill="none" stroke="currentColor" points="{points}"/>'
        f'<text x="4" y="{height - 4}">{steps[0]:.0f}</text>'
        f'<text x="{width - 4}" y="{height - 4}" text-anchor="end">{steps[-1]:.0f} steps</text></svg>'
    )


def _preview(folder: Path) -> str:
    """Newest preview of a run, made smaller."""
    pictures = sorted(folder.glob("preview_*.png"))
    if not pictures:
        return ""
    try:
        with PilImage.open(pictures[-1], formats=("PNG",)) as picture:
            small = picture.convert("RGB")
            small.thumbnail((560, 560))
    except (OSError, ValueError):
        return ""
    return jpeg_address(np.asarray(small))
