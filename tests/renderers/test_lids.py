"""A shut lid looks like skin, whatever shadow it was stretched from."""

import numpy as np
import pytest

from talkface.renderers.canvas import smooth_band

SKIN = np.array([200.0, 150.0, 120.0])


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


@pytest.mark.parametrize("tone", [1.0, 0.3])
def test_a_dark_streaky_lid_becomes_even_skin(tone: float) -> None:
    skin = tone * SKIN
    frame = np.tile(skin, (100, 140, 1))
    frame[30:50, 40:100] = 0.3 * skin
    frame[30:50, 40:100:6] = 0.1 * skin  # lashes
    frame = frame.astype(np.uint8)
    before = frame.copy()
    smooth_band(frame, box(40, 30, 100, 50), box(40, 55, 100, 75), 1.0)
    lid = frame[36:44, 50:90].reshape(-1, 3)
    assert (lid.mean(0) > 0.75 * skin).all() and (lid.mean(0) < skin + 1).all()
    assert (np.ptp(lid, axis=0) < 0.1 * skin).all()
    np.testing.assert_array_equal(frame[60:], before[60:])
    np.testing.assert_array_equal(frame[:15], before[:15])
