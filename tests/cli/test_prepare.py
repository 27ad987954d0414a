"""`talkface prepare --quintuple`: refused before any work where it cannot be done, and what it says when it is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from talkface.__main__ import run
from talkface.cli.prepare import write_demos
from talkface.data.interop.quintuple import read_quintuple
from talkface.data.prepare.example import Example, members
from talkface.data.prepare.shards import join_samples, write_sample
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import Clip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--set preprocess.size=128", "--quintuple writes pictures of 256x256: set preprocess.size=256"),
        ("--set preprocess.step=2", "--quintuple writes every frame: set preprocess.step=1"),
    ],
)
def test_settings_that_no_demo_could_have_are_refused_at_once(words, said, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    assert (
        run(["prepare", "folder", str(tmp_path / "in"), str(tmp_path / "out"), "--quintuple", "d", *words.split()]) == 1
    )
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_file_is_no_folder_for_demos(tmp_path, capsys):
    (tmp_path / "demo").write_text("taken")
    words = ["prepare", "folder", str(tmp_path), str(tmp_path / "out"), "--quintuple", str(tmp_path / "demo")]
    assert run(words) == 1 and "demo is a file: give a folder" in capsys.readouterr().err


def test_it_says_what_was_written_and_what_was_left_out(tmp_path, capsys):
    points = np.repeat((75 * MEAN_FACE + 128)[None], 2, 0).astype(np.float32)
    jpeg = cv2.imencode(".jpg", np.full((256, 256, 3), 120, np.uint8))[1].tobytes()
    for key, fps in (("ada-1", 25.0), ("ada-2", 5.0)):
        example = Example(points, np.zeros((2, 2, 3), np.float32), [jpeg, jpeg], None, None, 0.0, False, fps, 0, 2)
        found = Clip(key, Path("ada.mp4"), Path("ada.mp4"), "ada", "train")
        write_sample(tmp_path / f"{key}.tar", key, members(found, example))
    join_samples([tmp_path / "ada-1.tar", tmp_path / "ada-2.tar"], tmp_path / "shard-00000.tar")
    write_demos(tmp_path, ["ada-1", "ada-2"], tmp_path / "demo", quiet=False)
    said = capsys.readouterr().out
    assert "note: not written" in said and "ada-2: its frames are not 25 per second (5)" in said
    assert f"1 clips -> {tmp_path / 'demo'}, such as {tmp_path / 'demo' / 'ada-1'}_aligned.mp4" in said
    assert read_quintuple(tmp_path / "demo").sound is None
