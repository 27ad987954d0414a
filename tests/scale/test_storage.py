"""Files appear whole at paths and URLs alike; a folder's copy at a URL brings it back elsewhere."""

import importlib.util
from pathlib import Path

import pytest

from talkface.errors import MediaError, MissingExtraError
from talkface.scale.mirror import Mirror
from talkface.scale.storage import Folder, absolute, is_url, local_copies, open_remote


@pytest.fixture(params=["path", "file", "memory", "dir"])
def folder(request, tmp_path: Path) -> Folder:
    place = {
        "path": str(tmp_path / "out"),
        "file": f"file://{tmp_path}/out",
        "memory": f"memory://{tmp_path.name}/out",
        "dir": f"dir://out::file://{tmp_path}",
    }[request.param]
    if request.param != "path":
        pytest.importorskip("fsspec")
    made = Folder(place)
    made.make()
    return made


def test_what_was_written_is_found(folder: Folder, tmp_path: Path):
    assert folder.sizes() == {} and not list(folder.read_all(".rows", ".json"))
    folder.write(".rows/a.json", b"1")
    folder.write(".rows/b.txt", b"22")
    folder.write("page.html", b"old")
    folder.write("page.html", b"newer")
    source = tmp_path / "video.part"
    source.write_bytes(b"whole")
    folder.put(source, "sub/video.mp4")
    assert not source.exists()
    assert folder.sizes() == {"page.html": 5, "sub/video.mp4": 5}
    assert list(folder.read_all(".rows", ".json")) == [b"1"]
    folder.fetch("sub/video.mp4", tmp_path / "back" / "video.mp4")
    assert (tmp_path / "back" / "video.mp4").read_bytes() == b"whole"


def test_scratch_is_gone_afterwards(folder: Folder):
    with folder.scratch(".work") as scratch:
        (scratch / "x").write_bytes(b"x")
    assert not scratch.exists() and folder.sizes() == {}
    folder.remove(".work")


def test_nothing_half_written_stays_where_a_copy_fails(tmp_path: Path):
    folder = Folder(str(tmp_path))
    (tmp_path / "taken").mkdir()
    with pytest.raises(MediaError, match="taken cannot be written"):
        folder.write("taken", b"x")
    assert [item.name for item in tmp_path.iterdir()] == ["taken"]


def test_inputs_at_a_url_become_files_with_their_suffix(tmp_path: Path):
    pytest.importorskip("fsspec")
    (tmp_path / "a.wav").write_bytes(b"sound")
    with local_copies([str(tmp_path / "a.wav"), f"file://{tmp_path}/a.wav"]) as (path, copy):
        assert path == tmp_path / "a.wav" and copy != path
        assert copy.suffix == ".wav" and copy.read_bytes() == b"sound"
    assert not copy.exists()
    with pytest.raises(MediaError, match="no file memory://nowhere/a"), local_copies(["memory://nowhere/a"]):
        pass
    with pytest.raises(MediaError, match="not an address"), local_copies(["nonsense://nowhere/a"]):
        pass


@pytest.mark.skipif(importlib.util.find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_a_kind_of_address_whose_package_is_missing_is_named_in_a_line():
    pytest.importorskip("fsspec")
    with pytest.raises(MissingExtraError, match=r"gs://bucket/shards cannot be reached: .*gcsfs") as raised:
        open_remote("gs://bucket/shards")
    assert "\n" not in str(raised.value)


def test_urls_and_paths():
    assert is_url("s3://bucket/x") and is_url("dir::file:///x") and not is_url("a/b.wav") and not is_url(r"C:\a.wav")
    assert absolute("s3://b/x") == "s3://b/x" and Path(absolute("x")).is_absolute()


def test_a_mirror_carries_work_to_another_machine(tmp_path: Path):
    pytest.importorskip("fsspec")
    remote = Folder(f"memory://{tmp_path.name}/mirror")
    first = Mirror(tmp_path / "first", remote, left_out=("pending", ".tmp"))
    first.pull()
    for name, content in {"manifest.jsonl": "1", "pending/a.tar": "a", "shard.tar": "s", "x.tmp": "t"}.items():
        (tmp_path / "first" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "first" / name).write_text(content)
    first.push()
    assert set(remote.sizes()) == {"manifest.jsonl", "shard.tar"}
    (tmp_path / "first" / "manifest.jsonl").write_text("12")
    first.push(every_s=60)
    assert remote.sizes()["manifest.jsonl"] == 1, "too early"
    first.push()
    second = Mirror(tmp_path / "second", remote)
    second.pull()
    assert (tmp_path / "second" / "manifest.jsonl").read_text() == "12"


def test_a_link_in_the_folder_leads_nothing_out_of_it(tmp_path):
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "sub").symlink_to(elsewhere)
    source = tmp_path / "x"
    source.write_text("x")
    for write in (Folder(str(folder)).put, Folder(str(folder)).copy):
        with pytest.raises(MediaError, match="leads out of"):
            write(source, "sub/x.mp4")
    with pytest.raises(MediaError, match="leads out of"):
        Folder(str(folder)).write("sub/x.json", b"x")
    assert not list(elsewhere.iterdir())
