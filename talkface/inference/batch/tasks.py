"""One task of a batch -> its result, in whatever process or machine works on it."""

import base64
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch

from talkface.checkpoints.format import file_hash
from talkface.checkpoints.registry import find_weights
from talkface.errors import CheckpointError, ConfigError, TalkfaceError
from talkface.inference.animate import AnimateResult, OutputOptions, driven_track, write_track
from talkface.inference.animator import AnimateOptions, Animator, Subject, Track, load_animator
from talkface.inference.batch.results import Outcome, save_outcome
from talkface.inference.batch.rows import Networks, Row
from talkface.inference.driving import follow_head
from talkface.inference.photos import Shots, load_shots
from talkface.landmarks.detect import Detector, load_detector
from talkface.media.read import read_frames
from talkface.media.speech import SpeechStream, open_speech
from talkface.scale.storage import Folder, local_copies
from talkface.scale.workers import tick

WORK = ".work"  # sub-folder where videos lie until they are whole
THUMBNAIL_WIDTH = 240  # pixels
THUMBNAIL_QUALITY = 70
THUMBNAIL_FRAME = 20  # of the video, or its last one before that
SUBJECTS_KEPT = 2  # people that a worker keeps ready: rows of one photo come one after the other


@dataclass(frozen=True)
class Failure:
    """Why there is no result, in one line."""

    reason: str


@dataclass(frozen=True)
class Heard:
    """A speech that was listened to.

    Attributes:
        track: what it drives; None from a network that hears with the face of each photo.
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
class ListenTask(Task):
    """Listen to one speech -> `Heard`."""

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
        heard: the speech; None where landmarks drive a silent video.
        networks: what makes it.
        folder: where the video goes.
        reporter: what measures it, where the row asks for a report.
    """

    row: Row
    shots: Shots
    shots_key: str
    heard: Heard | None
    networks: "Loaded"
    folder: Folder
    reporter: "Reporter | None" = None


class Reporter(Protocol):
    """Measures a row's video and writes the report; a function of a module, so that it travels to other processes."""

    def __call__(
        self,
        report: Path,
        result: AnimateResult,
        options: AnimateOptions,
        animator: Animator,
        inputs: Mapping[str, object],
        settings: Mapping[str, object],
        weights: Sequence[str | Path],
        shown_as: str = "",
    ) -> list[str]:
        """Return the report's warnings."""
        ...


@dataclass(frozen=True)
class Loaded:
    """Networks, the device they run on, and the hashes that their files must have on every machine."""

    networks: Networks
    device: str
    hashes: tuple[tuple[str, str], ...]


Result = Shots | Heard | Outcome | Failure


