"""Published layouts, real and constructed -> Clips; wrong roots -> one line that helps."""

from pathlib import Path

import pytest

from talkface.data.sources.grid import read_align, read_sentence
from talkface.data.sources.registry import CORPORA, find_clips
from talkface.data.sources.tree import is_lfs_pointer, make_key, split_by_speaker
from talkface.errors import DatasetError
from talkface.types import Clip
from tests.data.published import LFS_POINTER, LRS3_PRETRAIN, LRS3_TEXT, LRW_TEXT, VOX2_TEXT, put, put_wave


def by_key(clips: list[Clip]) -> dict[str, Clip]:
    assert len({clip.key for clip in clips}) == len(clips)
    return {clip.key: clip for clip in clips}


def assert_disjoint(clips: list[Clip]) -> None:
    splits: dict[str, set[str]] = {}
    for clip in clips:
        splits.setdefault(clip.speaker, set()).add(clip.split)
    assert all(len(found) == 1 for found in splits.values())


@pytest.fixture
def lrw(tmp_path: Path) -> Path:
    root = tmp_path / "LRW"
    for word, split in (("ABOUT", "train"), ("ABOUT", "test"), ("THINK", "val")):
        put(root / "lipread_mp4" / word / split / f"{word}_00001{split[1]}.mp4")
    put(root / "lipread_mp4/ABOUT/train/ABOUT_00001r.txt", LRW_TEXT)
    return root


@pytest.fixture
def lrs3(tmp_path: Path) -> Path:
    root = tmp_path / "lrs3"
    for index in range(60):
        put(root / "pretrain" / f"talk{index}" / "00001.mp4")
        put(root / "pretrain" / f"talk{index}" / "00001.txt", LRS3_PRETRAIN)
        put(root / "trainval" / f"talk{index}" / "50001.mp4")
        put(root / "trainval" / f"talk{index}" / "50001.txt", LRS3_TEXT)
    put(root / "test" / "a_-b" / "00001.mp4")
    put(root / "test" / "a_-b" / "00001.txt", LRS3_TEXT)
    return root


def test_real_layouts(shared_data: Path):
    layouts = shared_data / "layouts"
    counts = {"lrw": ("derived_LRW", 3), "grid": ("GRID", 5), "lrs3": ("derived_LRS3", 2)}
    counts |= {"cremad": ("derived_CREMA-D", 1), "voxceleb2": ("derived_VoxCeleb2", 2)}
    for name, (folder, count) in counts.items():
        clips = find_clips(name, layouts / folder)
        assert len(by_key(clips)) == count, name
        assert all(clip.video.is_file() and clip.audio.is_file() and clip.info["licence"] for clip in clips)
    assert find_clips("lrs3", layouts / "LRS3_avhubert")[0].audio.suffix == ".wav"
    with pytest.raises(DatasetError, match="git lfs pull"):
        find_clips("cremad", layouts / "CREMA-D")


def test_real_layouts_are_told_apart(shared_data: Path):
    layouts = shared_data / "layouts"
    own = {"lrw": "derived_LRW", "lrs3": "derived_LRS3", "cremad": "CREMA-D", "voxceleb2": "derived_VoxCeleb2"}
    own["grid"] = "GRID"
    for name, folder in own.items():
        for other in set(CORPORA) - {name}:
            with pytest.raises(DatasetError, match=f"it looks like {name}: talkface prepare {name} "):
                find_clips(other, layouts / folder)


def test_grid_words_of_a_real_sentence(shared_data: Path):
    clip = by_key(find_clips("grid", shared_data / "layouts" / "GRID"))["s1-bras7s"]
    assert clip.transcript == "bin red at s seven soon" == read_sentence("bras7s")
    assert clip.info["words"][1] == ["bin", 0.77, 0.98]
    assert clip.audio == clip.video


def test_lrw(lrw: Path):
    clips = by_key(find_clips("lrw", lrw))
    assert {key: clip.split for key, clip in clips.items()} == {
        "ABOUT_00001r": "train",
        "ABOUT_00001e": "test",
        "THINK_00001a": "val",
    }
    clip = clips["ABOUT_00001r"]
    assert clip.transcript == "ABOUT"
    assert clip.info["words"] == [["ABOUT", 0.33, 0.83]]  # half a second in the middle of 1.16 s
    assert clip.info["channel"] == "BBC ONE"
    assert "words" not in clips["THINK_00001a"].info  # no text file, still a clip
    assert [c.key for c in find_clips("lrw", lrw / "lipread_mp4")] == list(clips)


def test_grid_speakers_are_divided(tmp_path: Path):
    for number in (1, 2, 6, 10, 15):
        put(tmp_path / f"s{number}" / "bbaf2n.mpg")
        put(tmp_path / f"s{number}" / "swwvz9a.txt")
    put(tmp_path / "notes" / "bbaf2n.mpg")
    clips = find_clips("grid", tmp_path)
    assert [clip.speaker for clip in clips] == [f"grid-s{n}" for n in (1, 2, 6, 10, 15)]
    assert_disjoint(clips)
    assert {clip.split for clip in clips} == {"train", "val", "test"}
    assert clips[0].transcript == "bin blue at f two now"


