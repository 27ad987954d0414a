"""Clips -> folder of shards, manifest and summary, by worker processes, resumable after a kill at any moment.

Each finished clip is a small tar in `pending/` (complete or absent) before its manifest line is written; full batches
of pending clips are joined into a shard, which appears under its name only when complete. So at every moment a clip
is in a shard, pending, refused in the manifest, or still to do.
"""

import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import cv2

from talkface.data.manifest import Record, append_record, read_manifest, source_hash, source_stat, write_manifest
from talkface.data.preprocess import PreprocessConfig, Refusal, check_config, members, preprocess
from talkface.data.shards import PENDING, find_shards, join_samples, read_index, write_sample
from talkface.errors import DatasetError
from talkface.landmarks.detect import Detector, load_detector
from talkface.landmarks.dlib_backend import DlibDetector
from talkface.types import Clip

SETTINGS_NAME = "prepare.json"
SHARD_BYTES = 256 << 20  # a shard is closed when its clips reach this
AHEAD = 4  # clips queued per worker

Progress = Callable[[Record], None]


@dataclass(frozen=True)
class PrepareConfig:
    """Schema of configs/data/*.yaml and of `talkface prepare`'s overrides."""

    kind: str = "data"
    workers: int = 0  # processes; 0 takes one per core
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)


def prepare(clips: Sequence[Clip], out: Path, config: PrepareConfig, progress: Progress | None = None) -> list[Record]:
    """Prepare all clips that are not done yet.

    Args:
        clips: with unique keys.
        out: folder; made if missing. Only one `prepare` may write to it at a time.
        config: the settings; those of an earlier run there must be the same.
        progress: called in this process with each clip's record, first for those done earlier.

    Returns:
        One record per clip, in the clips' order.

    Raises:
        DatasetError: `out` was made with other settings or is damaged.
        ConfigError: a setting has an impossible value.
    """
    check_config(config.preprocess)
    _open_folder(out, config.preprocess)
    records = _recover(out)
    todo = []
    for clip in clips:
        record = records.get(clip.key)
        if record is not None and record.source_stat == source_stat(_sources(clip)):
            _tell(progress, record)
        else:
            todo.append(clip)
    seen = {record.source_hash: key for key, record in records.items() if not record.refused}
    for record in _run(todo, out, config):
        kept = _without_duplicate(record, seen, out)
        records[kept.key] = kept
        append_record(out, kept)
        _tell(progress, kept)
        _fill_shards(out, records, SHARD_BYTES)
    _fill_shards(out, records, 0)
    result = [records[clip.key] for clip in clips]
    write_manifest(out, result)
    return result


def _tell(progress: Progress | None, record: Record) -> None:
    if progress is not None:
        progress(record)


def _open_folder(out: Path, config: PreprocessConfig) -> None:
    (out / PENDING).mkdir(parents=True, exist_ok=True)
    path, settings = out / SETTINGS_NAME, asdict(config)
    if not path.is_file():
        if find_shards(out):
            raise DatasetError(f"{out} holds shards but no {SETTINGS_NAME}: give another folder")
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")
        os.replace(temporary, path)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: give another folder") from error
    before = {**asdict(PreprocessConfig()), **before}  # what a folder from an older version does not name
    changed = [name for name in settings if before[name] != settings[name]]
    if changed:
        list_ = ", ".join(f"{name} {before[name]} -> {settings[name]}" for name in changed)
        raise DatasetError(f"{out} was prepared with other settings ({list_}): give another folder or the old values")


def _recover(out: Path) -> dict[str, Record]:
    """Records whose clips are really there, after removing what a kill left half done."""
    for leftover in [*out.glob("*.tmp"), *(out / PENDING).glob("*.tmp")]:
        leftover.unlink()
    stored = {sample["key"] for shard in find_shards(out) for sample in read_index(shard)}
    pending = {path.stem for path in (out / PENDING).glob("*.tar")}
    for key in stored & pending:  # killed between naming the shard and emptying `pending`
        _pending(out, key).unlink()
    records = {key: r for key, r in read_manifest(out).items() if r.refused or key in stored or key in pending}
    for key in pending - stored - set(records):  # killed before its manifest line: its record is lost, so redo it
        _pending(out, key).unlink()
    write_manifest(out, records.values())
    return records


def _without_duplicate(record: Record, seen: dict[str, str], out: Path) -> Record:
    """Refuse a clip whose source has the same bytes as an earlier one's."""
    if record.refused:
        return record
    first = seen.setdefault(record.source_hash, record.key)
    if first == record.key:
        return record
    _pending(out, record.key).unlink()
    return replace(record, reason="duplicate", detail=f"same bytes as {first}", num_frames=0, seconds=0.0)


