"""Donors against drawn mouths: teeth keep their size, the gap opens and closes, colours follow the light."""

import cv2
import numpy as np
import pytest

from talkface.geometry.donor import (
    Donor,
    blurred_by,
    colour_gain,
    edge_fineness,
    fitting_zoom,
    lay_donor,
    lip_gap,
    measure_donor,
    misfit,
    softening,
)
from tests.geometry.donors import DARK, LOWER, SKIN, UNIT, UPPER, drawn


def column(donor: Donor, gap: float, zoom: float = 1.0) -> np.ndarray:
    """Luma down the middle of the laid donor, from its upper lip on."""
    colours, _ = lay_donor(donor, np.array([64.0, 20.0]), gap, zoom, (128, 96))
    return np.asarray(colours[20:, 64].mean(-1))


def rows_like(values: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.flatnonzero(np.abs(values - np.mean(colour)) < 12)


def test_the_gap_below_the_upper_teeth_is_found():
    donor = drawn()
    assert 12 / 30 < donor.split < 24 / 30
    assert donor.cavity.mean() < 40
    assert (donor.width, donor.opening) == (pytest.approx(60 / UNIT), pytest.approx(30 / UNIT))


def test_teeth_that_fill_a_mouth_are_cut_at_the_lower_lip():
    donor = drawn(gap=18)
    full = np.where((donor.image == DARK).all(-1, keepdims=True), np.array(UPPER, np.uint8), donor.image)
    assert measure_donor(full, donor.lips, donor.skin, UNIT).split == pytest.approx(0.95)


def test_a_donor_without_a_gap_shows_nothing_below_its_teeth():
    donor = drawn(gap=18)
    full = np.where((donor.image == DARK).all(-1, keepdims=True), np.array(UPPER, np.uint8), donor.image)
    values = column(measure_donor(full, donor.lips, donor.skin, UNIT), 40.0)
    assert values[22:38].max() < 90  # no line of its lower lip floats in the dark


def test_laid_at_its_own_gap_it_is_itself():
    donor = drawn()
    colours, cover = lay_donor(donor, np.array([64.0, 30.0]), 30.0, 1.0, (128, 96))
    inside = (slice(33, 57), slice(40, 88))
    difference = np.abs(colours[inside] - donor.image[inside])
    assert (np.median(difference), difference.mean()) == (pytest.approx(0, abs=1), pytest.approx(0, abs=6))
    assert np.median(cover[inside]) > 0.99
    assert cover[:24].max() < 0.01


@pytest.mark.parametrize("gap", [16.0, 22.0, 30.0, 44.0])
def test_upper_teeth_neither_move_nor_stretch_and_lower_ones_follow_the_jaw(gap: float):
    values = column(drawn(), gap)
    upper = rows_like(values[:20], UPPER)
    assert (upper.min(), upper.max()) == (pytest.approx(1.5, abs=1.5), pytest.approx(11, abs=1))
    if gap >= 22:
        lower = rows_like(values, LOWER)
        assert lower.mean() == pytest.approx(gap - 3.5, abs=1.5)
        assert len(lower) == pytest.approx(4, abs=2)


def test_a_mouth_that_opens_wider_is_dark_between_the_teeth():
    values = column(drawn(), 60.0)
    assert values[18:48].max() < 60
    assert values[44] > values[20]  # a little lighter towards the tongue


def test_beside_the_donor_it_is_dark():
    colours, cover = lay_donor(drawn(width=30), np.array([64.0, 20.0]), 30.0, 1.0, (128, 96))
    assert cover[25:45, :40].max() < 0.01
    assert colours[25:45, :40].max() < 90


def test_size_is_free_of_the_donors_resolution():
    donor = drawn()
    large = donor.resized(256.0)
    assert (large.width, large.opening) == (
        pytest.approx(donor.width, rel=0.02),
        pytest.approx(donor.opening, rel=0.04),
    )
    np.testing.assert_allclose(column(large, 30.0, zoom=2.0)[2:28], column(donor, 30.0)[2:28], atol=25)


def test_colours_follow_light_more_than_hue():
    skin = np.array(SKIN, np.float32)
    np.testing.assert_allclose(colour_gain(skin, skin), 1)
    dim = colour_gain(0.8 * skin, skin)
    np.testing.assert_allclose(dim, 0.8**0.8, rtol=1e-5)
    warm = colour_gain(skin * np.array([1.2, 1.0, 1 / 1.2], np.float32), skin)
    assert 1.0 < warm[0] < 1.2
    assert colour_gain(skin, 0.01 * skin).max() <= 1.6


def test_the_donor_that_fits_is_the_one_with_that_opening_and_width():
    donors = [drawn(gap=20), drawn(gap=30), drawn(gap=30, width=40)]
    assert misfit(donors, drawn(gap=4), 30 / UNIT).argmin() == 1
    assert misfit(donors, drawn(gap=4, width=40), 30 / UNIT).argmin() == 2


def test_a_turned_face_narrows_the_donor():
    _, ahead = lay_donor(drawn(), np.array([64.0, 20.0]), 30.0, 1.0, (128, 96))
    _, turned = lay_donor(drawn(), np.array([64.0, 20.0]), 30.0, 1.0, (128, 96), turned=0.7)
    widths = [(cover[25] > 0.5).sum() for cover in (ahead, turned)]
    assert widths[1] / widths[0] == pytest.approx(0.7, abs=0.05)


def test_a_soft_photo_softens_its_donor_and_a_sharp_one_does_not():
    donor = drawn()
    soft = np.asarray(cv2.GaussianBlur(donor.image, (0, 0), 2.0), np.uint8)
    assert edge_fineness(soft) < 0.6 * edge_fineness(donor.image)
    assert edge_fineness((0.4 * donor.image).astype(np.uint8)) == pytest.approx(edge_fineness(donor.image), rel=0.05)
    assert softening(donor.image, edge_fineness(donor.image)) == 0
    sigma = softening(donor.image, edge_fineness(soft))
    assert edge_fineness(blurred_by(donor.image, sigma)) < 1.35 * edge_fineness(soft)


def test_zoom_shrinks_a_wide_donor_a_little_only():
    assert fitting_zoom(0.5, 0.5) == 1.0
    assert fitting_zoom(0.9, 0.4) == 1.05
    assert fitting_zoom(0.2, 0.5) == 0.88
    assert lip_gap(drawn().lips) == pytest.approx(30)
