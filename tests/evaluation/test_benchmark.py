"""Public sets in their own layouts and folders of made videos -> which videos are measured against which."""

from pathlib import Path

import pytest

from talkface.errors import DatasetError
from talkface.evaluation.benchmark import BENCHMARKS, benchmark_pairs, clips_to_test, split_name
from talkface.evaluation.report.measures import MEASURES

SAMPLES = {"grid": "GRID", "lrw": "derived_LRW", "voxceleb2": "derived_VoxCeleb2", "cremad": "derived_CREMA-D"}
TIMES = "Radio1.mp4 00:20-01:35\nRadio11.mp4 00:30-01:00 01:30-02:30\n"


def put(path: Path, text: str = "not empty") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def hdtf(tmp_path: Path) -> Path:
    """Lists and cut pieces as a download leaves them, with pieces and videos that are none of the set's."""
    root = tmp_path / "HDTF"
    put(root / "RD_annotion_time.txt", TIMES)
    put(root / "WDA_annotion_time.txt", "CarolynMaloney1.mp4 00:05-04:40\nCarolynMaloney2.mp4 00:01-02:00\n")
    for name in ("RD_Radio11_000", "RD_Radio11_001", "RD_Radio11_002", "WDA_CarolynMaloney1_000", "holiday_7"):
        put(root / "clips" / f"{name}.mp4")
    put(root / "clips" / "WDA" / "CarolynMaloney2_0.mp4")
    put(root / "clips" / "WDA_CarolynMaloney1.mp4")
    return root


def names(tmp_path: Path, *lines: str) -> Path:
    return put(tmp_path / "list.txt", "\n".join(lines) + "\n")


def test_hdtf_pieces_are_those_of_its_lists(hdtf: Path, tmp_path: Path):
    listed = names(tmp_path, "RD_Radio11_001", "RD_Radio11_000.mp4", "WDA/CarolynMaloney2_0", "WDA_CarolynMaloney1_000")
    first, second, third, fourth = clips_to_test(BENCHMARKS["hdtf"], hdtf, listed)
    assert (first.key, first.info["cut_s"]) == ("RD-Radio11-1", [90.0, 150.0])
    assert second.info["cut_s"] == [30.0, 60.0] and second.speaker == first.speaker == "hdtf-Radio11"
    assert third.speaker == fourth.speaker == "hdtf-CarolynMaloney"
    with pytest.raises(DatasetError, match=r"no clip RD_Radio11_002 of .* among the 4 of"):
        clips_to_test(BENCHMARKS["hdtf"], hdtf, names(tmp_path, "RD_Radio11_002"))


@pytest.mark.data
@pytest.mark.parametrize("name", SAMPLES)
def test_published_layouts_give_pairs(name: str, shared_data: Path, tmp_path: Path):
    benchmark, root = BENCHMARKS[name], shared_data / "layouts" / SAMPLES[name]
    videos = sorted(path for path in root.rglob("*") if path.suffix in (".mpg", ".mp4", ".flv"))
    made = tmp_path / "ours"
    stems = [videos[0].relative_to(root).with_suffix("").as_posix(), videos[-1].name]
    clips = clips_to_test(benchmark, root, names(tmp_path, *stems))
    assert [clip.video for clip in clips] == list(dict.fromkeys([videos[0], clips[-1].video]))
    assert clips[-1].video.name == videos[-1].name
    put(made / f"{clips[0].key}.mp4")
    put(made / f"{clips[0].video.stem}.mp4")
    pairs = benchmark_pairs(clips, root, [made])
    assert [(pair.name, pair.real, pair.speaker) for pair in pairs] == [("ours", c.video, c.speaker) for c in clips]
    assert pairs[0].made == made / f"{clips[0].key}.mp4"


@pytest.mark.data
def test_hdtfs_published_lists_are_read(shared_data: Path, tmp_path: Path):
    root = tmp_path / "HDTF"
    root.mkdir()
    for path in (shared_data / "layouts" / "HDTF").glob("*.txt"):
        (root / path.name).symlink_to(path)
    put(root / "WDA_AdamSchiff_000.mp4")
    put(root / "Radio11_1.mp4")
    put(root / "Radio11_2.mp4")  # the list has two pieces
    clips = clips_to_test(BENCHMARKS["hdtf"], root, names(tmp_path, "WDA_AdamSchiff_000", "Radio11_1"))
    assert [(clip.key, clip.info["cut_s"]) for clip in clips] == [
        ("WDA-AdamSchiff-0", [5.0, 280.0]),
        ("RD-Radio11-1", [90.0, 150.0]),
    ]
    with pytest.raises(DatasetError, match="no clip Radio11_2"):
        clips_to_test(BENCHMARKS["hdtf"], root, names(tmp_path, "Radio11_2"))


def test_the_sets_own_test_split_is_taken_without_a_list(tmp_path: Path):
    root = tmp_path / "vox"
    for part, person in (("dev", "id00012"), ("test", "id00017"), ("test", "id00061")):
        put(root / part / "mp4" / person / "abc" / "00001.mp4")
    clips = clips_to_test(BENCHMARKS["voxceleb2"], root)
    assert [clip.speaker for clip in clips] == ["id00017", "id00061"]
    by_place = put(tmp_path / "other" / "test" / "mp4" / "id00061" / "abc" / "00001.mp4")
    pairs = benchmark_pairs(clips, root, [tmp_path / "other"])
    assert pairs[1].made == by_place and not pairs[0].made.exists()


def test_what_does_not_fit_is_said_in_one_line(hdtf: Path, tmp_path: Path):
    benchmark = BENCHMARKS["hdtf"]
    clips = clips_to_test(benchmark, hdtf, names(tmp_path, "RD_Radio11_000"))
    with pytest.raises(DatasetError, match=r"no made video of 1 clips in .*ours: expected RD-Radio11-0\.mp4"):
        benchmark_pairs(clips, hdtf, [tmp_path / "ours"])
    with pytest.raises(DatasetError, match="no list of clips"):
        clips_to_test(benchmark, hdtf, tmp_path / "missing.txt")
    with pytest.raises(DatasetError, match="names no clip"):
        clips_to_test(benchmark, hdtf, put(tmp_path / "empty.txt", "\n"))
    with pytest.raises(DatasetError, match="no hdtf in"):
        clips_to_test(benchmark, put(tmp_path / "other" / "a.txt").parent)


def test_a_set_is_told_from_a_manifest_by_its_name():
    assert split_name(Path("pairs.csv")) is None and split_name(Path("odd:name.csv")) is None
    benchmark, root = split_name(Path("lrw:/data/LRW")) or (None, None)
    assert benchmark is BENCHMARKS["lrw"] and root == Path("/data/LRW")


def test_columns_are_measures_that_exist():
    for benchmark in BENCHMARKS.values():
        assert set(benchmark.measures) <= {quantity.name for quantity in MEASURES} and len(
            set(benchmark.measures)
        ) == len(benchmark.measures)
