"""Every video says that it is synthetic, and other files do not."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.io import wavfile

from talkface.errors import MediaError
from talkface.media.mark.tag import MARK, is_mark, mark_comment, read_comment, verify_mark
from talkface.media.write import VideoWriter


def test_the_mark_comes_first_once_and_on_one_line() -> None:
    assert mark_comment() == MARK
    assert mark_comment("renderer\n  hybrid") == f"{MARK}: renderer hybrid"
    assert mark_comment(mark_comment("x")) == mark_comment("x")


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov"])
def test_a_written_video_is_recognised(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"o{suffix}"
    with VideoWriter(path, (32, 32), Fraction(25), comment="quotes ' and = signs; é") as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    assert verify_mark(path)
    assert read_comment(path) == f"{MARK}: quotes ' and = signs; é"


@pytest.mark.data
def test_a_real_video_is_not(shared_data: Path) -> None:
    assert not verify_mark(shared_data / "layouts/odd_containers/gray.mp4")


def test_photos_and_sounds_are_no_videos(tmp_path: Path) -> None:
    Pillow.new("RGB", (32, 32)).save(tmp_path / "photo.jpg")
    Pillow.new("RGB", (32, 32)).save(tmp_path / "photo.mp4", format="png")
    wavfile.write(tmp_path / "sound.wav", 16_000, np.zeros(1600, np.float32))
    for name, says in {"photo.jpg": "is a picture", "photo.mp4": "is a picture", "sound.wav": "no moving"}.items():
        with pytest.raises(MediaError, match=f"{name} .*{says}"):
            verify_mark(tmp_path / name)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    with pytest.raises(MediaError, match="not a video"):
        verify_mark(tmp_path / "text.mp4")
    with pytest.raises(MediaError, match="no file"):
        verify_mark(tmp_path / "none.mp4")


def test_the_mark_is_whole_words_at_the_start():
    assert is_mark(MARK) and is_mark(f" {MARK}: 2 s") and is_mark(f"{MARK} 0.1")
    assert not any(map(is_mark, (f"{MARK}less 2", f"no {MARK}", MARK.upper(), "")))
