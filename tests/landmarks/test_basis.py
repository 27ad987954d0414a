"""PCA basis: exact within its span, nothing moves at zero, left-out points stay."""

import numpy as np
import pytest

from talkface.landmarks.basis import fit_basis


@pytest.fixture
def motion() -> np.ndarray:
    rng = np.random.default_rng(0)
    shapes = rng.standard_normal((3, 68, 2))
    shapes[:, :10] = 0
    return np.tensordot(rng.standard_normal((200, 3)) * [3, 2, 1], shapes, 1).astype(np.float32)


def test_three_components_rebuild_three_shapes(motion: np.ndarray) -> None:
    weights = np.ones(68, np.float32)
    weights[:10] = 0
    weights[40:] = 0.5
    basis = fit_basis(motion, weights, 3)
    np.testing.assert_allclose(basis.decode(basis.encode(motion)), motion, atol=1e-4)
    assert basis.variance == pytest.approx(1, abs=1e-6)
    assert not basis.decode(np.ones(3)).any(axis=-1)[:10].any()


def test_variance_agrees_with_svd(motion: np.ndarray) -> None:
    basis = fit_basis(motion, np.ones(68, np.float32), 2)
    singular = np.linalg.svd(motion.reshape(200, -1), compute_uv=False)
    assert basis.variance == pytest.approx((singular[:2] ** 2).sum() / (singular**2).sum(), rel=1e-4)


def test_zero_coefficients_are_the_closed_mouth(motion: np.ndarray) -> None:
    assert not fit_basis(motion, np.ones(68, np.float32), 2).decode(np.zeros(2)).any()


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="16 components"):
        fit_basis(np.zeros((5, 68, 2), np.float32), np.ones(68, np.float32), 16)
