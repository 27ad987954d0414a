"""Rows that no file stands behind fail alone, and planning many rows costs each the same."""

import os
import time
from pathlib import Path

import pytest

from talkface.errors import ConfigError, MediaError
from talkface.inference.batch.options import BatchOptions
from talkface.inference.batch.plan import plan
from talkface.inference.batch.results import Outcome, load_outcomes, save_outcome
from talkface.inference.batch.rows import make_rows, read_manifest
from talkface.inference.batch.run import batch
from talkface.inference.batch.tasks import Failure, failure_of
from talkface.scale.storage import Folder

GOOD = {"photo": "a.png", "speech": "a.wav"}
COMMON = {"renderer": "warp"}
DEEP = "[" * 100_000


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for name in ("a.png", "a.wav"):
        (tmp_path / name).write_bytes(name.encode())
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "pipe.png")
    (tmp_path / "out").mkdir()
    return tmp_path


def planned(rows, desk: Path, before=None, *, retry_failed: bool = False):
    taken: dict[int, Outcome] = {}
    folder = Folder(str(desk / "out"))
    todo = plan(rows, "cpu", folder, before or {}, lambda row: taken.update({row.row: row}), retry_failed=retry_failed)
    return todo, taken


@pytest.mark.parametrize(
    "bad",
    [
        {"photo": "pipe.png"},
        {"photo": "folder"},
        {"photo": "/dev/zero"},
        {"photo": "a\0.png"},
        {"photo": "\ud800.png"},
        {"photo": "x" * 300 + ".png"},
        {"photo": "jlab://a.png"},
        {"photo": 7},
        {"out": "."},
        {"out": "a\0.mp4"},
        {"out": "x" * 300 + ".mp4"},
        {"out": "\ud800.mp4"},
        {"fps": "1e99999999"},
        {"fps": "1" * 1000},
        {"renderer": "hybrid", "renderer_model": "n" * 300},
        {"speech": "pipe.png"},
        {"speech": {"a": "b"}},
    ],
)
def test_a_bad_row_fails_or_is_left_to_its_worker_and_the_good_one_is_planned(desk: Path, bad: dict[str, object]):
    rows = make_rows([{**GOOD, **bad}, GOOD], desk, COMMON)
    begun = time.monotonic()
    todo, taken = planned(rows, desk)
    assert time.monotonic() - begun < 5
    assert [task.row.number for task in todo][-1] == 2 and 2 not in taken
    if 1 in taken:
        assert taken[1].failed and taken[1].reason and "\n" not in taken[1].reason


def test_a_line_that_is_nested_too_deeply_is_one_bad_row(desk: Path):
    (desk / "rows.jsonl").write_text('{"photo": "a.png", "speech": "a.wav"}\n' + '{"photo": ' + DEEP + "\n")
    good, bad = read_manifest(desk / "rows.jsonl", COMMON)
    assert not good.fault and "not JSON" in bad.fault


@pytest.mark.parametrize(("again", "tried"), [(True, [1]), (False, [])])
def test_what_failed_for_no_fault_of_the_row_is_to_do_again(desk: Path, again: bool, tried: list[int]):
    rows = make_rows([GOOD], desk, COMMON)
    (job,), _ = planned(rows, desk)
    folder = Folder(str(desk / "out"))
    save_outcome(folder, Outcome(1, job.key, job.row.out, [], "", status="failed", reason="full", again=again))
    before = load_outcomes(folder)
    assert [known.row.number for known in planned(rows, desk, before)[0]] == tried
    assert len(planned(rows, desk, before, retry_failed=True)[0]) == 1


def test_reasons_know_whether_the_same_may_do_later(desk: Path):
    assert failure_of(OSError(28, "No space left on device", "x.mp4")) == Failure(
        "x.mp4 cannot be used: No space left on device", again=True
    )
    for error in (MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")):
        assert "TALKFACE_MAX_WORKER_MB" in failure_of(error).reason
    assert failure_of(MediaError("no sound")) == Failure("no sound")
    assert failure_of(KeyError("x\x1b")).reason == r"fault in talkface: KeyError: 'x\x1b'"


def test_many_rows_of_one_name_are_named_and_planned_at_the_same_cost_each(desk: Path):
    times = []
    for count in (150, 600):
        begun = time.process_time()
        rows = make_rows([{**GOOD, "seed": seed} for seed in range(count)], desk, {})
        todo, _ = planned(rows, desk)
        times.append((time.process_time() - begun) / count)
        assert len({task.key for task in todo}) == len({task.row.out for task in todo}) == count
    assert rows[1].out == "a_a_2.mp4" and times[1] < 3 * times[0] + 1e-4


def test_a_device_that_is_not_here_is_refused_before_any_row(desk: Path):
    rows = make_rows([{"photo": "photo.png", "speech": "speech.wav"}], desk)
    with pytest.raises(ConfigError, match="device 'cuda:99' is not on this machine: use one of auto, cpu"):
        batch(rows, desk / "made", BatchOptions(device="cuda:99"))
    assert not (desk / "made").exists()
