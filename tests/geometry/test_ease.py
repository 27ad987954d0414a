"""The smooth step has flat ends, and arrays and numbers agree."""

import numpy as np
import pytest

from talkface.geometry.spline import smooth_step


def test_ends_middle_and_shape():
    values = np.array([[-1.0, 2.0], [3.0, 4.0], [9.0, 2.5]])
    eased = smooth_step(values, 2.0, 4.0)
    np.testing.assert_allclose(eased, [[0, 0], [0.5, 1], [1, 0.15625]])
    assert [smooth_step(float(value), 2.0, 4.0) for value in values.flat] == pytest.approx(eased.ravel())
    assert isinstance(smooth_step(0.3), float)
    assert smooth_step(1e-4) < 1e-7 and 1 - smooth_step(1 - 1e-4) < 1e-7, "flat at both ends"
