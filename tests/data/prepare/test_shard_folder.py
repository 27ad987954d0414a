"""The folder of a run: changed sources, several runs, lost manifests, and a cost that does not grow."""

import os
import time
from pathlib import Path

import pytest

from talkface.data.prepare.manifest import MANIFEST_NAME, Record, read_manifest, source_stat
from talkface.data.prepare.shard_folder import SHARD_BYTES, ShardFolder
from talkface.data.prepare.shards import PENDING, find_shards, read_index, write_sample
from talkface.errors import DatasetError

SETTINGS = {"size": 64}


def opened(path: Path) -> ShardFolder:
    return ShardFolder(path, SETTINGS, SETTINGS)


def source(path: Path, key: str, content: str | None = None) -> Path:
    file = path / f"{key}.mp4"
    file.parent.mkdir(exist_ok=True)
    if content is not None or not file.exists():
        file.write_text(content or key)
    return file


def prepared(folder: ShardFolder, key: str, sources: Path) -> Record:
    """Process one clip as a worker does."""
    file = source(sources, key)
    write_sample(folder.pending(key), key, {"json": b'{"split": "train"}', "txt": file.read_bytes()})
    return folder.add(Record(key, str(file), file.read_text(), source_stat([file]), "anna", "train", num_frames=20))


def run(path: Path, sources: Path, keys: list[str]) -> list[str]:
    """Prepare `keys`; returns those that had to be worked on."""
    with opened(path) as folder:
        todo = [
            key for key in keys if folder.known(key, [source(sources, key)], source(sources, key).read_text) is None
        ]
        folder.forget(todo)
        for key in todo:
            prepared(folder, key, sources)
        folder.finish(keys)
    return todo


def stored(path: Path) -> list[str]:
    return sorted(sample["key"] for shard in find_shards(path) for sample in read_index(shard))


def text_of(path: Path, key: str) -> str:
    for shard in find_shards(path):
        for sample in read_index(shard):
            if sample["key"] == key:
                start, size = sample["members"]["txt"]
                return shard.read_bytes()[start : start + size].decode()
    raise AssertionError(f"no {key}")


def test_a_finished_run_leaves_no_pending_folder_and_nothing_to_do(tmp_path: Path):
    assert run(tmp_path / "out", tmp_path / "in", ["a", "b"]) == ["a", "b"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "manifest.jsonl",
        "prepare.json",
        "shard-00000.index.json",
        "shard-00000.tar",
    ]
    assert run(tmp_path / "out", tmp_path / "in", ["a", "b"]) == []
    assert not (tmp_path / "out" / PENDING).exists()


def test_a_second_selection_adds_to_the_first(tmp_path: Path):
    out, sources = tmp_path / "out", tmp_path / "in"
    run(out, sources, ["a", "b"])
    assert run(out, sources, ["c"]) == ["c"]
    assert list(read_manifest(out)) == ["c", "a", "b"]
    assert run(out, sources, ["a", "b", "c"]) == []
    assert stored(out) == ["a", "b", "c"]


def test_only_clips_whose_content_changed_are_done_again(tmp_path: Path):
    out, sources = tmp_path / "out", tmp_path / "in"
    run(out, sources, ["a", "b"])
    run(out, sources, ["c"])
    os.utime(source(sources, "a"), (1, 1))  # unpacked again
    source(sources, "b", "another take")
    assert run(out, sources, ["a", "b", "c"]) == ["b"]
    assert stored(out) == ["a", "b", "c"]
    assert text_of(out, "b") == "another take" and text_of(out, "a") == "a"
    source(sources, "c", "and another")
    assert run(out, sources, ["c"]) == ["c"]
    assert stored(out) == ["a", "b", "c"], "a shard that only held the old clip is gone"


def test_a_kill_while_old_samples_are_dropped_loses_nothing(tmp_path: Path):
    """The shard was rewritten, the manifest still has the line."""
    out, sources = tmp_path / "out", tmp_path / "in"
    run(out, sources, ["a", "b"])
    before = (out / MANIFEST_NAME).read_bytes()
    with opened(out) as folder:
        folder.forget(["b"])
    (out / MANIFEST_NAME).write_bytes(before)
    assert run(out, sources, ["a", "b"]) == ["b"]
    assert stored(out) == ["a", "b"]


def test_a_duplicate_is_refused_until_the_first_one_goes(tmp_path: Path):
    out, sources = tmp_path / "out", tmp_path / "in"
    source(sources, "b", "a")
    run(out, sources, ["a", "b"])
    assert read_manifest(out)["b"].reason == "duplicate"
    assert stored(out) == ["a"]


def test_a_manifest_that_lacks_stored_clips_is_refused(tmp_path: Path):
    run(tmp_path / "out", tmp_path / "in", ["a", "b"])
    (tmp_path / "out" / MANIFEST_NAME).unlink()
    with pytest.raises(DatasetError, match="2 clips that its manifest does not list"):
        opened(tmp_path / "out")


def test_two_runs_do_not_write_at_once(tmp_path: Path):
    with opened(tmp_path), pytest.raises(DatasetError, match="another `prepare` is writing"):
        opened(tmp_path)
    with opened(tmp_path):
        pass


def test_the_cost_of_a_clip_does_not_grow(tmp_path: Path):
    """Time of this process per clip: among the first and after hundreds that wait for their shard."""
    seconds = []
    with opened(tmp_path / "out") as folder:
        for batch in range(8):
            start = time.process_time()
            for number in range(60):
                prepared(folder, f"clip{batch:02d}{number:02d}", tmp_path / "in")
            seconds.append(time.process_time() - start)
    assert min(seconds[-3:]) < 2 * min(seconds[:3])


def test_heavy_clips_close_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert SHARD_BYTES > 1 << 20
    monkeypatch.setattr("talkface.data.prepare.shard_folder.SHARD_BYTES", 25_000)  # a sample's tar has 10,240 bytes
    run(tmp_path / "out", tmp_path / "in", list("abcdefg"))
    assert [len(read_index(shard)) for shard in find_shards(tmp_path / "out")] == [3, 3, 1]
