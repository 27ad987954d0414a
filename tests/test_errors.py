"""Files that cannot be read are refused in one line, the same for photos, videos and speech."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from talkface.errors import MediaError
from talkface.media.read import probe_video, read_photo
from talkface.media.speech import open_speech

READERS = [read_photo, probe_video, open_speech]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none", "no file .*none: check the name"),
        ("empty", r"is empty \(0 bytes\)"),
        ("folder", "is a folder, expected a "),
        ("loop", "no file .*loop"),
        ("x" * 300, "no file"),
    ],
)
def test_what_holds_nothing_to_read(tmp_path: Path, read: Callable[[Path], object], name: str, says: str) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(MediaError, match=says) as refusal:
        read(tmp_path / name)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("read", READERS)
def test_a_file_that_may_not_be_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "secret").write_bytes(b"content")
    (tmp_path / "secret").chmod(0)
    with pytest.raises(MediaError, match="may not be read: change its permissions"):
        read(tmp_path / "secret")
