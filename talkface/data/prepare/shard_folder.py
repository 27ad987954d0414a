"""Records of prepared clips -> a folder of shards and a manifest that a kill at any moment leaves whole.

Each finished clip is a small tar in `pending/` (complete or absent) before its manifest line is written; when the
pending clips weigh enough they are joined into a shard, which appears under its name only when complete. So at every
moment a clip is in a shard, pending, refused in the manifest, or still to do. The cost of a clip does not depend on
how many came before it.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from talkface.data.prepare.manifest import Record, append_record, read_manifest, source_stat, write_manifest
from talkface.data.prepare.shards import PENDING, drop_samples, find_shards, join_samples, read_index
from talkface.errors import DatasetError
from talkface.files.read import read_json
from talkface.files.write import PART, atomic_write, open_locked

SHARD_BYTES = 256 << 20  # a shard is closed when its clips reach this


class ShardFolder:
    """One run's hold on its folder; a context manager, because only one run may write there at a time."""

    def __init__(self, path: Path, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        """Open or make the folder and put right what a kill left.

        Args:
            path: the folder.
            settings: what its clips are prepared with.
            defaults: of settings that a folder from an older version does not name.

        Raises:
            DatasetError: made with other settings, damaged, or another run writes there.
        """
        self.path = path
        (path / PENDING).mkdir(parents=True, exist_ok=True)
        busy = f"another `prepare` is writing to {path}: wait for it, or give another folder"
        self._lock = open_locked(path, DatasetError(busy))
        _check_settings(path, settings, defaults)
        self.records = _recover(path)
        self._waiting = [file for file in sorted((path / PENDING).glob("*.tar")) if file.stem in self.records]
        self._bytes = sum(file.stat().st_size for file in self._waiting)
        self._first = {record.source_hash: key for key, record in self.records.items() if not record.refused}

    def __enter__(self) -> "ShardFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def pending(self, key: str) -> Path:
        """Where a worker puts a finished clip."""
        return pending_path(self.path, key)

    def known(self, key: str, sources: Sequence[Path], digest: Callable[[], str]) -> Record | None:
        """The clip's record from an earlier run, None where there is none or its sources changed since.

        Files that were only copied or unpacked again have another time but the same content: `digest` tells.
        """
        record = self.records.get(key)
        if record is None or record.source_stat == source_stat(sources):
            return record
        try:
            same = not record.refused and digest() == record.source_hash
        except OSError:
            same = False
        if not same:
            return None
        self.records[key] = replace(record, source_stat=source_stat(sources))
        return self.records[key]

    def forget(self, keys: Iterable[str]) -> None:
        """Take clips out that are to be prepared again, first their samples, then their records."""
        stale = {key for key in keys if key in self.records}
        if not stale:
            return
        for file in [file for file in self._waiting if file.stem in stale]:
            self._bytes -= file.stat().st_size
            self._waiting.remove(file)
            file.unlink()
        for shard in find_shards(self.path):
            if any(sample["key"] in stale for sample in read_index(shard)):
                drop_samples(shard, stale)
        for key in stale:
            record = self.records.pop(key)
            if self._first.get(record.source_hash) == key:
                del self._first[record.source_hash]
        write_manifest(self.path, self.records.values())

    def add(self, record: Record) -> Record:
        """Take a clip that a worker finished or refused; returns its record, which may say that it is a duplicate."""
        record = self._without_duplicate(record)
        self.records[record.key] = record
        append_record(self.path, record)
        if not record.refused:
            self._waiting.append(self.pending(record.key))
            self._bytes += self._waiting[-1].stat().st_size
        if self._bytes >= SHARD_BYTES:
            self._close_shard()
        return record

    def finish(self, keys: Sequence[str]) -> list[Record]:
        """Close the last shard and write the manifest: the records of `keys` first, in this order, and return them."""
        self._close_shard()
        shutil.rmtree(self.path / PENDING)  # with what a worker left that was ended
        mine = {key: self.records[key] for key in keys}
        write_manifest(self.path, {**mine, **self.records}.values())
        return list(mine.values())

    def _without_duplicate(self, record: Record) -> Record:
        """Refuse a clip whose source has the same bytes as an earlier one's."""
        if record.refused:
            return record
        first = self._first.setdefault(record.source_hash, record.key)
        if first == record.key:
            return record
        self.pending(record.key).unlink()
        return replace(record, reason="duplicate", detail=f"same bytes as {first}", num_frames=0, seconds=0.0)

    def _close_shard(self) -> None:
        """Join the waiting clips, in the order of their names."""
        if not self._waiting:
            return
        shards = find_shards(self.path)
        number = int(shards[-1].stem.split("-")[1]) + 1 if shards else 0
        join_samples(sorted(self._waiting), self.path / f"shard-{number:05d}.tar")
        for file in self._waiting:
            file.unlink()
        self._waiting, self._bytes = [], 0


def pending_path(folder: Path, key: str) -> Path:
    """Where a finished clip waits for its shard."""
    return folder / PENDING / f"{key}.tar"


def _check_settings(path: Path, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Write the settings down, or compare them with those of an earlier run."""
    settings_name = "prepare.json"
    file = path / settings_name
    if not file.is_file():
        if find_shards(path):
            raise DatasetError(f"{path} holds shards but no {settings_name}: give another folder")
        atomic_write(file, json.dumps(settings, indent=1))
        return
    before = {**defaults, **read_json(file, "settings file", DatasetError)}
    changed = [name for name in settings if before.get(name) != settings[name]]
    if changed:
        list_ = ", ".join(f"{name} {before.get(name)} -> {settings[name]}" for name in changed)
        raise DatasetError(f"{path} was prepared with other settings ({list_}): give another folder or the old values")


def _recover(path: Path) -> dict[str, Record]:
    """Records whose clips are really there, after removing what a kill left half done."""
    for leftover in [
        each for place in (path, path / PENDING) for each in (*place.glob("*.tmp"), *place.glob(f".*{PART}.*"))
    ]:
        leftover.unlink()
    stored = {sample["key"] for shard in find_shards(path) for sample in read_index(shard)}
    pending = {file.stem for file in (path / PENDING).glob("*.tar")}
    for key in stored & pending:  # killed between naming the shard and emptying `pending`
        pending_path(path, key).unlink()
    written = read_manifest(path)
    lost = sorted(stored - written.keys())
    if lost:  # a shard is named after its clips' lines are written, so somebody took the lines away
        raise DatasetError(
            f"{path} holds {len(lost)} clips that its manifest does not list ({lost[0]}...): "
            "put manifest.jsonl back, or give another folder"
        )
    records = {key: r for key, r in written.items() if r.refused or key in stored or key in pending}
    for key in pending - stored - records.keys():  # killed before its manifest line: its record is lost, so redo it
        pending_path(path, key).unlink()
    write_manifest(path, records.values())
    return records
