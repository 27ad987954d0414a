import cv2
import pytest
import torch

from talkface.scale.threads import limit_threads


def threads() -> tuple[int, int]:
    return cv2.getNumThreads(), torch.get_num_threads()


def test_threads_are_limited_inside_only() -> None:
    before = threads()
    with limit_threads(3):
        assert threads() == (3, 3)
        with limit_threads(0):
            assert threads() == (3, 3)
        with limit_threads(1, opencv=False):
            assert threads() == (3, 1)
        assert threads() == (3, 3)
    with pytest.raises(ValueError, match="stop"), limit_threads(2):
        raise ValueError("stop")
    assert threads() == before
