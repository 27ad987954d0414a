"""A few frames from the middle of a video are the ones that a whole reading gives."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from talkface.errors import MediaError
from talkface.media.read import read_frames
from talkface.media.seek import read_window
from talkface.media.write import VideoWriter

FPS = Fraction(25)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames whose brightness grows by one every other frame, 16 s at 25 per second: two key frames at least."""
    path = tmp_path_factory.mktemp("window") / "counted.mp4"
    with VideoWriter(path, (32, 32), FPS) as writer:
        for index in range(400):
            writer.write(np.full((32, 32, 3), index // 2, np.uint8))
    return path


@pytest.mark.parametrize("start", [0, 1, 137, 262, 380])
def test_a_window_is_the_same_frames(counted: Path, start: int):
    whole = [image for image, _ in read_frames(counted, FPS)]
    window = list(read_window(counted, FPS, start / FPS, 20))
    assert len(window) == 20
    for seen, expected in zip(window, whole[start : start + 20], strict=True):
        np.testing.assert_array_equal(seen, expected)


def test_a_window_beyond_the_end_is_shorter(counted: Path):
    assert len(list(read_window(counted, FPS, Fraction(395, 25), 20))) == 5
    assert list(read_window(counted, FPS, Fraction(60), 20)) == []


def test_another_rate_takes_the_nearest_frames(counted: Path):
    whole = [image for image, _ in read_frames(counted, Fraction(10))]
    window = list(read_window(counted, Fraction(10), Fraction(8), 10))
    differences = [abs(int(a[0, 0, 0]) - int(b[0, 0, 0])) for a, b in zip(window, whole[80:90], strict=True)]
    assert max(differences) <= 1
    with pytest.raises(MediaError, match="gone"):
        next(read_window(counted.with_name("gone.mp4"), FPS, Fraction(0), 1))
