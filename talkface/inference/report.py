"""Video just made, and how it was made -> a JSON file of measures, warnings, settings and hashes."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from talkface.audio.rhythm import RHYTHM_FEATURES
from talkface.checkpoints.format import file_hash
from talkface.files.write import atomic_write
from talkface.geometry.matte import MATTE
from talkface.inference.clip import AnimateResult
from talkface.inference.request import AnimateOptions
from talkface.landmarks.deform import DEFORM
from talkface.landmarks.face import Detector
from talkface.landmarks.head_style import SHOWN
from talkface.landmarks.retarget import RETARGET
from talkface.metrics.made_video import USUAL, measure_made, out_of_range
from talkface.models.speech_network import SPEECH_NETWORK
from talkface.renderers.base import Renderer
from talkface.renderers.blend import BLEND
from talkface.renderers.gaze import GAZE

FORMAT = 2  # raised when the meaning of a field changes
STAGES: dict[str, Any] = {
    "head": SHOWN,
    "retarget": RETARGET,
    "deform": DEFORM,
    "gaze": GAZE,
    "blend": BLEND,
    "matte": MATTE,
    "speech_network": SPEECH_NETWORK,
    "rhythm": RHYTHM_FEATURES,
}
"""Numbers that the picture depends on and no option changes, by stage."""


def write_report(
    path: Path,
    result: AnimateResult,
    options: AnimateOptions,
    detector: Detector,
    renderer: Renderer,
    networks: Mapping[str, Path],
    inputs: Mapping[str, object],
    shown_as: str = "",
) -> dict[str, Any]:
    """Measure a video and write everything that is known of it, under a temporary name first.

    Args:
        path: the .json to write; one that is there is replaced.
        result: the video.
        options: how it was made.
        detector: looks for the face again.
        renderer: made it.
        networks: files of all networks behind it, by name.
        inputs: photo, speech and driving files by name; values in memory have no path in the report.
        shown_as: name of the video in the report, where the file is still to be moved.

    Returns:
        What was written: `video`, `made`, `inputs`, `settings`, `tuning` (the renderer's numbers), `stages` (those of
        other stages), `networks`, `timings_s`, `measured` (value, unit and usual range of each measure; null where it
        could not be taken) and `warnings`, one line for each value outside its usual range.
    """
    started = time.perf_counter()
    measured = measure_made(result.path, result.shot, detector)
    content: dict[str, Any] = {
        "format": FORMAT,
        "talkface": version("talkface"),
        "video": {"path": shown_as or str(result.path), "sha256": file_hash(result.path)},
        "made": {
            "frames": result.num_frames,
            "fps": str(result.fps),
            "duration_s": result.duration_s,
            "size": list(result.size),
            "faces_found": result.faces_found,
            "notes": result.notes,
        },
        "inputs": {name: _file(value) for name, value in _one_by_one(inputs) if value is not None},
        "settings": options.plain(),
        "tuning": asdict(renderer.tuning),
        "stages": {name: asdict(numbers) for name, numbers in STAGES.items()},
        "networks": {name: _file(path) for name, path in networks.items()},
        "frames_measured": round(measured["frames_measured"]),
        "measured": {
            name: {"value": _plain(measured[name]), "unit": usual.unit, "usual": [usual.low, usual.high]}
            for name, usual in USUAL.items()
        },
        "warnings": out_of_range(measured),
        "timings_s": {name: round(seconds, 3) for name, seconds in result.timings.items()},
    }
    content["timings_s"]["report"] = round(time.perf_counter() - started, 3)
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return content


def _one_by_one(inputs: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Name and value of every input; of several photos `photo`, `photo 2` and so on."""
    for name, value in inputs.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        for index, each in enumerate(several):
            yield (f"{name} {index + 1}" if index else name), each


def _file(source: object) -> dict[str, str] | None:
    """Path and hash; a folder has no hash, and a value in memory no path."""
    if not isinstance(source, (str, Path)):
        return None
    path = Path(source)
    return {"path": str(path), "sha256": file_hash(path)} if path.is_file() else {"path": str(path)}


def _plain(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