def test_grid_takes_50_khz_sound_and_leaves_cut_sound(tmp_path: Path):
    put(tmp_path / "s1/video/mpg_6000/bbaf2n.mpg")
    put(tmp_path / "s1/video/mpg/bbaf2n.mpg")
    put(tmp_path / "s1/video/mpg/lbax4n.mpg")
    put(tmp_path / "alignments/s1/bbaf2n.align", "0 23750 sil\n23750 29500 bin\n29500 74500 sil\n")
    cut = put_wave(tmp_path / "audio_25k/s1/bbaf2n.wav", 1.7, 25_000)
    put_wave(tmp_path / "audio_25k/s1/lbax4n.wav", 1.7, 25_000)
    clips = by_key(find_clips("grid", tmp_path))
    assert clips["s1-bbaf2n"].video.parent.name == "mpg_6000"
    assert clips["s1-bbaf2n"].audio == clips["s1-bbaf2n"].video
    whole = put_wave(tmp_path / "s1/audio/50kHz/bbaf2n.wav", 3.0, 50_000)
    clips = by_key(find_clips("grid", tmp_path))
    assert clips["s1-bbaf2n"].audio == whole != cut
    assert clips["s1-lbax4n"].audio == clips["s1-lbax4n"].video


def test_grid_one_speaker_is_divided_by_sentence(tmp_path: Path):
    for letter in "abcdefghijklmnopqrstuvxyz":
        put(tmp_path / "s1" / "video" / f"bba{letter}2n.mpg")
    clips = find_clips("grid", tmp_path / "s1")
    assert {clip.split for clip in clips} == {"train", "val", "test"}
    assert all(clip.info["split_by"] == "sentence" for clip in clips)
    assert [clip.split for clip in find_clips("grid", tmp_path)] == [clip.split for clip in clips]


def test_align_lines_that_are_none_are_passed_over():
    assert read_align("0 25000 sil\nrubbish\n25000 x y\n25000 50000 at\n") == [("sil", 0.0, 1.0), ("at", 1.0, 2.0)]


def test_lrs3(lrs3: Path):
    clips = find_clips("lrs3", lrs3)
    keyed = by_key(clips)
    assert keyed["test-a_-b-00001"].split == "test"
    assert keyed["test-a_-b-00001"].transcript == "WE CAN DO IT"
    assert keyed["pretrain-talk3-00001"].info["words"] == [["SO", 0.15, 0.3], ["THE", 0.3, 0.41], ["IDEA", 0.41, 0.9]]
    assert_disjoint(clips)
    assert {clip.split for clip in clips} == {"train", "val", "test"}


def test_cremad(tmp_path: Path):
    put(tmp_path / "VideoFlash/1001_IEO_NEU_XX.flv")
    put(tmp_path / "VideoFlash/1002_WSI_SAD_HI.flv", LFS_POINTER)
    put(tmp_path / "AudioWAV/1001_IEO_NEU_XX.wav", LFS_POINTER)
    put(tmp_path / "AudioWAV/1002_WSI_SAD_HI.wav")
    put(tmp_path / "VideoDemographics.csv", '"ActorID","Age","Sex"\n1001,51,"Male"\n')
    clips = by_key(find_clips("cremad", tmp_path))
    first, second = clips["1001_IEO_NEU_XX"], clips["1002_WSI_SAD_HI"]
    assert first.transcript == "It's eleven o'clock"
    assert first.audio == first.video  # the WAV is a pointer
    assert (first.info["age"], first.info["emotion"]) == ("51", "neutral")
    assert (second.info["emotion"], second.info["level"]) == ("sad", "high")
    assert second.audio.parent.name == "AudioWAV"
    assert is_lfs_pointer(second.video) and not is_lfs_pointer(first.video)


def test_voxceleb1_frames(tmp_path: Path):
    for name in ("Aamir_Khan", "Eva_Green"):
        for index in range(3):
            put(tmp_path / "unzippedFaces" / name / "1.6" / "5ablueV_1tw" / f"{index:07d}.jpg")
    clips = by_key(find_clips("voxceleb1", tmp_path))
    clip = clips["Eva_Green-5ablueV_1tw"]
    assert clip.split == "test"
    assert [Path(name).name for name in clip.info["photos"]] == ["0000000.jpg", "0000001.jpg", "0000002.jpg"]
    assert clips["Aamir_Khan-5ablueV_1tw"].split != "test"


