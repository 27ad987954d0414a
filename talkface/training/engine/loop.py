"""Job and RunConfig -> run folder: one straight loop that logs, scores, previews, snapshots and resumes.

A run folder holds `config.yaml`, `log.csv` (`step,name,value`), TensorBoard events, `preview_*.png`, `best.safetensors`
and `last.safetensors` (for users), and `state.pt` (resumes the run when the same command is given again).

Every step is a function of (seed, step) and of the state, so a run that was stopped and resumed ends in the same
weights, bit for bit on a CPU, as one that was never stopped.
"""

import atexit
import contextlib
import copy
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState, is_initialized
from PIL import Image as PilImage
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from talkface.checkpoints.format import save_checkpoint
from talkface.config import RunConfig
from talkface.errors import ConfigError, DivergedError
from talkface.files.write import atomic_file, file_lock
from talkface.training.engine.job import Job
from talkface.training.engine.processes import agreed
from talkface.training.engine.run_folder import STATE, RunLog, save_config
from talkface.training.engine.state import TrainingProgress, resume, save_state
from talkface.training.engine.step import check_finite, seeded
from talkface.training.engine.stop import StopRequest, asked_of_any, stoppable


class StateOfParts:
    """A job whose whole state is that of its networks, averages and optimisers."""

    def parts(self) -> dict[str, Any]:
        """Objects that have a `state_dict`, by the name it is saved under."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts().items():
            part.load_state_dict(state[name])


def make_accelerator(run: RunConfig) -> Accelerator:
    """Accelerate's handle on device, precision and processes, as `run` asks.

    Raises:
        ConfigError: a device that this machine does not have.
    """
    on_cpu = not (torch.cuda.is_available() or torch.backends.mps.is_available()) or run.device == "cpu"
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(run.device, False):
        usable = ", ".join(name for name, there in available.items() if there)
        raise ConfigError(f"run.device is {run.device!r}, which this machine lacks: use one of {usable}")
    precision = "bf16" if run.bf16 else "no"
    _forget_other_runs(precision, on_cpu=on_cpu)
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=precision)
    check_launched(accelerator.num_processes, os.environ)
    if accelerator.num_processes > 1:  # threads of gloo that still run as the process ends abort it now and then
        atexit.register(accelerator.state.destroy_process_group)
    return accelerator


def check_launched(found: int, environment: Mapping[str, str]) -> None:
    """See that all processes that a launcher started train together.

    Raises:
        ConfigError: they do not know of each other, so that each would train a network of its own in one folder.
    """
    launched = environment.get("WORLD_SIZE", "1")
    if launched.isdecimal() and int(launched) != found:
        advice = "start with torchrun or accelerate launch on devices of one kind, or unset WORLD_SIZE"
        raise ConfigError(f"{launched} processes were launched but {found} train together: {advice}")


def _forget_other_runs(precision: str, *, on_cpu: bool) -> None:
    """Let this run have its own precision and device: Accelerate keeps those of the process' first run otherwise."""
    if not is_initialized():
        return
    state = AcceleratorState()
    elsewhere = (state.device.type == "cpu") != on_cpu and state.num_processes == 1
    if elsewhere or state.mixed_precision != precision:
        AcceleratorState._reset_state(reset_partial_state=elsewhere)


def step_generator(seed: int, step: int) -> np.random.Generator:
    """Random numbers of one step: the same whether or not the run was interrupted before it."""
    return np.random.default_rng((seed, step))


