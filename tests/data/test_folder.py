"""Folders and tables -> clips."""

import re
from pathlib import Path

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
        for name in ("contact_sheet.png", "quality.png", "refused_no_face.png", "unused_sound_does_not_fit.png"):
            (folder / name).write_bytes(b"x")
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


TABLES = {  # name -> what a spreadsheet may save; all mean the same
    "plain": "file,split,speaker\na.mp4,train,ann\nsub/b.mp4,val,bob\n",
    "blanks": "file, split, speaker\n a.mp4 , train, ann\nsub/b.mp4, val, bob\n\n,,\n",
    "capitals": "File,SPLIT,Speaker\r\na.mp4,Train,ann\r\nsub/b.mp4,VALIDATION,bob\r\n",
    "semicolons": "file;split;speaker\na.mp4;training;ann\nsub/b.mp4;valid;bob\n",
    "tabs": "file\tsplit\tspeaker\na.mp4\ttrain\tann\nsub/b.mp4\tdev\tbob\n",
    "bars": "file|split|speaker\na.mp4||ann\nsub/b.mp4|development|bob\n",
    "backslashes": "file,split,speaker\na.mp4,train,ann\nsub\\b.mp4,val,bob\n",
}


@pytest.fixture
def two_clips(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    (root / "sub").mkdir(parents=True)
    for name in ("a.mp4", "sub/b.mp4"):
        (root / name).write_bytes(b"video")
    return root


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_tables_mean_the_same_however_they_are_saved(two_clips: Path, text: str, encoding: str) -> None:
    table = two_clips.parent / "clips.csv"
    table.write_bytes(text.encode(encoding))
    clips = find_folder_clips(two_clips, table, {"Split": ["train", "validation"]})
    assert [(clip.video, clip.split, clip.speaker) for clip in clips] == [
        (two_clips / "a.mp4", "train", "ann"),
        (two_clips / "sub/b.mp4", "val", "bob"),
    ]


@pytest.mark.parametrize(
    ("encoding", "speaker"), [("gbk", "张三"), ("cp1252", "José Müller"), ("cp1252", "Zoë"), ("utf-8", "Łukasz")]
)
def test_names_of_people_survive_every_encoding(two_clips: Path, encoding: str, speaker: str) -> None:
    table = two_clips.parent / "clips.csv"
    table.write_bytes(f"file,speaker\na.mp4,{speaker}\n".encode(encoding))
    assert find_folder_clips(two_clips, table, {})[0].speaker == speaker


def test_an_unknown_split_and_a_row_that_is_too_long_are_refused(two_clips: Path) -> None:
    table = two_clips.parent / "clips.csv"
    for text, says in (
        ("file,split\na.mp4,train\nsub/b.mp4,holdout\n", "row 2: unknown split 'holdout'"),
        ("file,split\na.mp4,train,ann\n", "row 1 has more cells"),
    ):
        table.write_text(text)
        with pytest.raises(DatasetError, match=says):
            find_folder_clips(two_clips, table, {})


@pytest.mark.parametrize(
    ("folder", "split"), [("valid", "val"), ("Test", "test"), ("dev", "val"), ("TRAINING", "train"), ("ann", "train")]
)
def test_folders_of_any_usual_word_are_splits(tmp_path: Path, folder: str, split: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a.mp4").write_bytes(b"video")
    (clip,) = find_folder_clips(tmp_path, None, {})
    assert (clip.split, clip.speaker) == (split, "ann" if folder == "ann" else "a")


@pytest.mark.parametrize("folder", ["test-clean", "dev_other", "train2", "holdout", "Held-out", "eval"])
def test_folders_that_seem_to_be_splits_are_no_people(tmp_path: Path, folder: str) -> None:
    for place in (tmp_path / "train" / "a.mp4", tmp_path / folder / "b.mp4"):
        place.parent.mkdir(parents=True)
        place.write_bytes(b"video")
    with pytest.raises(DatasetError, match=rf"{folder} seems to be a split, .* rename it, or give --table"):
        find_folder_clips(tmp_path, None, {})


@pytest.mark.parametrize("folder", ["valerie", "Devon", "trainer", "tester"])
def test_people_whose_names_begin_like_splits_are_people(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a.mp4").write_bytes(b"video")
    (clip,) = find_folder_clips(tmp_path, None, {})
    assert (clip.split, clip.speaker) == ("train", folder)


@pytest.mark.data
def test_collected_tables_are_read(shared_bugs: Path) -> None:
    for table in sorted((shared_bugs / "tables").iterdir()):
        clips = find_folder_clips(shared_bugs / "corpus", table, {})
        people = {clip.video.name: (clip.speaker, clip.split) for clip in clips}
        assert people["one.mp4"] == ("张三" if "gbk" in table.name else "ann", "train")
        if "two.mp4" in people:
            held = "train" if "backslashes" in table.name else "val"
            assert people["two.mp4"] == ("李四" if "gbk" in table.name else "bob", held)
