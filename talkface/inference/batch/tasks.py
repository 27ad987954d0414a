"""One task of a batch -> its result, in whatever process or machine works on it."""

import base64
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from talkface.checkpoints.format import file_hash, find_weights
from talkface.errors import CheckpointError, PassingError, TalkfaceError, printable
from talkface.files.write import FULL
from talkface.inference.animator import Animator
from talkface.inference.batch.results import Outcome, save_outcome
from talkface.inference.batch.rows import BESIDE, Row
from talkface.inference.clip import AnimateResult
from talkface.inference.driving import driven_track, follow_head
from talkface.inference.photos import Shots, load_shots
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import Subject, Track
from talkface.landmarks.detect import load_detector
from talkface.media.read import read_frames
from talkface.media.speech import SpeechStream, open_speech
from talkface.scale.memory import is_out_of_memory, memory_advice
from talkface.scale.storage import Folder, local_copies
from talkface.scale.threads import limit_threads
from talkface.scale.workers import tick

WORK = ".work"  # sub-folder where videos lie until they are whole


@dataclass(frozen=True)
class Failure:
    """Why there is no result, in one line.

    Attributes:
        again: whether the same may succeed later: nothing was wrong with the input.
    """

    reason: str
    again: bool = False


@dataclass(frozen=True)
class TrackedSpeech:
    """A speech and the motion that it drives.

    Attributes:
        track: what it drives; None from a network that takes the face of each photo, too.
        sound: for the sound track; holds no samples.
    """

    track: Track | None
    sound: SpeechStream


@dataclass(frozen=True)
class Task:
    """Something to do.

    Attributes:
        key: what its result is asked for by.
    """

    key: str


@dataclass(frozen=True)
class EnrollTask(Task):
    """Find the faces of one person's photos -> `Shots`."""

    photos: tuple[str, ...]
    face: int | None
    detector: str


@dataclass(frozen=True)
class SpeechTask(Task):
    """Predict the motion of one speech -> `TrackedSpeech`."""

    speech: str
    fps: Fraction
    networks: "Loaded"


@dataclass(frozen=True)
class RenderTask(Task):
    """Write one row's video -> `Outcome`.

    Attributes:
        row: what to make.
        shots: the person's faces.
        shots_key: tells people apart.
        tracked: the speech; None where landmarks drive a silent video.
        networks: what makes it.
        folder: where the video goes.
    """

    row: Row
    shots: Shots
    shots_key: str
    tracked: TrackedSpeech | None
    networks: "Loaded"
    folder: Folder


@dataclass(frozen=True)
class Loaded:
    """Options that name networks and their device, and the hashes that their files must have on every machine."""

    options: AnimateOptions
    hashes: tuple[tuple[str, str], ...]


Result = Shots | TrackedSpeech | Outcome | Failure


def work(task: Task) -> Result:
    """Work on one task; every mistake becomes a `Failure`, so that one bad row never stops the rest."""
    try:
        with limit_threads(1):  # the workers are the parallelism; threads inside them would wait for each other
            if isinstance(task, EnrollTask):
                return _enroll(task)
            if isinstance(task, SpeechTask):
                return _track_speech(task)
            assert isinstance(task, RenderTask), type(task)
            return _render(task)
    except Exception as error:  # noqa: BLE001 - the door of a worker: a fault in one row is that row's failure
        return failure_of(error)


def failure_of(error: Exception) -> Failure:
    """One line on any error that a row met."""
    if isinstance(error, TalkfaceError):
        return Failure(str(error), again=isinstance(error, PassingError))
    if is_out_of_memory(error):
        return Failure(memory_advice())
    if isinstance(error, OSError):
        reason = f"{error.filename or 'a file'} cannot be used: {error.strerror or error}"
        return Failure(printable(reason), again=error.errno in FULL)
    return Failure(printable(f"fault in talkface: {type(error).__name__}: {error}"))


def _enroll(task: EnrollTask) -> Shots:
    with local_copies(task.photos) as photos:
        return load_shots(photos if len(photos) > 1 else photos[0], KEPT.detector(task.detector), task.face)


def _track_speech(task: SpeechTask) -> TrackedSpeech:
    with local_copies([task.speech]) as paths:
        sound, animator = open_speech(paths[0]), KEPT.animator(task.networks)
        takes_face = animator.speech_network.encode_faces(torch.zeros(1, 68, 2)) is not None
        track = None if takes_face else animator.track_speech(sound, task.fps)
    return TrackedSpeech(track, replace(sound, kept=None))


