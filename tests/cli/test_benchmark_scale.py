"""`talkface benchmark scale` measures what it prints, and reckons with it."""

import pytest

from talkface.__main__ import run
from talkface.cli.benchmark_scale import Cost, _estimate_table


def test_prints_both_tables(capsys):
    assert run(["benchmark", "scale", "--clips", "2", "--seconds", "1", "--processes", "1", "--nodes", ""]) == 0
    printed = capsys.readouterr().out
    assert "1 at once, here" in printed and "ms per empty task" in printed and "1,100,000 clips, 2,400 h" in printed


def test_estimate_multiplies_what_was_measured(capsys):
    from rich.console import Console

    cost = Cost("x", task_ms=2.0, frames_per_s=50.0, core_s=0.02, num_bytes=10_000)
    table = _estimate_table(cost, 3.6, clips=1_000_000, hours=1000)
    Console(width=200).print(table)
    printed = " ".join(capsys.readouterr().out.split())
    assert "90 M frames, 500 core hours, 900 GB of shards, 1.0 h of handing out tasks" in printed
    assert "│ 16 │ 31.2 │" in printed and "│ 1024 │ 1.0 │" in printed, "handing out limits the largest"


@pytest.mark.parametrize("words", [["--nodes", "one"], ["--processes", "1;2"]])
def test_wrong_counts_are_one_line(words, capsys):
    assert run(["benchmark", "scale", "--clips", "2", *words]) == 1
    assert "expected whole numbers such as 1,2,4" in capsys.readouterr().err
