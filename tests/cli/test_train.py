"""`train`: says how good the weights are, goes on and stops where it should, refuses in one line."""

import os
import shlex
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from pytest import MonkeyPatch

from talkface.__main__ import USAGE, run
from talkface.testing.shards import write_loud_mouth_shards

CONFIG = str(Path(__file__).resolve().parents[2] / "configs" / "audio2landmark" / "debug.yaml")


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    write_loud_mouth_shards(tmp_path / "shards", {f"c{i}": f"p{i % 3}" for i in range(6)}, split="train")
    settings = [
        f"data.shards={tmp_path / 'shards'}", f"run.out={tmp_path / 'run'}", "run.steps=4", "run.eval_every=2",
        "offsets.steps=1", "model.num_mels=16", "model.channels=8", "model.hidden=8",
    ]  # fmt: skip
    return ["train", CONFIG, *(word for setting in settings for word in ("--set", setting))]


def test_both_scores_are_said_and_said_again(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(arguments) == 0
    first = capsys.readouterr().out.splitlines()
    assert first[0] == "scores are of clips that were held out"
    assert first[1].startswith("last: score ") and "basis_variance" in first[1]
    assert first[2].startswith("best: score ") and first[2].endswith((", after 2 steps", ", after 4 steps"))
    assert first[3] == f"weights: {tmp_path / 'run' / 'best.safetensors'}"
    assert run(arguments) == 0
    again = capsys.readouterr()
    assert again.out.splitlines() == first, "a finished run has the scores it had"
    assert f"{tmp_path / 'run'}: resumed at step 4 of 4" in again.err
    assert run([*arguments, "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert quiet.out.splitlines() == first[3:] and quiet.err == ""


def test_bare_settings_work_as_a_release_ago_with_a_line(arguments: list[str], capsys: pytest.CaptureFixture):
    assert run([*arguments, "run.batch_size=0", "run.seed=1"]) == 1
    warning, error = capsys.readouterr().err.splitlines()
    assert warning == "warning: settings are given by --set now: --set run.batch_size=0 --set run.seed=1"
    assert "invalid run.batch_size 0: expected 1 or more" in error
    assert run(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--set" in shown and "BARE" not in shown
    assert run([*arguments, "--processes", "0"]) == USAGE
    assert "invalid processes '0': expected a whole number, 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("run.seed=5", "belongs to a run with another run.seed (0 there, 5 here)"),
        ("family=lstm_mel", "belongs to a run of family base, this is lstm_mel"),
        ("family=atnett", "invalid family 'atnett': expected base, atnet, lstm_mel"),
        ("data.speakers=[zoe]", "no clip is by a speaker of data.speakers (zoe): there are p0, p1, p2"),
        ("run.batch_size=0", "invalid run.batch_size 0: expected 1 or more"),
        ("run.eval_every=0", "invalid run.eval_every 0: expected 1 or more"),
        ("run.steps=-1", "invalid run.steps -1: expected 1 or more"),
        ("run.ema=1", "invalid run.ema 1.0: expected 0 (off) to just below 1"),
        ("atnet.chanels=3", "did you mean atnet.channels?"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], override: str, line: str, capsys: pytest.CaptureFixture):
    if override.startswith(("run.seed", "family=lstm")):
        assert run([*arguments, "--quiet"]) == 0
    capsys.readouterr()
    assert run([*arguments, "--set", override]) != 0
    error = capsys.readouterr().err.strip()
    assert line in " ".join(error.split()) and "Traceback" not in error


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 129)])
def test_sigterm_saves_the_state_names_the_command_and_is_no_failure(
    arguments: list[str], tmp_path: Path, sent: int, code: int, capsys: pytest.CaptureFixture, monkeypatch: MonkeyPatch
):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    words = [*arguments, "--set", "run.steps=100000", "--set", "run.save_every=100000", "--quiet"]
    log = tmp_path / "run" / "log.csv"

    def send_after_the_first_row() -> None:
        while not (log.is_file() and log.read_text().count("\n") > 1):
            time.sleep(0.02)
        os.kill(os.getpid(), sent)

    threading.Thread(target=send_after_the_first_row, daemon=True).start()
    before = signal.signal(sent, signal.SIG_DFL)
    try:
        assert run(words) == code
    finally:
        signal.signal(sent, before)
    said = capsys.readouterr()
    step = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["progress"]["step"]
    line = f"stopped by {signal.Signals(sent).name} at step {step} of 100000, state saved: resume with talkface "
    assert said.err == f"{'' if code == 0 else 'error: '}{line}{shlex.join(words)}\n" and said.out == ""
    assert run([*arguments, "--set", f"run.steps={step + 1}"]) == 0
    assert f"resumed at step {step} of {step + 1}" in capsys.readouterr().err
