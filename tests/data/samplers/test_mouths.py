"""Mouth examples from drawn photos: holes, donors in place, the same for the same seed."""

import cv2
import numpy as np
import pytest
import torch

from talkface.data.samplers.mouths import (
    MOUTH_SAMPLES,
    MouthSampler,
    cut_mouth,
    fixed_example,
    load_mouths,
    may_lend,
    stack,
)
from tests.drawn import PHOTOS, UNIT, DrawnPhoto


@pytest.fixture(scope="module")
def sampler() -> MouthSampler:
    return MouthSampler(load_mouths(PHOTOS))


def test_mouths_know_size_teeth_and_licence():
    mouth = cut_mouth(PHOTOS[1], 0)
    assert mouth is not None
    assert mouth.source_unit == pytest.approx(UNIT, rel=0.02)
    assert mouth.donor.unit == MOUTH_SAMPLES.crop_unit
    assert mouth.teeth == pytest.approx(0.5, abs=0.12)
    assert may_lend(mouth)
    assert [each.key for each in load_mouths(PHOTOS, ["B"])] == ["p1"]


def test_a_photo_made_small_before_counts_by_its_own_size():
    halved = DrawnPhoto("x", crops=np.array([[[2.0, 0, 0], [0, 2.0, 0]]]))
    mouth = cut_mouth(halved, 0)
    assert mouth is not None
    assert mouth.source_unit == pytest.approx(UNIT / 2, rel=0.02)


def test_the_hole_covers_the_inner_mouth_and_the_donor_fills_it(sampler: MouthSampler):
    real, colours, cover, masks, _, _ = fixed_example(sampler.open[1], sampler.open[1].donor)
    inner, hole = masks[..., 1] > 127, masks[..., 2] > 127
    assert (hole & ~inner).any()
    assert not (inner & ~hole).any()
    core = cv2.erode(inner.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert float(np.median(np.abs(colours[core] - real[core]))) < 12
    assert cover[core].min() > 0.5


def test_batches_follow_from_the_seed_and_stay_in_range(sampler: MouthSampler):
    first, second = (sampler.batch(6, np.random.default_rng(3)) for _ in range(2))
    for name in ("real", "donor", "cover", "masks", "again", "own"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name), rtol=0, atol=0)
    assert first.real.shape == (6, 3, 96, 128)
    assert float(first.real.abs().max()) <= 1.0 and float(first.donor.abs().max()) <= 1.0
    assert set(first.own.tolist()) <= {0.0, 1.0}
    assert not torch.equal(first.masks, first.again)


def test_both_kinds_of_donors_come(sampler: MouthSampler):
    own = sampler.batch(40, np.random.default_rng(0)).own
    assert 0.1 < float(own.mean()) < 0.6


def test_frames_of_talking_clips_come_as_often_as_wanted():
    talking = [DrawnPhoto(f"t{i}", 0.16, fps=25.0) for i in range(2)]
    mouths = load_mouths([*PHOTOS, *talking, DrawnPhoto("closed", 0.001, fps=25.0)])
    assert [mouth.key for mouth in mouths if mouth.talking] == ["t0", "t1"]
    for share in (0.25, 0.8):
        sampler = MouthSampler(mouths, share)
        of_talk = sum(chance for each, chance in zip(sampler.open, sampler.chances, strict=True) if each.talking)
        assert of_talk == pytest.approx(share)


def test_ones_own_donor_is_another_picture_where_there_is_one():
    mouths = load_mouths([DrawnPhoto("a", 0.16, person="x"), DrawnPhoto("b", 0.2, person="x"), DrawnPhoto("c", 0.16)])
    sampler = MouthSampler(mouths)
    rng = np.random.default_rng(0)
    by_key = {each.key: each for each in sampler.open}
    assert sampler._other_picture(by_key["a"], rng) is by_key["b"]
    assert sampler._other_picture(by_key["c"], rng) is by_key["c"]


def test_examples_stack_as_signed_pictures(sampler: MouthSampler):
    batch = stack([fixed_example(each, sampler.open[0].donor) for each in sampler.open])
    assert batch.real.shape[0] == len(sampler.open)
    assert float(batch.masks.max()) == 1.0
