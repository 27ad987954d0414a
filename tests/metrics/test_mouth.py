"""Inside of a mouth against drawn pictures whose sharpness and teeth are known."""

import cv2
import numpy as np
import pytest

from talkface.landmarks.layout import INNER_LIP
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.metrics.mouth import inner_mouth, typical_inner_mouth
from talkface.types import Shot

SKIN, TEETH, DARK = (190, 140, 120), (215, 205, 190), (60, 25, 25)


def drawn(unit: float = 160.0, gap: float = 0.2, teeth: float = 0.5, turn: float = 0.0) -> Shot:
    """A face of one colour whose inner mouth, a rectangle, is teeth in its upper `teeth` share and dark below."""
    points = np.asarray(MEAN_FACE, np.float64) * unit + 1.5 * unit
    x, y = points[INNER_LIP].mean(0)
    across = np.array([-0.2, -0.2, 0.0, 0.2, 0.2, 0.2, 0.0, -0.2]) * unit
    down = np.array([0.0, -0.5, -0.5, -0.5, 0.0, 0.5, 0.5, 0.5]) * gap * unit
    points[INNER_LIP] = np.stack([x + across, y + down], 1)
    image = np.full((round(3 * unit), round(3 * unit), 3), SKIN, np.uint8)
    left, right = round(x - 0.2 * unit), round(x + 0.2 * unit)
    top, bottom = round(y - 0.5 * gap * unit), round(y + 0.5 * gap * unit)
    image[top : bottom + 1, left : right + 1] = DARK
    image[top : round(top + teeth * (bottom - top)), left : right + 1] = TEETH
    middle = np.array([1.5 * unit, 1.5 * unit])
    matrix = cv2.getRotationMatrix2D(tuple(middle), turn, 1.0)
    turned = cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return Shot(np.asarray(turned, np.uint8), (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_teeth_are_the_share_that_was_drawn(share: float):
    assert inner_mouth(drawn(teeth=share)).teeth == pytest.approx(share, abs=0.06)


def test_neither_white_light_on_skin_nor_red_gums_are_teeth():
    shot = drawn(teeth=0.5)
    red = np.where((shot.image == TEETH).all(-1, keepdims=True), np.array([215, 110, 110], np.uint8), shot.image)
    assert inner_mouth(Shot(red, shot.landmarks)).teeth == 0.0


def test_size_and_roll_of_the_face_do_not_matter():
    reference = inner_mouth(drawn())
    for other in (drawn(unit=320.0), drawn(turn=25.0)):
        found = inner_mouth(other)
        assert found.teeth == pytest.approx(reference.teeth, abs=0.05)
        assert found.sharpness == pytest.approx(reference.sharpness, rel=0.2)


def test_sharpness_is_the_mean_slope_of_a_known_ramp():
    """A luma ramp of 2 grey levels a pixel: the Sobel kernel sums 8 such steps."""
    shot = drawn()
    ramp = np.clip(2.0 * (np.arange(shot.image.shape[1]) - 180), 0, 255)
    image = np.repeat(np.broadcast_to(ramp, shot.image.shape[:2])[..., None], 3, -1).astype(np.uint8)
    assert inner_mouth(Shot(np.ascontiguousarray(image), shot.landmarks)).sharpness == pytest.approx(16.0, rel=0.02)


def test_blur_lowers_sharpness_and_shut_lips_have_none():
    sharp = drawn()
    sharp.image[:, ::4] = 0  # stripes: a single edge keeps its mean slope when it is blurred
    soft = Shot(np.asarray(cv2.GaussianBlur(sharp.image, (0, 0), 4), np.uint8), sharp.landmarks)
    assert inner_mouth(soft).sharpness < 0.7 * inner_mouth(sharp).sharpness
    shut = inner_mouth(drawn(gap=0.0))
    assert (shut.sharpness, shut.teeth) == (0.0, 0.0)


def test_a_clip_has_the_mean_of_its_frames():
    both = typical_inner_mouth([drawn(teeth=0.2), drawn(teeth=0.6)])
    assert both.teeth == pytest.approx(0.4, abs=0.06)
    assert np.isnan(typical_inner_mouth([]).sharpness)
