"""Clips + settings -> a short key under which what was learnt from them may be kept and found again."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from talkface.config import to_dict
from talkface.data.clip import PreparedClip
from talkface.data.datasets import Chosen
from talkface.errors import DatasetError
from talkface.files.read import check_record, read_json
from talkface.files.write import atomic_write


def fingerprint(clips: Sequence[PreparedClip], config: Any) -> str:
    """16 hexadecimal digits that change with any clip's sound or landmarks and with any setting of `config`."""
    settings = to_dict(config)
    # settings of `run:` that do not change the measured values
    free = ("out", "steps", "quiet", "threads", "device", "log_every", "eval_every", "save_every", "patience", "ema")
    settings["run"] = {name: value for name, value in settings.get("run", {}).items() if name not in free}
    settings.pop("data", None)  # what it chose are the clips
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    # of more than 20,000 clips not all are read
    found = clips.measured() if isinstance(clips, Chosen) and len(clips) > 20_000 else None
    if found is not None:  # by the table alone: names, people, places and openings
        table, rows = found
        for name in ("spans", "speaker", "opening_ends", "keys", "speaker_names"):
            column = table.columns[name]
            digest.update(np.ascontiguousarray(column[rows] if len(column) == len(table) else column).data)
        return digest.hexdigest()[:16]
    for clip in clips:
        digest.update(f"{clip.key}|{clip.speaker}".encode())
        for array in (clip.audio, clip.landmarks):
            digest.update(np.ascontiguousarray(array, np.float32).data)
    return digest.hexdigest()[:16]


def load_kept(path: Path, measured_on: str, **kinds: Any) -> dict[str, Any] | None:
    """Values that an earlier start of the run measured; None where there is nothing for this key of data and settings.

    Args:
        path: the file; a damaged one counts as none.
        measured_on: key of data and settings, see `fingerprint`.
        kinds: type of each value that is wanted, see `files.check.matches`.
    """
    if not path.is_file():
        return None
    try:
        kept = read_json(path, "file of what was measured", DatasetError)
        check_record(kept, str(path), DatasetError, measured_on=str, **kinds)
    except DatasetError:
        return None
    return kept if kept["measured_on"] == measured_on else None


def save_kept(path: Path, measured_on: str, values: dict[str, Any]) -> None:
    """Write it (first process only), under another name first."""
    if not PartialState().is_main_process:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps({"measured_on": measured_on, **values}, indent=1, sort_keys=True))
