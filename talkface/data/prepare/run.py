"""Clips -> folder of shards, manifest and summary, by worker processes, resumable after a kill at any moment."""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from talkface.data.prepare.example import members
from talkface.data.prepare.frames import Refusal
from talkface.data.prepare.manifest import Record, source_hash, source_stat
from talkface.data.prepare.preprocess import PreprocessConfig, check_config, preprocess
from talkface.data.prepare.quality import checked, measure_quality
from talkface.data.prepare.shard_folder import ShardFolder, pending_path
from talkface.data.prepare.shards import PENDING, find_shards, write_sample
from talkface.data.sources.archives import Span, archived_members, unpacked
from talkface.errors import DatasetError, PassingError, printable
from talkface.files.write import FULL, atomic_write
from talkface.landmarks.detect import Detector, load_detector
from talkface.landmarks.dlib_backend import DlibDetector
from talkface.scale.memory import is_out_of_memory, memory_advice
from talkface.scale.threads import limit_threads, usable_cores
from talkface.scale.workers import Died, LocalWorkers, Workers
from talkface.types import Clip


@dataclass(frozen=True)
class PrepareConfig:
    """Schema of configs/data/*.yaml and of `talkface prepare`'s overrides."""

    kind: str = "data"
    workers: int = 0  # processes; 0 takes one per core
    time_limit: float | None = None  # seconds per clip, 0 for none; null: 15 minutes and 200 s for each MB
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)


def prepare(
    clips: Sequence[Clip],
    out: Path,
    config: PrepareConfig,
    progress: Callable[[Record], None] | None = None,
    workers: Workers | None = None,
) -> list[Record]:
    """Prepare all clips that are not done yet.

    Args:
        clips: with unique keys.
        out: folder; made if missing. Clips of earlier runs that are not among `clips` stay there.
        config: the settings; those of an earlier run there must be the same.
        progress: called in this process with each clip's record, first for those done earlier.
        workers: where to work; processes of this machine, as many as `config` says, if not given.

    Returns:
        One record per clip, in the clips' order.

    Raises:
        DatasetError: `out` was made with other settings, is damaged, or another run writes to it.
        ConfigError: a setting has an impossible value.
    """
    check_config(config.preprocess)
    with ShardFolder(out, asdict(config.preprocess), asdict(PreprocessConfig())) as folder:
        todo = []
        for clip in clips:
            record = folder.known(clip.key, _sources(clip), partial(_digest, clip))
            if record is not None:
                _tell(progress, record)
            else:
                todo.append(clip)
        folder.forget(clip.key for clip in todo)
        pool = workers or LocalWorkers(min(config.workers or usable_cores(), max(len(todo), 1)))
        for record in _run(todo, out, config, pool):
            _tell(progress, folder.add(record))
        records = folder.finish([clip.key for clip in clips])
        if any(not record.refused for record in folder.records.values()):
            index_shards(out, config.workers)
        return records


def index_shards(folder: Path, workers: int = 0) -> int:
    """Measure the clips of a folder of shards and write their table; returns how many there are.

    Raises:
        DatasetError: no shards, or damaged ones.
    """
    from talkface.data.clip_index import build_index  # loads torch

    count = min(workers or usable_cores(), len(find_shards(folder)))
    return len(build_index(folder, LocalWorkers(count) if count > 1 else None))


def _tell(progress: Callable[[Record], None] | None, record: Record) -> None:
    if progress is not None:
        progress(record)


def _sources(clip: Clip) -> list[Path]:
    photos = clip.info.get("photos")
    if isinstance(photos, list):
        return [type(clip.video)(name) for name in photos]
    return [clip.video] if clip.audio == clip.video else [clip.video, clip.audio]


@dataclass(frozen=True)
class PrepareTask:
    """One clip to prepare.

    Attributes:
        clip: what to look at.
        config: how.
        out: folder whose `pending` takes the result; None where the worker may not see this machine's disk.
        archived: where files of the clip lie in archives, by path.
    """

    clip: Clip
    config: PreprocessConfig
    out: Path | None
    archived: Mapping[str, Span] = field(default_factory=dict)


