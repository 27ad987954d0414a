"""Thin-plate spline against its identities and SciPy's."""

import numpy as np
from scipy.interpolate import RBFInterpolator

from talkface.geometry.spline import fit_thin_plate


def test_passes_through_values_and_reproduces_affine_maps():
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(20, 2))
    values = rng.normal(size=(20, 2))
    assert np.allclose(fit_thin_plate(points, values, np.zeros(20))(points), values, atol=1e-3)
    affine = points @ rng.normal(size=(2, 2)) + 3
    elsewhere = rng.uniform(size=(7, 2)) * 3
    again = fit_thin_plate(points, affine, np.full(20, 0.1))(elsewhere)
    assert np.allclose(again, fit_thin_plate(points, affine, np.zeros(20))(elsewhere), atol=1e-3)


def test_agrees_with_scipy():
    rng = np.random.default_rng(1)
    points, values, elsewhere = rng.uniform(size=(15, 2)), rng.normal(size=(15, 2)), rng.uniform(size=(9, 2))
    ours = fit_thin_plate(points, values, np.full(15, 0.2))(elsewhere)
    # SciPy's kernel is r^2 log r, half of ours, so that the same smoothing is half as stiff there
    theirs = RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=0.1)(elsewhere)
    assert np.allclose(ours, theirs, atol=1e-3)
