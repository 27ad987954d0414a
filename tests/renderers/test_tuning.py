"""A renderer's numbers are overridden by name, within reach of today's, and a mistake is said in one line."""

from dataclasses import replace

import numpy as np
import pytest

from talkface.errors import ConfigError
from talkface.inference.request import AnimateOptions
from talkface.renderers.base import Tuning
from talkface.renderers.load import load_renderer
from talkface.renderers.tuning import read_tuning
from talkface.types import Shot
from tests.drawn import DrawnPhoto


def test_overrides_are_laid_over_todays_numbers():
    found = read_tuning(["mouth.feather=2", "canvas.lids.lash_width = 0.05", "mouth.zoom=[0.9,1]", "mouth.feather=1.5"])
    assert found.mouth == replace(Tuning().mouth, feather=1.5, zoom=(0.9, 1.0))
    assert found.canvas == replace(Tuning().canvas, lids=replace(Tuning().canvas.lids, lash_width=0.05))
    assert read_tuning(["motion.wander_shift=[0.02,0.01]"]).motion.wander_shift == (0.02, 0.01)
    assert read_tuning([]) == Tuning()
    assert isinstance(read_tuning(["canvas.grey=5"]).canvas.grey, float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mouth.fether=1", "unknown number 'mouth.fether' in set: did you mean mouth.feather?"),
        ("mouth=1", "unknown number 'mouth' in set: "),
        ("mouth.feather.x=1", "unknown number 'mouth.feather.x' in set: did you mean mouth.feather?"),
        ("fether=1", "unknown number 'fether' in set: did you mean mouth.feather?"),
        (
            "__class__.x=1",
            "unknown number '__class__.x' in set: --report lists those of canvas, canvas.lids, motion, mouth",
        ),
        ("mouth.feather", "invalid set 'mouth.feather': expected stage.name=value"),
        ("mouth.feather=soft", "invalid mouth.feather 'soft': expected a finite number, 0.12 to 12"),
        ("mouth.feather=NaN", "invalid mouth.feather 'NaN': expected a finite number"),
        ("mouth.feather=0", "invalid mouth.feather '0': expected a finite number, 0.12 to 12"),
        ("mouth.feather=true", "invalid mouth.feather 'true'"),
        ("mouth.feather=[1,2]", r"invalid mouth.feather '\[1,2\]'"),
        ("mouth.zoom=[1.05,0.9]", "expected two rising numbers such as "),
        ("mouth.zoom=1", "expected two rising numbers such as "),
        ("mouth.softer=[]", "invalid mouth.softer"),
        ("canvas.strip_pixels=1e6", "expected a whole number"),
        ("canvas.lids.skin_percentile=101", "expected at most 100"),
        ("motion.full_closure=1.1", "invalid motion.full_closure 1.1: expected at most 1"),
        ("motion.nods=1", "unknown number 'motion.nods' in set: did you mean motion.nod_s?"),
        ("mouth.feather=" + "[" * 100_000, "invalid mouth.feather"),
    ],
)
def test_a_mistake_is_one_line(given: str, message: str):
    with pytest.raises(ConfigError, match=message):
        read_tuning([given])


def test_the_picture_follows():
    photo = DrawnPhoto("shut", 0.004)
    shot = Shot(photo.image(0), photo.landmarks[0])
    points = shot.landmarks[None].copy()
    points[:, 36:48, 1] = points[:, 36:48, 1].mean()  # lids that shut
    plain, tuned = (
        load_renderer("warp", "cpu", tuning=tuning) for tuning in (None, read_tuning(["canvas.lids.edge_shade=0.9"]))
    )
    first, second = (next(renderer.render(renderer.enroll([shot]), points)).image for renderer in (plain, tuned))
    assert plain.tuning == Tuning() and (first != second).any()
    assert np.abs(first.astype(int) - second).max() > 10


def test_a_flag_a_keyword_and_a_column_give_the_same():
    wanted = ("mouth.feather=2", "canvas.grey=5")
    assert AnimateOptions(set="mouth.feather=2 canvas.grey=5").set == wanted  # as a row of a batch has it
    assert AnimateOptions(set=list(wanted)).set == wanted
    assert AnimateOptions.from_mapping(AnimateOptions(set=wanted).plain()).set == wanted
    for wrong in (5, [5], None):
        with pytest.raises(ConfigError, match=r"invalid set .*: expected a list of words"):
            AnimateOptions(set=wrong)