class Ema:
    """Running average of a network's weights, `average <- decay * average + (1 - decay) * weights`.

    The decay ramps up as `(1 + n) / (10 + n)` so that the first steps do not linger.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average one step towards `network`; buffers are copied."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for averaged, current in zip(self.network.parameters(), network.parameters(), strict=True):
            averaged.lerp_(current.detach(), 1 - decay)
        for averaged_buffer, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            averaged_buffer.copy_(buffer)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        self.network.load_state_dict(state["network"])


def fit(job: Job, run: RunConfig, config: dict[str, Any]) -> dict[str, float]:
    """Train `job` for `run.steps` steps in the folder `run.out`, going on from where an earlier call stopped.

    Args:
        config: the whole config as a plain dict, with `run` inside; kept in the folder and compared on resume.

    Returns:
        Scores of the last evaluation, also where the folder holds a finished run.

    Raises:
        ConfigError: the folder belongs to a run with other settings, or another training is writing to it.
        StoppedError: SIGINT, SIGTERM or SIGHUP came; the state was saved.
        DivergedError: a loss term or a gradient became infinite or NaN.
    """
    folder = Path(run.out)
    with contextlib.ExitStack() as stack:
        if PartialState().is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            busy = ConfigError(f"another training is writing to {folder}: wait for it, or give another run.out")
            stack.enter_context(file_lock(folder, busy))
        return _fit(job, run, config, stack.enter_context(stoppable()))


def _fit(job: Job, run: RunConfig, config: dict[str, Any], wish: StopRequest) -> dict[str, float]:
    folder, processes = Path(run.out), PartialState()
    progress, kept_log = resume(job, folder, config)
    processes.wait_for_everyone()  # nobody writes while somebody reads
    log = None
    if processes.is_main_process:
        save_config(folder, config, resumed=progress.step > 0)
        log = RunLog(folder, progress.step, kept_log)
    wish.left = f", whose state of step {progress.step} stays" if progress.step else ", with no state saved yet"
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(training_bar(log is not None and not run.quiet))
        if log is not None:
            stack.callback(log.close)
        task = bar.add_task("train", total=run.steps, completed=progress.step)
        _say_resumed(bar, folder, progress.step, run)
        while progress.step < run.steps:
            for name, value in _checked_step(job, run.seed, progress.step, folder).items():
                progress.terms.setdefault(name, []).append(value)
            progress.step += 1
            bar.update(task, completed=progress.step, description=_describe(progress))
            if progress.step % run.log_every == 0:
                _log_means(progress, log)
            last = progress.step == run.steps
            if progress.step % run.eval_every == 0 or last:
                _evaluate(job, run, folder, progress, log)
            asked = asked_of_any(processes, wish)
            stop = 0 < run.patience <= progress.evaluations_since_best
            if log is not None and (last or stop or asked or progress.step % run.save_every == 0):
                save_state(job, folder, progress, config, log.text)
                wish.left = f", whose state of step {progress.step} stays"
            if asked and not last:
                wish.raise_at(progress.step, run.steps)
            if stop:
                break
    return progress.scores


def _log_means(progress: TrainingProgress, log: RunLog | None) -> None:
    """Write the means of the terms since the last row, and forget them."""
    if log is not None:
        log.write(progress.step, {f"train/{name}": float(np.mean(each)) for name, each in progress.terms.items()})
    progress.terms.clear()


def _checked_step(job: Job, seed: int, step: int, folder: Path) -> dict[str, float]:
    try:
        with seeded(seed, step):
            return check_finite(job.train_step(step), step)
    except DivergedError as error:
        kept = folder / STATE
        if not kept.is_file():
            raise
        raise DivergedError(f"{error}; {kept} still holds the last good state") from error


def _evaluate(job: Job, run: RunConfig, folder: Path, progress: TrainingProgress, log: RunLog | None) -> None:
    """Score, note whether it is the best so far, and (main process) write snapshots and the preview."""
    with seeded(run.seed, 0):
        scores = agreed(job.evaluate())
    progress.scores = scores
    improved = scores["score"] < progress.best
    progress.best = min(progress.best, scores["score"])
    progress.evaluations_since_best = 0 if improved else progress.evaluations_since_best + 1
    if log is None:
        return
    log.write(progress.step, {f"eval/{name}": value for name, value in scores.items()})
    drawn = job.preview()
    if drawn is not None:
        with atomic_file(folder / f"preview_{progress.step:07d}.png") as part:
            PilImage.fromarray(drawn).save(part)
        log.picture(progress.step, drawn)
    snapshot = job.snapshot()
    dated = {"steps": progress.step, "date": datetime.now(UTC).date().isoformat()}
    snapshot = replace(snapshot, metrics=scores, provenance={**snapshot.provenance, **dated})
    save_checkpoint(folder / "last.safetensors", snapshot)
    if improved:
        save_checkpoint(folder / "best.safetensors", snapshot)


def _say_resumed(bar: Progress, folder: Path, step: int, run: RunConfig) -> None:
    if step and PartialState().is_main_process and not run.quiet:
        bar.console.print(f"{folder}: resumed at step {step} of {run.steps}", highlight=False, soft_wrap=True)


def _describe(progress: TrainingProgress) -> str:
    shown = "  ".join(f"{name} {np.mean(values):.4f}" for name, values in list(progress.terms.items())[:4])
    best = "" if math.isinf(progress.best) else f"  best {progress.best:.4f}"
    return shown + best


def training_bar(visible: bool) -> Progress:
    """Steps done of all, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not visible)