def _render(task: RenderTask) -> Outcome:
    start = time.perf_counter()
    row, tracked = task.row, task.tracked
    animator = KEPT.animator(task.networks)
    subject = KEPT.subject(task)
    driving = [file for file in (row.options.head_from, row.options.landmarks) if isinstance(file, str)]
    speech = [row.speech] if tracked else []
    with local_copies([*driving, *speech]) as copies, task.folder.scratch(WORK) as scratch:
        at = dict(zip([*driving, *speech], copies, strict=True))
        track = _track(task, animator, subject, at)
        if row.options.head_from is not None:
            track = follow_head(track, at[row.options.head_from], row.options, animator.detector)
        sound = replace(tracked.sound, path=at[row.speech]) if tracked else None
        video = scratch / f"video{Path(row.out).suffix.lower()}"
        beside = {name: scratch / f"beside{suffix}" for name, suffix in BESIDE.items() if getattr(row.options, name)}
        written: dict[str, Any] = {**dict.fromkeys(BESIDE), **beside, "report": None}  # its warnings are wanted below
        options = replace(row.options, **written)
        made = animator.clip(subject, track, sound, options).save(video, encoder_threads=1, progress=lambda *_: tick())
        outcome = Outcome(
            row=row.number,
            key=task.key,
            out=row.out,
            photo=list(row.photos),
            speech=row.speech,
            title=row.title,
            num_frames=made.num_frames,
            fps=str(made.fps),
            duration_s=made.duration_s,
            size=made.size,
            num_bytes=video.stat().st_size,
            notes=made.notes,
            seconds=round(time.perf_counter() - start, 3),
            thumbnail=_thumbnail(video),
        )
        if "report" in beside:
            made = replace(made, timings={"render": outcome.seconds})
            warnings = _report(task, animator, beside["report"], made)
            outcome = replace(outcome, notes=[*outcome.notes, *(f"warning: {line}" for line in warnings)])
        for name, path in beside.items():
            _put(task.folder, path, getattr(row.options, name).as_posix())
        save_outcome(task.folder, outcome)  # before the video: a kill in between leaves a row that is not done
        task.folder.put(video, row.out)
    return outcome


def _put(folder: Folder, path: Path, name: str) -> None:
    """Move a file, or every file of a folder, into the batch's folder."""
    if path.is_file():
        folder.put(path, name)
        return
    for file in sorted(path.rglob("*.*")):
        folder.put(file, f"{name}/{file.relative_to(path).as_posix()}")


def _report(task: RenderTask, animator: Animator, report: Path, made: AnimateResult) -> list[str]:
    """Write what the row's video measures; returns warnings."""
    row = task.row
    inputs = {"photo": row.photos[0], "speech": row.speech or None, "landmarks": row.options.landmarks}
    inputs["head_from"] = row.options.head_from
    options = replace(row.options, device=task.networks.options.device)
    shown_as = f"{task.folder.place.rstrip('/')}/{row.out}"
    warnings: list[str] = animator.write_report(inputs, options, made, report, shown_as)["warnings"]
    return warnings


def _track(task: RenderTask, animator: Animator, subject: Subject, at: Mapping[str, Path]) -> Track:
    """Motion of the row's face; `at` says where copies of its inputs lie."""
    row, tracked = task.row, task.tracked
    if isinstance(row.options.landmarks, str):
        return driven_track(subject, at[row.options.landmarks], row.options.fps)
    assert tracked is not None, "neither speech nor landmarks: refused when the manifest was read"
    return tracked.track or animator.track_speech(open_speech(at[row.speech]), row.options.fps, subject)


def _thumbnail(video: Path) -> str:
    """A small JPEG of an early frame, base64."""
    thumbnail_frame = 20  # of the video, or its last one before that
    ((image, _),) = deque(islice(read_frames(video, None), thumbnail_frame + 1), maxlen=1)
    thumbnail_width = 240  # pixels
    height = max(1, round(image.shape[0] * thumbnail_width / image.shape[1]))
    small = cv2.resize(image, (thumbnail_width, height), interpolation=cv2.INTER_AREA)
    thumbnail_quality = 70
    flags = [cv2.IMWRITE_JPEG_QUALITY, thumbnail_quality]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), flags)
    return base64.b64encode(data.tobytes()).decode()


def load_networks(loaded: Loaded) -> Animator:
    """Networks of a row; raises `CheckpointError` where this machine has other files than the one that asks."""
    for name, digest in loaded.hashes:
        path = find_weights(name)
        if file_hash(path) != digest:
            raise CheckpointError(f"{path} is not the network that this batch was started with: install it here too")
    return Animator.from_options(loaded.options)


class Kept:
    """Networks, detectors and people that a process keeps ready for the rows that follow."""

    def __init__(self) -> None:
        self.detector = lru_cache(load_detector)
        self.animator = lru_cache(maxsize=4)(load_networks)
        self._subjects: dict[tuple[str, Loaded], Subject] = {}

    def subject(self, task: RenderTask) -> Subject:
        """The person of a row, prepared once for several rows of theirs that come one after the other."""
        key = task.shots_key, task.networks
        subject = self._subjects.pop(key, None) or self.animator(task.networks).subject(task.shots)
        while len(self._subjects) > 1:
            del self._subjects[next(iter(self._subjects))]
        self._subjects[key] = subject
        return subject


KEPT = Kept()
