"""`talkface runs`: what runs say on a page of their own, and which damage is passed over."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("accelerate")

from talkface.__main__ import run as talkface
from talkface.checkpoints.format import list_models
from talkface.config import RunConfig
from talkface.errors import ConfigError
from talkface.evaluation.report.runs_page import find_runs, read_curves
from talkface.training.engine.loop import fit
from tests.training.engine.line import LineJob, config_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs, the second with the weights of a shipped network."""
    for name in ("first", "second"):
        run = RunConfig(
            out=str(tmp_path / name), steps=6, device="cpu", eval_every=3, log_every=2, save_every=6, quiet=True
        )
        fit(LineJob(run), replace(run, seed=1), config_of(run))
    shipped = next(model for model in list_models() if model.size_mb < 3)
    (tmp_path / "second" / "best.safetensors").write_bytes(shipped.path.read_bytes())
    return tmp_path


def test_the_page_holds_curves_scores_and_previews_and_says_what_ships(folder: Path, capsys):
    assert talkface(["runs", str(folder)]) == 0
    said, text = capsys.readouterr().out, (folder / "runs.html").read_text()
    assert "first" in said and "6 of 6" in said and "page:" in said
    assert text.count("<svg") >= 4 and text.count("data:image/jpeg;base64,") == 2
    assert "eval/score: first" in text and "http" not in text.replace("http-equiv", "")
    found = {run.folder.name: run for run in find_runs(folder)}
    assert found["second"].ships and not found["first"].ships
    assert found["first"].curves["train/mse"][-1][0] == 6 and found["first"].best["score"] > 0


def test_damaged_files_are_passed_over_and_no_run_is_said(folder: Path, tmp_path: Path):
    for name, content in (("best.safetensors", b"x"), ("preview_0000006.png", b"x"), ("config.yaml", b"[")):
        (folder / "first" / name).write_bytes(content)
    (folder / "first" / "log.csv").write_text("step,name,value\n1,a,2\nx,a,3\n2,a,nan\n")
    first = next(run for run in find_runs(folder) if run.folder.name == "first")
    assert first.curves == {"a": [(1, 2.0)]} == read_curves(folder / "first" / "log.csv")
    assert first.best == {} and first.preview == "" and first.settings == {}
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no run in"):
        find_runs(tmp_path / "empty")
