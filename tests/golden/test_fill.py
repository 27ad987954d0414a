"""The fill rule of the golden files, against its stated values and against plain integer arithmetic."""

import numpy as np

from tests.golden.fill import fill, hashed


def by_the_book(i: int, k: int) -> float:
    """One number in Python's own integers."""
    x = (i + 0x9E3779B9 * (k + 1)) % 2**32
    x ^= x >> 16
    x = x * 0x85EBCA6B % 2**32
    x ^= x >> 13
    x = x * 0xC2B2AE35 % 2**32
    x ^= x >> 16
    return x / 2**31 - 1


def test_hash_gives_the_stated_numbers():
    np.testing.assert_allclose(hashed(4, 0), [0.1467951601, 0.1767875454, 0.4082674659, 0.8555258303], atol=1e-10)
    np.testing.assert_allclose(hashed(3, 7), [0.6889785402, -0.2909227163, -0.8454249944], atol=1e-10)
    assert [by_the_book(i, 500) for i in range(50)] == hashed(50, 500).tolist()


def test_rules_scale_by_the_fan_in_and_spectral_norm_divides_by_the_largest_singular_value():
    listed = [
        ("conv.bias", (6,), "bias"),
        ("conv.weight_orig", (6, 4, 3, 3), "matrix"),
        ("conv.weight_u", (6,), "svd"),
        ("conv.weight_v", (36,), "svd"),
        ("norm.weight", (6,), "gain"),
        ("norm.num_batches_tracked", (), "zero"),
    ]
    made = fill(listed)
    assert list(made) == [name for name, _, _ in listed]
    np.testing.assert_allclose(made["conv.weight_orig"].ravel(), hashed(216, 1) * np.sqrt(3 / 36), rtol=1e-6)
    np.testing.assert_allclose(made["norm.weight"], 1 + 0.1 * hashed(6, 4), rtol=1e-6)
    matrix = made["conv.weight_orig"].reshape(6, 36)
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    np.testing.assert_allclose(made["conv.weight_u"] @ matrix @ made["conv.weight_v"], largest, rtol=1e-5)
    assert made["norm.num_batches_tracked"] == 0