def _fill_shards(out: Path, records: dict[str, Record], least_bytes: int) -> None:
    """Join the pending clips into a shard once they weigh `least_bytes`."""
    waiting = [path for path in sorted((out / PENDING).glob("*.tar")) if path.stem in records]
    if not waiting or sum(path.stat().st_size for path in waiting) < least_bytes:
        return
    shards = find_shards(out)
    number = int(shards[-1].stem.split("-")[1]) + 1 if shards else 0
    join_samples(waiting, out / f"shard-{number:05d}.tar")
    for path in waiting:
        path.unlink()


def _pending(out: Path, key: str) -> Path:
    return out / PENDING / f"{key}.tar"


def _sources(clip: Clip) -> list[Path]:
    photos = clip.info.get("photos")
    if isinstance(photos, list):
        return [Path(name) for name in photos]
    return [clip.video] if clip.audio == clip.video else [clip.video, clip.audio]


def _run(clips: Sequence[Clip], out: Path, config: PrepareConfig) -> Iterator[Record]:
    """Records in the clips' order where workers are equally fast; a worker that dies costs its clip only."""
    workers = config.workers or os.cpu_count() or 1
    queue = list(reversed(clips))
    suspects: list[Clip] = []
    while queue:
        running: dict[Future[Record], Clip] = {}
        try:
            with _pool(min(workers, len(queue))) as pool:
                while queue or running:
                    while queue and len(running) < workers * AHEAD:
                        running[pool.submit(prepare_clip, queue[-1], out, config.preprocess)] = queue[-1]
                        queue.pop()  # only now: a broken pool refuses it
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in [f for f in running if f in done]:
                        record = future.result()
                        del running[future]
                        yield record
        except BrokenProcessPool:
            suspects.extend(running.values())
    for clip in suspects:
        yield _alone(clip, out, config)


def _alone(clip: Clip, out: Path, config: PrepareConfig) -> Record:
    """Prepare a clip in a process of its own, whose death is the clip's refusal."""
    try:
        with _pool(1) as pool:
            return pool.submit(prepare_clip, clip, out, config.preprocess).result()
    except BrokenProcessPool:
        return _record(clip, reason="crashed", detail="the decoder or detector died on it")


def _pool(workers: int) -> ProcessPoolExecutor:
    """Workers started afresh: forking a process that runs threads can lock up."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_die_with_parent)


def _die_with_parent() -> None:
    """End this worker when the process that started it is killed; else it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@cache
def load_workers_detector(backend: str, starts: int) -> Detector:
    """Landmark backend for one worker, on one thread: the workers are the parallelism."""
    cv2.setNumThreads(1)
    return DlibDetector(starts) if backend == "dlib" else load_detector(backend)


def prepare_clip(clip: Clip, out: Path, config: PreprocessConfig) -> Record:
    """Prepare one clip into `pending/`; its record says what became of it."""
    start = time.process_time()
    try:
        digest = _digest(clip)
    except OSError as error:
        return _record(clip, reason="unreadable", detail=f"{error.filename}: {error.strerror}")
    record = replace(_record(clip), source_hash=digest)
    try:
        example = preprocess(clip, config, load_workers_detector(config.backend, config.starts))
    except Refusal as refusal:
        work_s = time.process_time() - start
        frames = refusal.source_frames
        return replace(record, reason=refusal.reason, detail=refusal.detail, source_frames=frames, work_s=work_s)
    write_sample(_pending(out, clip.key), clip.key, members(clip, example))
    return replace(
        record,
        num_frames=len(example.landmarks),
        seconds=len(example.landmarks) / example.fps if example.fps else 0.0,
        speech=example.speech,
        sync_lag=round(example.offset.lag, 2) if example.offset else None,
        sync_confidence=round(example.offset.confidence, 3) if example.offset else 0.0,
        sync_applied=round(example.applied, 2),
        source_frames=example.source_frames,
        work_s=round(time.process_time() - start, 3),
    )


def _digest(clip: Clip) -> str:
    """Hash of the clip's content; for a row of one large file, of the file's size and time and the row's number."""
    if "row" not in clip.info:
        return source_hash(_sources(clip))
    return hashlib.sha256(f"{clip.video} {source_stat([clip.video])} {clip.info['row']}".encode()).hexdigest()


def _record(clip: Clip, reason: str = "", detail: str = "") -> Record:
    stat = source_stat(_sources(clip))
    return Record(clip.key, str(_sources(clip)[0]), "", stat, clip.speaker, clip.split, reason, detail)
