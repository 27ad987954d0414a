"""Parsed values against expected types: the quick way for lists of whole numbers refuses what the slow one does."""

import pytest

from talkface.files.check import matches


@pytest.mark.parametrize(
    ("value", "fits"),
    [([], True), ([0, 5], True), ([2**63 - 1, -(2**62)], True), ([2**63], False), ([1, True], False), ([1.0], False),
     (["1"], False), ([None], False), (3, False), ([-(2**63)], False)],
)  # fmt: skip
def test_lists_of_whole_numbers(value: object, fits: bool):
    assert matches(value, list[int]) is fits
