"""What was made, from what, how, and what it measures -> a JSON file beside the video."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from talkface.checkpoints.format import file_hash
from talkface.evaluation.report.sidecar import USUAL, measure_made, out_of_range
from talkface.landmarks.detect import Detector
from talkface.types import Shot

FORMAT = 1  # raised when the meaning of a field changes


@dataclass(frozen=True)
class Made:
    """A video that was just made, in plain values.

    Attributes:
        version: of this package.
        video: the file.
        photo: what it was made from, with landmarks.
        facts: frames, fps, duration_s, size, faces_found, notes.
        inputs: name -> path, for photo, speech and driving landmarks that are files; None for values in memory.
        settings: every option, JSON-serialisable.
        networks: name -> weights file.
        timings_s: seconds by stage.
        shown_as: what the report calls the video, where that is still to be moved.
    """

    version: str
    video: Path
    photo: Shot
    facts: Mapping[str, Any]
    inputs: Mapping[str, Path | None]
    settings: Mapping[str, Any]
    networks: Mapping[str, Path]
    timings_s: Mapping[str, float]
    shown_as: str = ""


def write_sidecar(path: Path, made: Made, detector: Detector) -> dict[str, Any]:
    """Measure `made` and write everything that is known of it to `path`, under a temporary name first.

    Args:
        path: the .json to write; one that is there is replaced.
        made: the video and how it came to be.
        detector: landmark backend.

    Returns:
        What was written: `video`, `made`, `inputs`, `settings`, `networks`, `timings_s`, `measured` (value, unit and
        usual range of each measure; null where it could not be taken) and `warnings`, one line for each value outside
        its usual range.
    """
    started = time.perf_counter()
    measured = measure_made(made.video, made.photo, detector)
    content: dict[str, Any] = {
        "format": FORMAT,
        "talkface": made.version,
        "video": {"path": made.shown_as or str(made.video), "sha256": file_hash(made.video)},
        "made": dict(made.facts),
        "inputs": {name: _file(file) for name, file in made.inputs.items()},
        "settings": dict(made.settings),
        "networks": {name: _file(file) for name, file in made.networks.items()},
        "frames_measured": round(measured["frames_measured"]),
        "measured": {
            name: {"value": _plain(measured[name]), "unit": usual.unit, "usual": [usual.low, usual.high]}
            for name, usual in USUAL.items()
        },
        "warnings": out_of_range(measured),
        "timings_s": {name: round(seconds, 3) for name, seconds in made.timings_s.items()},
    }
    content["timings_s"]["report"] = round(time.perf_counter() - started, 3)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
    return content


def _file(path: Path | None) -> dict[str, str] | None:
    """Path and hash; a folder has no hash, and what was given in memory no path."""
    if path is None:
        return None
    return {"path": str(path), "sha256": file_hash(path)} if path.is_file() else {"path": str(path)}


def _plain(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
