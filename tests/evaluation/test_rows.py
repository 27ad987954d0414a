"""Rows of scores -> statistics over people."""

import math

import pytest

from talkface.evaluation.rows import REAL, STILL, Row, Scores
from talkface.metrics.stats import median
from talkface.metrics.table import Quantity


def row(system: str, person: str, clip: str, **scores: float) -> Row:
    return Row({"system": system, "clip": clip, "speaker": person}, scores)


ROWS = [
    row(STILL, "ada", "a0", lmd=4.0, psnr=math.inf),
    row(REAL, "ada", "a0", lmd=0.0),
    row("net", "ada", "a0", lmd=1.0, psnr=30.0),
    row("net", "ada", "a1", lmd=2.0, psnr=math.inf),
    row("net", "bob", "b0", lmd=3.0),
    row(STILL, "bob", "b0", lmd=2.0, psnr=math.inf),
]


def test_each_person_counts_once_and_columns_are_ordered():
    scores = Scores(ROWS, last=(STILL, REAL))
    measure = scores.measure(Quantity("lmd", "LMD", factor=10.0), "net", "people_")
    assert measure.name == "people_lmd" and measure.judged == "net"
    assert list(measure.scores) == ["net", STILL, REAL]
    assert measure.details["net"] == {"ada": 15.0, "bob": 30.0}
    assert measure.scores["net"].value == pytest.approx(22.5) and measure.scores["net"].count == 2
    clips = Scores(ROWS, sample=lambda each: each.clip).of("net", Quantity("lmd", "LMD", statistic=median))
    assert clips.value == 2.0 and clips.count == 3


def test_ratios_and_gains_are_of_the_same_people():
    scores = Scores(ROWS)
    assert scores.ratio("lmd", STILL)["net"].value == pytest.approx((1.5 + 3) / (4 + 2))
    assert scores.ratio("lmd", STILL)[REAL].count == 1, "bob has no real row"
    assert scores.gains(Quantity("lmd", "LMD", better="lower"), "net", STILL) == [2.5, -1.0]
    assert scores.gains(Quantity("lmd", "LMD", better="higher"), "net", STILL) == [-2.5, 1.0]


def test_a_value_that_is_infinite_everywhere_stays_so():
    scores = Scores(ROWS)
    psnr = Quantity("psnr", "PSNR")
    assert scores.of(STILL, psnr).value == math.inf
    assert scores.of("net", psnr).value == 30.0 and scores.of("net", psnr).count == 1
    assert scores.of(REAL, psnr).count == 0 and math.isnan(ROWS[1]["psnr"])