def work(task: PrepareTask) -> tuple[Record, bytes]:
    """Prepare one clip; the sample comes back as bytes where there is no folder to leave it in."""
    if task.out is not None:
        return prepare_clip(task.clip, task.out, task.config, task.archived), b""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        (out / PENDING).mkdir()
        record = prepare_clip(task.clip, out, task.config, task.archived)
        return record, b"" if record.refused else pending_path(out, task.clip.key).read_bytes()


def _run(clips: Sequence[Clip], out: Path, config: PrepareConfig, workers: Workers) -> Iterator[Record]:
    """Records in the clips' order where workers are equally fast; a worker that dies costs its clip only."""
    folder = out.absolute() if workers.same_disk else None
    tasks = (PrepareTask(clip, config.preprocess, folder, archived_members(clip)) for clip in clips)
    for task, result in workers.run(lambda: next(tasks, None), work, limit_s=partial(_seconds_for, config.time_limit)):
        if isinstance(result, Died):
            slow = f"not done after {result.after_s:.0f} s: set time_limit for more"
            reason, detail = ("too slow", slow) if result.after_s else ("crashed", "the decoder or detector died on it")
            yield _record(task.clip, reason=reason, detail=detail)
            continue
        record, sample = result
        if sample:
            atomic_write(pending_path(out, record.key), sample)
        yield record


@cache
def load_workers_detector(backend: str, starts: int) -> Detector:
    """Landmark backend of a worker, loaded once for all its clips."""
    return DlibDetector(starts) if backend == "dlib" else load_detector(backend)


def _seconds_for(given: float | None, task: PrepareTask) -> float:
    """Time limit of a clip: the one set, or a generous one that grows with its files."""
    if given is not None:
        return given
    archived = sum(span.size for span in task.archived.values())
    least_s = 900.0  # for looking for faces on a busy machine
    per_mb = 200.0  # of video, at 100 kbit/s 80 s of it: 2,000 frames
    return least_s + per_mb * (archived + source_stat(_sources(task.clip))[0]) / 1e6


def prepare_clip(clip: Clip, out: Path, config: PreprocessConfig, archived: Mapping[str, Span] | None = None) -> Record:
    """Prepare one clip into `pending/`; its record says what became of it, whatever is wrong with the clip.

    `archived` tells where files of it lie in archives: they are copied to a temporary folder as long as this takes.
    """
    spans = archived or {}
    try:
        with unpacked(clip, spans) as local, limit_threads(1):  # the workers are the parallelism
            record = _prepared(local, clip, out, config)
    except DatasetError as error:
        record = _record(clip, reason="unreadable", detail=str(error))
    except Exception as error:  # noqa: BLE001 - the door of a worker: a fault in one clip stops no corpus
        record = _faulty(clip, error)
    if not spans:
        return record
    stat = sum(span.size for span in spans.values()), max(span.changed_ns for span in spans.values())
    return replace(record, source=str(_sources(clip)[0]), source_stat=stat)


def _faulty(clip: Clip, error: Exception) -> Record:
    """Record of a clip that met a fault, or no memory: it stops no corpus. A full disk and a missing package do."""
    if isinstance(error, PassingError | ModuleNotFoundError) or (isinstance(error, OSError) and error.errno in FULL):
        raise error
    if is_out_of_memory(error):
        return _record(clip, reason="too large", detail=memory_advice())
    return _record(clip, reason="fault in talkface", detail=printable(f"{type(error).__name__}: {error}"))


def _prepared(local: Clip, clip: Clip, out: Path, config: PreprocessConfig) -> Record:
    """Prepare `clip`, whose files are where `local` says."""
    start = time.process_time()
    try:
        digest = _digest(local)
    except OSError as error:
        return _record(clip, reason="unreadable", detail=f"{error.filename}: {error.strerror}")
    record = replace(_record(clip), source_hash=digest)
    try:
        example = preprocess(local, config, load_workers_detector(config.backend, config.starts))
        quality = measure_quality(example)
        record = replace(record, **vars(quality))
        example = checked(example, quality, config)
    except Refusal as refusal:
        work_s = time.process_time() - start
        frames = refusal.source_frames
        return replace(record, reason=refusal.reason, detail=refusal.detail, source_frames=frames, work_s=work_s)
    write_sample(pending_path(out, clip.key), clip.key, members(clip, example))
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
