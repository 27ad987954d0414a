"""Job and progress <-> `state.pt`, from which a run resumes and its other files can be made again."""

import json
import math
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from talkface.errors import CheckpointError, ConfigError
from talkface.files.read import refusing
from talkface.files.write import atomic_file
from talkface.training.engine.job import Job
from talkface.training.engine.run_folder import BEFORE, CONFIG, STATE, check_resumable, compare_settings


@dataclass
class TrainingProgress:
    """Progress of a run."""

    step: int = 0  # steps done
    best: float = math.inf
    evaluations_since_best: int = 0
    scores: dict[str, float] = field(default_factory=dict)  # of the last evaluation
    terms: dict[str, list[float]] = field(default_factory=dict)  # of the steps since the last row of the log


def resume(job: Job, folder: Path, config: dict[str, Any]) -> tuple[TrainingProgress, str | None]:
    """Progress and log of an earlier call, whose state `job` takes; settings are compared with those in the state.

    Raises:
        ConfigError: the folder belongs to a run with other settings.
        CheckpointError: the state cannot be used.
    """
    check_resumable(folder, config)
    files = [file for file in (folder / STATE, folder / BEFORE) if file.is_file()]
    for place, state_file in enumerate(files):
        try:
            return _resume_from(job, state_file, folder, config)
        except CheckpointError as error:
            if place == len(files) - 1:
                raise
            sys.stderr.write(f"note: {error}; going on from {files[place + 1].name}, the state before it\n")
    return TrainingProgress(), None


def _resume_from(
    job: Job, state_file: Path, folder: Path, config: dict[str, Any]
) -> tuple[TrainingProgress, str | None]:
    with refusing(f"{state_file} cannot be resumed: remove it to start again", CheckpointError):
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        progress, kept = TrainingProgress(**state["progress"]), state.get("config")
    if kept is None and not (folder / CONFIG).is_file():
        raise ConfigError(f"{folder} has a {STATE} but no {CONFIG} to compare with: remove it or give a new run.out")
    if kept is not None:
        compare_settings(folder, json.loads(kept), config)
    with refusing(f"{state_file} cannot be resumed: remove it to start again", CheckpointError):
        job.load_state_dict(state["job"])
    return progress, state.get("log")


def save_state(job: Job, folder: Path, progress: TrainingProgress, config: dict[str, Any], log: str) -> None:
    """Write `state.pt`, with all that the other files of the folder can be made from again; the one before is kept."""
    state = {"job": job.state_dict(), "progress": vars(progress), "config": json.dumps(config), "log": log}
    with atomic_file(folder / STATE) as part:
        torch.save(state, part)
        if (folder / STATE).is_file():
            os.replace(folder / STATE, folder / BEFORE)
