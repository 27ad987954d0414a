"""The CPU threads of a training are its own: whoever called it computes in as many as before."""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import talkface
from talkface.data.samplers.headmotion import HeadBatchConfig
from talkface.errors import ConfigError
from talkface.training.jobs.audio2landmark_config import SpeechDataConfig
from talkface.training.jobs.headmotion import HeadmotionJob, train_headmotion
from talkface.training.jobs.headmotion_config import HeadmotionTraining
from talkface.training.jobs.hybrid import RendererJob, train_renderer
from tests.drawn import varied_clip
from tests.training.jobs.small import HEADMOTION, nodders, small_hybrid

JOBS = Path(talkface.__file__).parent / "training/jobs"


def small_headmotion(folder: Path) -> HeadmotionTraining:
    data, batch = SpeechDataConfig(held_out_every=3), HeadBatchConfig(blocks=5)
    return HeadmotionTraining(model=HEADMOTION, data=data, batch=batch, run=small_hybrid(folder, 2).run)


@pytest.mark.parametrize(
    ("train", "job", "config", "clips"),
    [
        (train_headmotion, HeadmotionJob, small_headmotion, nodders(4)),
        (train_renderer, RendererJob, lambda folder: small_hybrid(folder, 2), [varied_clip(name) for name in "abc"]),
    ],
)
def test_threads_are_those_of_the_run_inside_and_the_callers_after_it(
    train: Callable[..., Any], job: Any, config: Callable[[Path], Any], clips: Any, tmp_path: Path, monkeypatch
) -> None:
    before, seen = torch.get_num_threads(), []
    wanted, step_of = before + 1, job.train_step
    monkeypatch.setattr(job, "train_step", lambda *given: seen.append(torch.get_num_threads()) or step_of(*given))
    settings = config(tmp_path)
    short = replace(settings.run, steps=1, eval_every=1, save_every=1, threads=wanted)
    train(replace(settings, run=short), clips)
    assert seen == [wanted] and torch.get_num_threads() == before
    with pytest.raises(ConfigError):
        train(replace(settings, run=replace(short, device="tpu", out=str(tmp_path / "other"))), clips)
    assert torch.get_num_threads() == before


def test_every_training_does_its_work_inside_its_threads() -> None:
    """All that follows the checks: a number set anywhere else would outlast the run."""
    found = {}
    for path in JOBS.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any("fit(" in ast.unparse(line) for line in node.body):
                found[node.name] = ast.unparse(node.body[-1]).startswith(
                    "with limit_threads(config.run.threads, opencv=False):"
                )
    assert len(found) == 7 and all(found.values()), found
