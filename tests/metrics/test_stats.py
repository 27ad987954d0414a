"""Bars, intervals and tables."""

import io
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from talkface.metrics.stats import Score, average_by_person, finite_mean, mean, nanmean, ratio_score, score
from talkface.metrics.table import Measure, Quantity, Target, cell, row_log, to_json_lines, to_table


@pytest.mark.parametrize(
    ("target", "value", "passed", "text"),
    [
        (Target(at_least=0.4), 0.4, True, "≥ 0.4"),
        (Target(at_least=0.4), 0.39, False, "≥ 0.4"),
        (Target(at_most=0.03), 0.031, False, "≤ 0.03"),
        (Target(0.6, 1.3), 1.0, True, "0.6..1.3"),
        (Target(0.6, 1.3), 1.4, False, "0.6..1.3"),
        (Target(0, 0), 0.0, True, "= 0"),
        (Target(at_least=0.4), math.nan, False, "≥ 0.4"),
    ],
)
def test_targets(target: Target, value: float, passed: bool, text: str):
    assert target.passed(value) is passed
    assert str(target) == text


def test_interval_of_the_mean_matches_theory():
    rng = np.random.default_rng(0)
    values = rng.normal(5.0, 2.0, 400)
    found = score(values, rng, mean)
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2.0 / 20, rel=0.15)
    assert found.count == 400


def test_unmeasured_samples_are_left_out():
    rng = np.random.default_rng(0)
    assert score([1.0, math.nan, 3.0], rng).value == 2.0
    assert score([math.nan], rng).count == 0
    assert score([0.7], rng) == Score(0.7, 0.7, 0.7, 1)
    assert finite_mean([1.0, math.inf, math.nan, 3.0]) == 2.0 and math.isnan(finite_mean([math.nan]))
    assert math.isnan(finite_mean(np.zeros(0)))
    for kind in (np.float32, np.float64):
        series = rng.standard_normal((1001, 2)).astype(kind)[:, 0]
        assert finite_mean(np.insert(series, [0, 700], [np.nan, -np.inf])) == float(series.copy().mean())


def test_ratio_is_of_means_and_paired():
    found = ratio_score([1.0, 2.0, math.nan], [2.0, 4.0, 1.0], np.random.default_rng(0))
    assert (found.value, found.low, found.high, found.count) == (0.5, 0.5, 0.5, 2)


@pytest.mark.filterwarnings("error")
def test_a_ratio_over_nothing_is_not_measured_and_one_over_next_to_nothing_has_no_bounds():
    assert ratio_score([0.0, 0.0], [0.0, 0.0], np.random.default_rng(0)).count == 0
    assert ratio_score([1.0, 2.0], [0.0, 0.0], np.random.default_rng(0)).count == 0
    found = ratio_score([1.0, 2.0], [0.0, 4.0], np.random.default_rng(0))
    assert (found.value, found.count) == (0.75, 2) and math.isnan(found.low) and math.isnan(found.high)
    assert cell(found, with_interval=True) == "0.750" and cell(Score(0.5, 0.25, 1.0, 2), True).count("\n") == 1


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_means_of_what_is_known_are_those_of_numpy_but_without_a_warning(kind: type):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 50, 30)).astype(kind)
    values[rng.random(values.shape) < 0.3] = np.nan
    for axis in (None, 0, 1, -1):
        ours, theirs = nanmean(values, axis), np.nanmean(values, axis)
        assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs, equal_nan=True)
    values[2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(nanmean(values, 1)[2]).all() and np.isfinite(nanmean(values, 1)[3]).all()
        assert np.isnan(nanmean(np.array([])))


def test_several_clips_of_one_person_count_once():
    values = [("a", 0.2), ("a", 0.4), ("b", 0.9), ("c", math.nan)]
    assert average_by_person(values) == {"a": pytest.approx(0.3), "b": 0.9}


@pytest.fixture
def measures() -> list[Measure]:
    ours, floor = Score(0.45, 0.4, 0.5, 9), Score(0.1, 0.1, 0.1, 1)
    return [
        Measure(
            Quantity("opening_r", "opening r", "", Target(at_least=0.4)), {"hybrid": ours, "warp": floor}, "hybrid"
        ),
        Measure(Quantity("lag", "lag", "frames", Target(0, 0)), {"hybrid": Score(3.0, 3.0, 3.0, 2)}, "hybrid"),
        Measure(
            Quantity("empty", "empty", "", Target(at_most=1)),
            {"warp": Score(math.nan, math.nan, math.nan, 0)},
            "hybrid",
        ),
    ]


def test_table_shows_value_interval_bar_and_verdict(measures: list[Measure]):
    console = Console(file=io.StringIO(), width=120)
    console.print(to_table("Scores", measures))
    text = console.file.getvalue()
    for piece in ("opening r", "0.450", "0.400 … 0.500", "≥ 0.4", "pass", "FAIL", "= 0", "(frames)", "-"):
        assert piece in text, piece


def test_json_lines_round_trip(measures: list[Measure]):
    rows = [json.loads(line) for line in to_json_lines(measures).splitlines()]
    assert [row["name"] for row in rows] == ["opening_r", "lag", "empty"]
    assert rows[0]["scores"]["hybrid"] == {"value": 0.45, "low": 0.4, "high": 0.5, "count": 9}
    assert (rows[0]["verdict"], rows[1]["verdict"]) == ("pass", "FAIL")
    assert rows[2]["scores"]["warp"]["value"] is None


def test_rows_are_written_as_they_come(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    write = row_log(path)
    for _ in range(2):
        write({"system": "warp", "r": 0.5, "ssim": math.nan})
        assert json.loads(path.read_text().splitlines()[-1]) == {"system": "warp", "r": 0.5, "ssim": None}
    assert path.read_text().count("\n") == 2
