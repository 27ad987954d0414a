"""fit: resume is exact, folders are guarded, bad numbers are named."""

import csv
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.config import RunConfig, read_mapping
from talkface.errors import CheckpointError, ConfigError, DivergedError, StoppedError
from talkface.training.engine.loop import check_launched, fit, make_accelerator
from tests.training.engine.line import LineJob, config_of


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    return RunConfig(out=str(tmp_path / "a"), steps=10, device="cpu", log_every=2, eval_every=5, save_every=5)


def test_five_steps_a_kill_and_five_more_equal_ten(run: RunConfig, tmp_path: Path) -> None:
    whole = LineJob(run)
    fit(whole, run, config_of(run))
    halves = replace(run, out=str(tmp_path / "b"))
    with pytest.raises(KeyboardInterrupt):
        fit(LineJob(halves, die_at=7), halves, config_of(halves))  # the state of step 5 is on disk
    resumed = LineJob(halves)
    fit(resumed, halves, config_of(halves))
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    for name, tensor in whole.ema.network.state_dict().items():
        assert torch.equal(tensor, resumed.ema.network.state_dict()[name]), name
    assert (tmp_path / "a/log.csv").read_text() == (tmp_path / "b/log.csv").read_text()


def test_run_folder_holds_what_people_look_for(run: RunConfig) -> None:
    fit(LineJob(run), run, config_of(run))
    folder = Path(run.out)
    names = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "log.csv", "state.pt", "best.safetensors", "preview_0000010.png"} <= names
    assert any(name.startswith("events.out") for name in names)
    best = load_checkpoint(folder / "best.safetensors", "line")
    assert best.provenance["steps"] in (5, 10) and best.metrics["score"] > 0
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows if row["name"] == "train/mse"] == ["2", "4", "6", "8", "10"]


def test_training_lowers_the_score(run: RunConfig) -> None:
    job = LineJob(replace(run, steps=300))
    before = job.evaluate()["score"]
    assert fit(job, job.run, config_of(job.run))["score"] < 0.1 * before


def test_another_setting_in_the_same_folder_is_refused(run: RunConfig) -> None:
    fit(LineJob(run), run, config_of(run, lr=0.1))
    with pytest.raises(ConfigError, match=r"lr \(0\.1 there, 0\.2 here\)"):
        fit(LineJob(run), run, config_of(run, lr=0.2))
    longer = replace(run, steps=12)
    fit(LineJob(longer), longer, config_of(longer, lr=0.1))  # more steps are welcome
    assert read_mapping(Path(run.out) / "config.yaml") == config_of(longer, lr=0.1)  # by which `runs` says how many


def test_not_a_number_is_named_and_the_good_state_stays(run: RunConfig) -> None:
    with pytest.raises(DivergedError, match=r"mse is nan at step 8: .*state\.pt still holds the last good state"):
        fit(LineJob(run, poison_at=7), run, config_of(run))
    assert torch.load(Path(run.out) / "state.pt", weights_only=True)["progress"]["step"] == 5


def test_a_state_cut_short_falls_back_to_the_one_before(run: RunConfig, tmp_path: Path, capsys) -> None:
    whole = replace(run, out=str(tmp_path / "whole"))
    fit(LineJob(whole), whole, config_of(whole))
    with pytest.raises(KeyboardInterrupt):
        fit(LineJob(run, die_at=9), replace(run, save_every=2), config_of(run))
    folder = Path(run.out)
    assert torch.load(folder / "state.before.pt", weights_only=True)["progress"]["step"] == 6
    state = folder / "state.pt"
    state.write_bytes(state.read_bytes()[:-500])
    fit(LineJob(run), run, config_of(run))
    assert "going on from state.before.pt" in capsys.readouterr().err
    ours, theirs = (load_checkpoint(Path(each.out) / "last.safetensors").tensors for each in (run, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for name in ("state.pt", "state.before.pt"):
        (folder / name).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"state.before.pt cannot be resumed"):
        fit(LineJob(run), run, config_of(run))


def test_patience_stops_early(run: RunConfig) -> None:
    run = replace(run, steps=1000, eval_every=1, patience=3)
    job = LineJob(run)
    scores = iter([1.0, 0.5, 0.6, 0.7, 0.8, 0.1])
    job.evaluate = lambda: {"score": next(scores)}
    fit(job, run, config_of(run))
    assert torch.load(Path(run.out) / "state.pt", weights_only=True)["progress"]["step"] == 5


def test_unknown_device_is_a_config_error(run: RunConfig) -> None:
    with pytest.raises(ConfigError, match="use one of auto, cpu"):
        make_accelerator(replace(run, device="tpu"))


def test_runs_of_one_process_have_their_own_precision(run: RunConfig):
    for bf16 in (False, True, False):
        accelerator = make_accelerator(replace(run, bf16=bf16))
        with accelerator.autocast():
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if bf16 else torch.float32)
        assert accelerator.num_processes == 1 and accelerator.device.type == "cpu"


