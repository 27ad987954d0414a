"""Mouth examples from drawn photos: holes, donors in place, the same for the same seed."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch

from talkface.data.samplers.mouths import MouthSampler, _relaid, fixed_example, stack
from talkface.data.samplers.open_mouths import MOUTH_SAMPLES, Mouth, cut_mouth, load_mouths, may_lend
from talkface.landmarks.mouth_patch import teeth_share
from talkface.types import FloatArray, Image
from tests.drawn import PHOTOS, UNIT, DrawnPhoto


@dataclass(frozen=True)
class DrawnClip:
    """Frames of one drawn face."""

    frames: tuple[DrawnPhoto, ...]
    key: str = "clip"
    speaker: str = "clip"
    fps: float = 25.0

    @property
    def meta(self) -> dict[str, str]:
        return self.frames[0].meta

    @property
    def crops(self) -> FloatArray:
        return np.concatenate([each.crops for each in self.frames])

    @property
    def landmarks(self) -> FloatArray:
        return np.concatenate([each.landmarks for each in self.frames])

    def image(self, index: int) -> Image:
        return self.frames[index].image(0)


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
    real, _, colours, cover, masks, _, _ = fixed_example(sampler.open[1], sampler.open[1].donor)
    inner, hole = masks[..., 1] > 127, masks[..., 2] > 127
    assert (hole & ~inner).any()
    assert not (inner & ~hole).any()
    core = cv2.erode(inner.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert float(np.median(np.abs(colours[core] - real[core]))) < 12
    assert cover[core].min() > 0.5


def test_batches_follow_from_the_seed_and_stay_in_range(sampler: MouthSampler):
    first, second = (sampler.batch(6, np.random.default_rng(3)) for _ in range(2))
    for name in ("real", "seen", "donor", "cover", "masks", "again", "own"):
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


def test_around_the_hole_stands_a_frame_with_shut_lips():
    clip = DrawnClip((DrawnPhoto("open", 0.2), DrawnPhoto("shut", 0.01, tone=0.5)))
    (mouth,) = load_mouths([clip])
    real, seen, *_ = fixed_example(mouth, mouth.donor)
    np.testing.assert_allclose(seen[:8].mean((0, 1)), 0.5 * real[:8].mean((0, 1)), atol=2)  # the skin of the dark frame
    middle = mouth.lips[[14, 18]].mean(0).astype(int)
    assert mouth.warped is not None
    assert mouth.warped[middle[1], middle[0]].mean() > 70 > mouth.donor.image[middle[1] + 5, middle[0]].mean()


def test_a_lone_photo_is_seen_with_its_own_lips_shut_and_opened_again():
    (mouth,) = load_mouths([DrawnPhoto("open", 0.2)])
    assert mouth.warped is not None
    assert teeth_share(mouth.donor.image, mouth.donor.lips) > 0.3
    assert teeth_share(mouth.warped, mouth.donor.lips) < 0.05
    np.testing.assert_allclose(mouth.warped[:10].astype(int), mouth.donor.image[:10], atol=3)


def test_most_examples_are_seen_warped_but_not_all(sampler: MouthSampler):
    batch = sampler.batch(60, np.random.default_rng(1))
    as_they_are = (batch.seen == batch.real).flatten(1).all(1).float().mean()
    assert 0.03 < float(as_they_are) < 0.35


def test_a_photo_relaid_keeps_its_upper_teeth_and_sometimes_what_is_below(sampler: MouthSampler):
    mouth = sampler.open[2]
    upper, lower = [], []
    for seed in range(20):
        _, cover = _relaid(mouth.donor, None, 2 / 3, mouth.lips * 2 / 3, np.random.default_rng(seed))
        x, top, bottom = (mouth.lips[[14, 14, 18], [0, 1, 1]] * 2 / 3).astype(int)
        upper.append(cover[top + 4, x])
        lower.append(cover[bottom - 4, x])
    assert min(upper) > 0.8
    assert 4 < sum(each < 0.2 for each in lower) < 16 and sum(each > 0.8 for each in lower) > 4


def test_other_open_lips_of_a_clip_are_warped_to_each_frame_far_enough_from_them():
    gaps = [0.16, 0.18, 0.1, 0.12, 0.14, 0.3]
    clip = DrawnClip(tuple(DrawnPhoto("talk", gap, tone=0.7 + 0.05 * i) for i, gap in enumerate(gaps)), key="talk")
    mouths = load_mouths([clip])
    assert [mouth.lent is None for mouth in mouths] == [False] * 5 + [True], "no other frame is as open as the last"
    for index, mouth in enumerate(mouths[:5]):
        assert mouth.lent is not None
        assert teeth_share(mouth.lent, mouth.donor.lips) == pytest.approx(mouth.teeth, abs=0.15)
        tones = mouth.lent[:8].mean() / mouth.donor.image[:8].mean() * (0.7 + 0.05 * index)
        assert abs((tones - 0.7) / 0.05 - index) > MOUTH_SAMPLES.lent_apart - 0.5


def test_some_of_ones_own_donors_are_such_a_frame():
    talking = MouthSampler(load_mouths([DrawnClip(tuple(DrawnPhoto("talk", 0.16, person="x") for _ in range(6)))]))
    batch = talking.batch(60, np.random.default_rng(1))
    own = batch.own == 1
    of_faces = batch.donor[own, :, :4].mean((1, 2, 3)) > -0.5  # skin above the lips, which no laid donor has
    assert 0.4 < float(of_faces.float().mean()) < 0.8
    torch.testing.assert_close(batch.cover[own][of_faces], batch.masks[own][of_faces][:, 2:])
    assert not (batch.donor[~own, :, :4].mean((1, 2, 3)) > -0.5).any()


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


def test_strangers_show_a_third_persons_lower_teeth(sampler: MouthSampler):
    assert not sampler.lower  # smiles are drawn with upper teeth alone
    mouth = sampler.open[1]
    both_rows = replace(mouth, donor=replace(mouth.donor, image=_with_lower_row(mouth)), speaker="third")
    lent = MouthSampler(sampler.open)
    lent.lower = [both_rows]
    plain, with_lower = (_light_above_lower_lip(each) for each in (sampler, lent))
    assert with_lower > plain + 0.2


def _light_above_lower_lip(sampler: MouthSampler) -> float:
    """Of strangers' donors, in [-1, 1]."""
    batch = sampler.batch(24, np.random.default_rng(5))
    strangers = batch.own == 0
    inner = batch.masks[strangers, 1:2] > 0.5
    lowest = inner & (inner.flip(2).cumsum(2).flip(2) < 6)  # five rows of each column
    return float(batch.donor[strangers].mean(1, keepdim=True)[lowest].mean())


def _with_lower_row(mouth: Mouth) -> Image:
    """Its picture with a row of light pixels above the lower lip, below a dark one."""
    image = mouth.donor.image.copy()
    top, bottom = (int(mouth.donor.lips[part, 1].mean()) for part in (slice(1, 4), slice(5, 8)))
    left, right = (int(x) for x in mouth.donor.lips[[1, 3], 0])
    image[top + 2 * (bottom - top) // 3 : bottom, left - 20 : right + 20] = (200, 190, 180)
    return image
