"""Pixel scores against scikit-image, hand numbers and identities."""

import numpy as np
import pytest

pytest.importorskip("skimage")
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from talkface.geometry.resample import cut_patch
from talkface.metrics.image import away_from_face, luma, masked_difference, polygon_l1, psnr, square_map, ssim


@pytest.fixture(scope="module")
def pair(astronaut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A crop of the astronaut and a noisy copy."""
    real = np.ascontiguousarray(astronaut[60:190, 150:290])
    noise = np.random.default_rng(0).normal(0, 12, real.shape)
    return np.clip(real + noise, 0, 255).astype(np.uint8), real


def test_identical_images_score_one_and_infinity(pair):
    _, real = pair
    assert ssim(real, real) == pytest.approx(1.0)
    assert psnr(real, real) == float("inf")


def test_ssim_equals_scikit_image(pair):
    made, real = pair
    expected = structural_similarity(
        luma(made), luma(real), data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(made, real) == pytest.approx(expected, abs=1e-6)


def test_psnr_equals_scikit_image_and_does_not_wrap(pair):
    made, real = pair
    assert psnr(made, real) == pytest.approx(peak_signal_noise_ratio(real, made))
    black, grey = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 10, np.uint8)
    assert psnr(black, grey) == psnr(grey, black) == pytest.approx(20 * np.log10(25.5))


def test_ssim_falls_as_noise_grows(pair):
    _, real = pair
    rng = np.random.default_rng(1)
    scores = [ssim(np.clip(real + rng.normal(0, s, real.shape), 0, 255).astype(np.uint8), real) for s in (4, 16, 48)]
    assert scores[0] > scores[1] > scores[2]


def test_polygon_l1_counts_only_the_inside():
    real = np.zeros((40, 40, 3), np.uint8)
    made = real.copy()
    made[10:20, 10:20] = 30
    made[0:5] = 255
    square = np.array([[10.0, 10.0], [19.0, 10.0], [19.0, 19.0], [10.0, 19.0]])
    assert polygon_l1(made, real, square) == pytest.approx(30.0)
    assert polygon_l1(made, real, square + np.array([0.0, 15.0])) == 0.0
    assert np.isnan(polygon_l1(made, real, square + 100.0))


def test_away_from_face_leaves_the_face_out():
    face = np.array([[40.0, 40.0], [60.0, 60.0]])
    away = away_from_face((100, 120), face, factor=2.0)
    assert away.shape == (100, 120)
    assert not away[50, 50]
    assert not away[30, 70]
    assert away[5, 5]
    assert away[50, 115]


def test_masked_difference_by_hand():
    real = np.full((4, 4, 3), 100, np.uint8)
    made = real.copy()
    made[0] = 90
    mask = np.zeros((4, 4), bool)
    mask[:2] = True
    assert masked_difference(made, real, mask) == pytest.approx(5.0)
    assert masked_difference(made, real, ~mask & False) != masked_difference(made, real, ~mask & False)  # NaN


def test_square_of_the_whole_image_is_the_image():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut_patch(image, square_map(np.array([32.0, 32.0]), 64, 64), 64), image)