def test_damaged_files_of_a_run_are_made_again_from_its_state(run: RunConfig) -> None:
    folder = Path(run.out)
    half = replace(run, steps=5)
    fit(LineJob(half), half, config_of(half, lr=0.1))
    settings, log = (folder / "config.yaml").read_text(), (folder / "log.csv").read_text()
    for damage in ("", settings[: len(settings) // 3], "a: [", None):
        (folder / "config.yaml").unlink(missing_ok=True)
        if damage is not None:
            (folder / "config.yaml").write_text(damage)
        (folder / "log.csv").write_text(log[: len(log) // 2])
        with pytest.raises(ConfigError, match=r"lr \(0\.1 there, 0\.2 here\)"):
            fit(LineJob(half), half, config_of(half, lr=0.2))
        fit(LineJob(half), half, config_of(half, lr=0.1))
        assert (folder / "log.csv").read_text() == log
        assert (folder / "config.yaml").read_text() == settings
    longer = replace(run, steps=8)
    fit(LineJob(longer), longer, config_of(longer, lr=0.1))
    assert (folder / "config.yaml").read_text() == settings.replace("steps: 5", "steps: 8")


def test_a_run_folder_is_one_trainings_at_a_time(run: RunConfig) -> None:
    job = LineJob(run)
    step = job.train_step

    def second(number: int) -> dict[str, float]:
        if number == 3:
            with pytest.raises(ConfigError, match="another training is writing to"):
                fit(LineJob(run), run, config_of(run))
        return step(number)

    job.train_step = second
    fit(job, run, config_of(run))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_the_state_and_the_same_call_goes_on(run: RunConfig, tmp_path: Path, number: int) -> None:
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("this process was started so that it ignores the signal, as shells do for commands behind them")
    whole = replace(run, out=str(tmp_path / "whole"))
    fit(LineJob(whole), whole, config_of(whole))
    job = LineJob(run)
    step = job.train_step

    def interrupted(at: int) -> dict[str, float]:
        if at == 2:
            os.kill(os.getpid(), number)
        return step(at)

    job.train_step = interrupted
    before = signal.getsignal(number)
    with pytest.raises(StoppedError, match=r"at step 3 of 10, state saved: resume with the same command") as stopped:
        fit(job, run, config_of(run))
    assert stopped.value.exit_code == 128 + number and signal.getsignal(number) == before
    assert torch.load(Path(run.out) / "state.pt", weights_only=True)["progress"]["step"] == 3
    fit(LineJob(run), run, config_of(run))
    assert (tmp_path / "whole/log.csv").read_text() == (tmp_path / "a/log.csv").read_text()


STUCK = """
import ctypes, sys
from talkface.training.engine import stop
stop.GRACE_S = 0.2
with stop.stoppable() as wish:
    wish.left = ", whose state of step 4 stays"
    print("ready", flush=True)
    ctypes.CDLL(None).sleep(60)
    ctypes.CDLL(None).sleep(60)
"""


def test_a_training_that_is_stuck_in_a_library_ends_all_the_same() -> None:
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 143
    assert said == (
        "error: stopped by SIGTERM in the middle of a step, whose state of step 4 stays: resume with the same command\n"
    )


def test_processes_that_do_not_train_together_are_refused() -> None:
    check_launched(2, {"WORLD_SIZE": "2"})
    check_launched(1, {})
    with pytest.raises(ConfigError, match="2 processes were launched but 1 train together"):
        check_launched(1, {"WORLD_SIZE": "2"})
