"""Folders and tables -> clips."""

import re

import pytest

from talkface.data.sources.folder import find_folder_clips
from talkface.errors import DatasetError


@pytest.fixture
def tree(tmp_path):
    for name in (
        "train/anna/a.b c.mp4",
        "train/anna/a_b_c.mkv",
        "train/anna/a_b_c.wav",
        "test/bert/x.mov",
        "loose.webm",
        "carla/1.jpg",
        "carla/2.png",
        "notes.txt",
        ".hidden.mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_folders_name_speakers_and_splits(tree):
    clips = {clip.key: clip for clip in find_folder_clips(tree, None, {})}
    assert {(clip.speaker, clip.split) for clip in clips.values()} == {
        ("anna", "train"),
        ("bert", "test"),
        ("loose", "train"),
        ("carla", "train"),
    }
    assert clips["photos_carla"].info["photos"] == [str(tree / "carla/1.jpg"), str(tree / "carla/2.png")]


def test_keys_are_unique_and_fit_for_shards(tree):
    keys = [clip.key for clip in find_folder_clips(tree, None, {})]
    assert len(keys) == len(set(keys)) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in keys)


def test_a_sound_file_beside_a_video_replaces_its_sound(tree):
    sounds = {clip.video.name: clip.audio.name for clip in find_folder_clips(tree, None, {})}
    assert sounds["a_b_c.mkv"] == "a_b_c.wav" and sounds["x.mov"] == "x.mov"


def test_table_chooses_rows_and_brings_columns(tree):
    table = tree / "t.csv"
    table.write_text(
        "file,split,identity,tier,licence\n"
        "loose.webm,test,Lou,A,CC0\ntest/bert/x.mov,train,Bert,C,none\ncarla/1.jpg,train,Carla,B,CC BY-NC\n"
    )
    clips = find_folder_clips(tree, table, {"tier": ["A", "B"]})
    assert [(c.speaker, c.split, c.info["licence"]) for c in clips] == [
        ("Lou", "test", "CC0"),
        ("Carla", "train", "CC BY-NC"),
    ]
    assert [c.speaker for c in find_folder_clips(tree, table, {"tier": ["A", "C"], "split": ["train"]})] == ["Bert"]


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        ("name\nx\n", {}, "no column `file`"),
        ("file\nloose.webm\n", {"tier": ["A"]}, "no such column"),
        ("file,tier\nloose.webm,C\n", {"tier": ["A"]}, "fits"),
        ("file\n../../etc/x.mp4\n", {}, "outside"),
    ],
)
def test_wrong_tables_are_one_line(tree, content, where, message):
    table = tree / "t.csv"
    table.write_text(content)
    with pytest.raises(DatasetError, match=message):
        find_folder_clips(tree, table, where)


def test_shards_written_into_the_corpus_are_no_clips(tree):
    before = find_folder_clips(tree, None, {})
    for folder in (tree, tree / "shards"):
        folder.mkdir(exist_ok=True)
        (folder / "contact_sheet.png").write_bytes(b"x")
        (folder / "prepare.json").write_text("{}")
    assert find_folder_clips(tree, None, {}) == before
    (tree / "carla" / "contact_sheet.png").write_bytes(b"x")  # somebody's picture, with no shards beside it
    photos = [clip.info["photos"] for clip in find_folder_clips(tree, None, {}) if "photos" in clip.info]
    assert [len(names) for names in photos] == [3]


def test_wrong_folders_are_one_line(tmp_path):
    with pytest.raises(DatasetError, match="no folder"):
        find_folder_clips(tmp_path / "absent", None, {})
    with pytest.raises(DatasetError, match="no video and no photo"):
        find_folder_clips(tmp_path, None, {})
    with pytest.raises(DatasetError, match="--table"):
        find_folder_clips(tmp_path, None, {"split": ["train"]})