def test_voxceleb1_videos(tmp_path: Path):
    put(tmp_path / "train" / "id10005#WMh3ye5tBsE#003657#003994.mp4")
    put(tmp_path / "test" / "id10283#bDxy7bnj_bc#016635#016759.mp4")
    put(tmp_path / "train" / "id10003#na8-QEFmj44#005580#005654.mp4" / "0000000.png")
    clips = by_key(find_clips("voxceleb1", tmp_path))
    assert clips["id10283-bDxy7bnj_bc-016635-016759"].split == "test"
    assert clips["id10005-WMh3ye5tBsE-003657-003994"].speaker == "id10005"
    assert clips["id10003-na8-QEFmj44-005580-005654"].info["photos"]


@pytest.mark.parametrize("arranged", ["dev/mp4", "dev", "mp4", "."])
def test_voxceleb2_with_and_without_its_upper_folders(tmp_path: Path, arranged: str):
    put(tmp_path / arranged / "id00012" / "21Uxsk56VDQ" / "00001.mp4")
    text = {"dev/mp4": "dev/txt", "dev": "dev/txt", "mp4": "txt", ".": "txt"}[arranged]
    put(tmp_path / text / "id00012" / "21Uxsk56VDQ" / "00001.txt", VOX2_TEXT)
    (clip,) = find_clips("voxceleb2", tmp_path)
    assert clip.key == "id00012-21Uxsk56VDQ-00001"
    assert clip.info["corpus_offset"] == -2.0
    assert clip.info["face_confidence"] == 20.3


def test_voxceleb2_test_people_and_separate_sound(tmp_path: Path):
    put(tmp_path / "test/mp4/id00017/abc/00001.mp4")
    sound = put(tmp_path / "test/aac/id00017/abc/00001.m4a")
    for number in range(300):
        put(tmp_path / f"dev/mp4/id0{number:04d}/abc/00001.mp4")
    clips = find_clips("voxceleb2", tmp_path)
    assert [clip.split for clip in clips if clip.speaker == "id00017" and clip.info["part"] == "test"] == ["test"]
    assert next(clip for clip in clips if clip.split == "test").audio == sound
    assert 0 < sum(clip.split == "val" for clip in clips) < 20


def test_voxceleb_numbers_tell_the_two_apart(tmp_path: Path):
    put(tmp_path / "mp4" / "id10270" / "abc" / "00001.mp4")
    with pytest.raises(DatasetError, match="looks like voxceleb1"):
        find_clips("voxceleb2", tmp_path)
    assert find_clips("voxceleb1", tmp_path)[0].split == "test"


def test_where_filters_clips(lrw: Path):
    assert [clip.key for clip in find_clips("lrw", lrw, {"word": ["THINK"]})] == ["THINK_00001a"]
    assert len(find_clips("lrw", lrw, {"split": ["train", "val"]})) == 2
    with pytest.raises(DatasetError, match=r"none of the 3 clips of lrw in .* has word=NEVER"):
        find_clips("lrw", lrw, {"word": ["NEVER"]})


def test_wrong_roots(lrw: Path, tmp_path: Path):
    with pytest.raises(DatasetError, match="unknown corpus 'lwr': did you mean lrw"):
        find_clips("lwr", lrw)
    with pytest.raises(DatasetError, match="no folder"):
        find_clips("lrw", tmp_path / "absent")
    with pytest.raises(DatasetError, match="it looks like lrw: talkface prepare lrw"):
        find_clips("grid", lrw)
    with pytest.raises(DatasetError, match=f"{lrw} fits: give that folder"):
        find_clips("lrw", tmp_path)
    with pytest.raises(DatasetError, match=r"it is a part of .*lipread_mp4: give that folder"):
        find_clips("lrw", lrw / "lipread_mp4" / "ABOUT")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"the folder is empty \(get the corpus at https"):
        find_clips("lrs3", tmp_path / "empty")


def test_speakers_keep_their_split_whatever_else_is_there():
    names = [f"speaker{index}" for index in range(2000)]
    splits = [split_by_speaker(name) for name in names]
    assert splits == [split_by_speaker(name) for name in names]
    assert 0.07 < splits.count("test") / 2000 < 0.13
    assert 0.07 < splits.count("val") / 2000 < 0.13
    assert split_by_speaker("speaker0") == splits[0]


def test_keys_hold_nothing_that_ends_a_shard_key():
    assert make_key("a.b", "c/d e", "-x_9") == "a_b-c_d_e--x_9"
    assert make_key("..") == "x"


def test_every_corpus_says_where_it_comes_from():
    for name, corpus in CORPORA.items():
        line = corpus.describe()
        assert line.startswith(f"{name}: ") and "https://" in line and "\n" not in line
        assert corpus.licence


def test_a_link_to_itself_is_neither_folder_nor_file(tmp_path):
    from talkface.data.sources.tree import files, folders

    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "a").mkdir()
    assert folders(tmp_path) == [tmp_path / "a"] and files(tmp_path, (".mp4",)) == []
