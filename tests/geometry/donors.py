"""Donors drawn as rectangles."""

import numpy as np

from talkface.geometry.donor import Donor, measure_donor

UPPER, DARK, LOWER, SKIN = (230, 220, 200), (40, 20, 20), (180, 170, 150), (200, 150, 130)
UNIT = 128.0


def drawn(gap: int = 30, width: int = 60, unit: float = UNIT) -> Donor:
    """A mouth that is a rectangle: 12 rows of upper teeth, dark rows, 6 rows of lower teeth."""
    image = np.full((96, 128, 3), SKIN, np.uint8)
    left, top = 64 - width // 2, 30
    image[top : top + gap, left : left + width] = DARK
    image[top : top + 12, left : left + width] = UPPER
    image[top + gap - 6 : top + gap, left : left + width] = LOWER
    x = np.array([0.0, 0.01, 0.5, 0.99, 1.0, 0.99, 0.5, 0.01]) * width + left
    y = np.array([0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]) * gap + top
    return measure_donor(image, np.stack([x, y], 1), np.array(SKIN, np.float32), unit)
