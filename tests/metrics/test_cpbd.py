"""CPBD against hand-made edges, and against what blur must do."""

import cv2
import numpy as np
import pytest

from talkface.metrics.cpbd import cpbd, edge_widths, sobel_edges


def ramp(width: int, size: int = 64) -> np.ndarray:
    """Dark left, bright right, `width` pixels of smooth rise between, steepest a little off the middle."""
    share = np.clip((np.arange(size) - size // 2 - 0.3 + width / 2) / width, 0, 1)
    return np.repeat((40 + 160 * share**2 * (3 - 2 * share))[None], size, 0)


@pytest.mark.parametrize("width", [4, 6, 10])
@pytest.mark.parametrize("flip", [False, True])
def test_an_edge_is_as_wide_as_it_was_drawn(width: int, flip: bool):
    grey = ramp(width)
    widths = edge_widths(grey[:, ::-1] if flip else grey)
    found = widths[widths > 0]
    assert len(found) > 0
    assert np.abs(found - width).max() <= 1


def test_edges_across_rows_are_not_measured():
    widths = edge_widths(ramp(4).T.copy())
    assert (widths[2:-2, 2:-2] == 0).all()


def test_a_step_is_one_column_of_edges():
    edges = sobel_edges(ramp(2))
    assert set(np.flatnonzero(edges.any(0))) <= {31, 32}
    assert not edges[[0, -1]].any()


def test_values_of_the_widely_used_package(astronaut: np.ndarray):
    crop = np.ascontiguousarray(astronaut[:256, 100:356])
    blurred = np.asarray(cv2.GaussianBlur(crop, (0, 0), 1.0))
    assert cpbd(crop) == pytest.approx(0.452, abs=0.005)  # package cpbd-py312 1.0.3 on the same luma
    assert cpbd(blurred) == pytest.approx(0.109, abs=0.005)


def test_blur_lowers_it(astronaut: np.ndarray):
    crop = np.ascontiguousarray(astronaut[:256, 100:356])
    scores = [cpbd(np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma))) for sigma in (0.5, 1.0, 2.0)]
    assert cpbd(crop) > scores[0] > scores[1] > scores[2]


def test_an_even_picture_has_no_edge_to_judge():
    pytest.importorskip("skimage")
    assert np.isnan(cpbd(np.full((128, 128, 3), 90, np.uint8)))