def work(task: Task) -> Result:
    """Work on one task; every mistake becomes a `Failure`, so that one bad row never stops the rest."""
    _one_thread_each()
    try:
        if isinstance(task, EnrollTask):
            return _enroll(task)
        if isinstance(task, ListenTask):
            return _listen(task)
        assert isinstance(task, RenderTask), type(task)
        return _render(task)
    except TalkfaceError as error:
        return Failure(str(error))
    except MemoryError:
        return Failure("not enough memory: use a smaller photo, or fewer workers")
    except OSError as error:
        return Failure(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - the door of a worker: a fault in one row is that row's failure
        return Failure(f"fault in talkface: {type(error).__name__}: {error}")


@cache
def _one_thread_each() -> None:
    """The workers are the parallelism; threads inside them would wait for each other."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _enroll(task: EnrollTask) -> Shots:
    with local_copies(task.photos) as photos:
        return load_shots(photos if len(photos) > 1 else photos[0], _detector(task.detector), task.face)


def _listen(task: ListenTask) -> Heard:
    with local_copies([task.speech]) as paths:
        sound, animator = open_speech(paths[0]), _animator(task.networks)
        takes_face = animator.speech_network.encode_faces(torch.zeros(1, 68, 2)) is not None
        track = None if takes_face else animator.listen(sound, task.fps)
    return Heard(track, replace(sound, kept=None))


def _render(task: RenderTask) -> Outcome:
    start = time.perf_counter()
    row, heard = task.row, task.heard
    animator = _animator(task.networks)
    subject = _subject(task.shots_key, task.networks, lambda: animator.subject(task.shots))
    landmarks = [row.picture.landmarks] if row.picture.landmarks else []
    speech = [row.speech] if heard else []
    heads = [row.picture.head_motion_from] if row.picture.head_motion_from else []
    with local_copies([*heads, *landmarks, *speech]) as inputs, task.folder.scratch(WORK) as scratch:
        track = _track(task, animator, subject, inputs[len(heads) :])
        if heads:
            track = follow_head(track, inputs[0], row.motion, animator.detector)
        sound = replace(heard.sound, path=inputs[-1]) if heard else None
        video, points = scratch / f"video{Path(row.out).suffix.lower()}", scratch / "landmarks.npz"
        maps = scratch / "maps"
        output = OutputOptions(
            crop=row.picture.crop,
            panel=row.picture.panel,
            save_landmarks=points if row.picture.save_landmarks else None,
            save_maps=maps if row.picture.save_maps else None,
            encoder_threads=1,
        )
        made = write_track(
            animator, subject, track, sound, video, options=row.motion, output=output, progress=lambda *_: tick()
        )
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
        if row.picture.report:
            report = scratch / "report.json"
            warnings = _report(task, animator, report, replace(made, timings={"render": outcome.seconds}))
            outcome = replace(outcome, notes=[*outcome.notes, *(f"warning: {line}" for line in warnings)])
            task.folder.put(report, row.picture.report)
        if row.picture.save_landmarks:
            task.folder.put(points, row.picture.save_landmarks)
        if row.picture.save_maps:
            for path in sorted(maps.rglob("*.*")):
                task.folder.put(path, f"{row.picture.save_maps}/{path.relative_to(maps).as_posix()}")
        save_outcome(task.folder, outcome)  # before the video: a kill in between leaves a row that is not done
        task.folder.put(video, row.out)
    return outcome


def _report(task: RenderTask, animator: Animator, report: Path, made: AnimateResult) -> list[str]:
    """Write what the row's video measures; returns warnings."""
    row, networks = task.row, task.networks.networks
    if task.reporter is None:
        raise ConfigError(f"nothing here can write {row.picture.report}: call talkface.batch, or leave out the report")
    inputs = {"photo": row.photos[0], "speech": row.speech or None, "landmarks": row.picture.landmarks}
    inputs["head_motion_from"] = row.picture.head_motion_from
    settings = {"renderer": networks.renderer, "device": task.networks.device, "face": row.picture.face}
    settings |= {"crop": row.picture.crop, "detector": networks.detector, "networks": "named below"}
    settings["headmotion"] = networks.headmotion
    weights = [name for name, _ in task.networks.hashes]
    shown_as = f"{task.folder.place.rstrip('/')}/{row.out}"
    return task.reporter(report, made, row.motion, animator, inputs, settings, weights, shown_as)


def _track(task: RenderTask, animator: Animator, subject: Subject, inputs: list[Path]) -> Track:
    """What drives the row; `inputs` are its landmarks, its speech, or both."""
    row, heard = task.row, task.heard
    if row.picture.landmarks:
        return driven_track(subject, inputs[0], row.motion.fps)
    assert heard is not None, "neither speech nor landmarks: refused when the manifest was read"
    return heard.track or animator.listen(open_speech(inputs[0]), row.motion.fps, subject)


def _thumbnail(video: Path) -> str:
    """A small JPEG of an early frame, base64."""
    ((image, _),) = deque(islice(read_frames(video, None), THUMBNAIL_FRAME + 1), maxlen=1)
    height = max(1, round(image.shape[0] * THUMBNAIL_WIDTH / image.shape[1]))
    small = cv2.resize(image, (THUMBNAIL_WIDTH, height), interpolation=cv2.INTER_AREA)
    flags = [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), flags)
    return base64.b64encode(data.tobytes()).decode()


@cache
def _detector(name: str) -> Detector:
    return load_detector(name)


@lru_cache(maxsize=4)
def _animator(loaded: Loaded) -> Animator:
    """Networks of this process, loaded once; raises `CheckpointError` where another machine has other files."""
    for name, digest in loaded.hashes:
        path = find_weights(name)
        if file_hash(path) != digest:
            raise CheckpointError(f"{path} is not the network that this batch was started with: install it here too")
    networks = loaded.networks
    return load_animator(
        networks.renderer,
        loaded.device,
        audio2landmark=networks.audio2landmark,
        headmotion=networks.headmotion,
        renderer_weights=networks.renderer_weights,
        detector=networks.detector,
    )


_subjects: dict[tuple[str, Loaded], Subject] = {}


def _subject(key: str, loaded: Loaded, make: Callable[[], Subject]) -> Subject:
    """The person called `key`, kept ready for the rows that follow."""
    subject = _subjects.pop((key, loaded), None) or make()
    while len(_subjects) >= SUBJECTS_KEPT:
        del _subjects[next(iter(_subjects))]
    _subjects[key, loaded] = subject
    return subject
