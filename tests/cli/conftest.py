"""Files that the commands of the tests name."""

from pathlib import Path

import pytest


@pytest.fixture
def named_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder where the photos, speech and videos that the commands name exist, empty."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "a.jpg",
        "b.jpg",
        "s.wav",
        "v.mp4",
        "d.mp4",
        "m.npz",
        "x_ani.mp4",
        "c.srt",
        "f.ttf",
        "c.pem",
        "k.pem",
        "x/ada.jpg",
        "y/walk.mp4",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
