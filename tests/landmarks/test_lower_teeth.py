"""Lower teeth of drawn donors: found where they are, and put below another donor's upper ones in its light."""

import numpy as np
import pytest

from talkface.geometry.donor import Donor, edge_fineness, lay_donor, lip_gap, measure_donor
from talkface.landmarks.mouth_patch import LOWER_TEETH, lower_lender, lower_teeth, with_lower_teeth
from talkface.renderers.load import load_renderer
from tests.geometry.donors import DARK, LOWER, UNIT, UPPER, drawn


def smile(tone: float = 1.0) -> Donor:
    """A mouth full of upper teeth."""
    donor = drawn(gap=18)
    full = np.where((donor.image == DARK).all(-1, keepdims=True), np.array(UPPER, np.uint8), donor.image)
    full = np.where((full == LOWER).all(-1, keepdims=True), np.array(UPPER, np.uint8), full)
    return measure_donor((tone * full).astype(np.uint8), donor.lips, donor.skin, UNIT)


def test_lower_teeth_are_found_where_they_begin():
    found = lower_teeth(drawn())
    assert found is not None
    assert found[0] == pytest.approx(24 / 30, abs=0.06)
    assert found[1] > 0.9


def test_upper_teeth_alone_and_a_red_tongue_are_none():
    tongue = drawn()
    tongue.image[(tongue.image == LOWER).all(-1)] = (200, 90, 90)
    assert lower_teeth(smile()) is None
    assert lower_teeth(tongue) is None
    assert lower_lender([smile(), tongue]) is None
    assert lower_lender([smile(), drawn(), tongue]) is not None


@pytest.mark.parametrize("tone", [1.0, 0.5])
def test_a_smile_gets_them_in_its_own_light(tone: float):
    both = with_lower_teeth(smile(tone), drawn())
    middle = both.image[:, 64].mean(-1)
    top, bottom = round(both.lips[2, 1]), round(both.lips[6, 1])
    assert middle[top + 8] == pytest.approx(tone * np.mean(UPPER), abs=4)
    assert middle[bottom - 3] == pytest.approx(LOWER_TEETH.shade * tone * np.mean(UPPER), abs=12)
    assert lip_gap(both.lips) > lip_gap(smile().lips)
    np.testing.assert_array_equal(both.lips[[0, 1, 2, 3, 4]], smile().lips[[0, 1, 2, 3, 4]])


def test_laid_in_a_wide_mouth_upper_teeth_stay_and_lower_ones_follow_the_lip():
    both = with_lower_teeth(smile(), drawn())
    for gap in (30.0, 44.0):
        colours, cover = lay_donor(both, np.array([64.0, 20.0]), gap, 1.0, (128, 96))
        column = colours[:, 64].mean(-1)
        assert column[20 + 7] == pytest.approx(np.mean(UPPER), abs=6)
        assert column[20 + round(gap) - 3] > 150
        assert cover[20 + round(gap) - 3, 64] > 0.8
        assert column[20 + round(gap) - 10] < 90


def test_without_a_lender_or_with_teeth_of_its_own_nothing_changes():
    donor = drawn()
    assert with_lower_teeth(donor, drawn()) is donor
    plain = smile()
    assert with_lower_teeth(plain, None) is plain
    assert with_lower_teeth(plain, plain) is plain


def test_they_have_the_hue_of_the_upper_ones():
    warm, violet = smile(), drawn()
    warm.image[(warm.image == UPPER).all(-1)] = (230, 190, 120)
    violet.image[(violet.image == LOWER).all(-1)] = (170, 150, 180)
    both = with_lower_teeth(warm, violet)
    row = both.image[round(both.lips[6, 1]) - 3, 60:68].mean(0)
    np.testing.assert_allclose(row / row.mean(), np.array([230, 190, 120]) / 180, atol=0.03)


def test_nothing_black_is_left_below_the_lip():
    both = with_lower_teeth(smile(), drawn())
    assert both.image[-6:].min() > 100
    assert edge_fineness(both.image) < 1.2 * edge_fineness(smile().image)


@pytest.mark.parametrize("unit", [64.0, 128.0, 144.0, 178.0])
def test_the_shipped_donor_lends_its_own_at_any_size(unit: float):
    donors = load_renderer("hybrid", "cpu").donors
    lender = lower_lender(donors)
    assert lender is donors[-1], "the one that the config names for it"
    both = with_lower_teeth(donors[0].resized(unit), lender)
    assert both.opening > donors[0].opening + 0.01
    assert both.split < 0.85
