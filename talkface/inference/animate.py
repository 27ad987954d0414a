"""Photo, speech and options -> video file, marked as synthetic."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.errors import ConfigError, MediaError
from talkface.inference.animator import AnimateOptions, Animator, Subject, Track
from talkface.inference.driving import follow_head, landmark_track, load_landmarks, save_landmarks
from talkface.inference.maps import MapWriter, check_map_folder
from talkface.inference.panel import face_window, panel
from talkface.inference.photos import PhotoSource
from talkface.media.read import probe_video
from talkface.media.speech import SpeechStream, open_speech
from talkface.media.write import VideoWriter, check_output
from talkface.renderers.base import Rendered
from talkface.types import Image, LandmarkSequence, Shot, Waveform

REPORT_OF_PANEL = "a report measures the plain video: leave out the panel, or the report"

Progress = Callable[[int, int], None]
"""Called with (frames written, frames in all)."""


@dataclass(frozen=True)
class AnimateResult:
    """What was written.

    Attributes:
        path: the video.
        num_frames: its length in frames.
        fps: its frame rate, exact.
        duration_s: its length in seconds.
        size: width and height in pixels.
        faces_found: faces in the first photo.
        notes: remarks on the input.
        timings: seconds by stage: `enroll`, `listen`, `render`.
        shot: the photo that was animated, with its landmarks.
    """

    path: Path
    num_frames: int
    fps: Fraction
    duration_s: float
    size: tuple[int, int]
    faces_found: int
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    shot: Shot = field(kw_only=True, repr=False, compare=False)


@dataclass(frozen=True)
class OutputOptions:
    """What is written besides the plain video.

    Attributes:
        crop: only the face, square.
        panel: photo, landmark sketch, mask and result side by side.
        save_landmarks: where to write the driving landmarks.
        save_maps: folder for attention, motion map and landmarks as PNG sequences and a panel video, see `maps`.
        force: overwrite.
        encoder_threads: of the H.264 encoder, 0 as many as it likes; a fixed number gives the same bytes anywhere.
    """

    crop: bool = False
    panel: bool = False
    save_landmarks: str | Path | None = None
    force: bool = False
    encoder_threads: int = 0
    save_maps: str | Path | None = None


def parse_fps(value: Fraction | str | float) -> Fraction:
    """Frame rate from `25`, `29.97`, `30000/1001`; raises `ConfigError` for anything else."""
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"fps {value!r} is no number: expected for example 25, 29.97 or 30000/1001") from error


def as_path(value: object, name: str, expected: str = "a path") -> Path:
    """The argument called `name` as a path; raises `ConfigError` for what is none."""
    if not isinstance(value, (str, Path)):
        raise ConfigError(f"{name} is of type {type(value).__name__}: pass {expected}")
    return Path(value)


def animate(
    animator: Animator,
    photo: PhotoSource | Sequence[PhotoSource],
    speech: str | Path | Waveform | None,
    out: str | Path,
    *,
    options: AnimateOptions,
    output: OutputOptions,
    face: int | None = None,
    landmarks: str | Path | LandmarkSequence | None = None,
    head_motion_from: str | Path | None = None,
    progress: Progress | None = None,
) -> AnimateResult:
    """Write a video of `photo` speaking `speech`; everything a user can get wrong is checked before the first frame.

    Raises:
        MediaError, NoFaceError, ConfigError: one line that names the next step.
    """
    out = as_path(out, "out")
    check_output(out, force=output.force)
    if output.save_landmarks is not None:
        check_output(as_path(output.save_landmarks, "save_landmarks"), force=output.force, suffixes=(".npz",))
    if output.save_maps is not None:
        check_map_folder(as_path(output.save_maps, "save_maps"), force=output.force)
    if speech is None and landmarks is None:
        raise ConfigError("neither speech nor landmarks given: pass a speech file, or --landmarks FILE.npz")
    if progress is not None and not callable(progress):
        raise ConfigError(f"progress is of type {type(progress).__name__}: pass a function of (frames done, in all)")
    if head_motion_from is not None:
        probe_video(as_path(head_motion_from, "head_motion_from"))
    sound = open_speech(speech) if speech is not None else None
    clock = _Clock()
    subject = animator.enroll(photo, face)
    clock.lap("enroll")
    if landmarks is None:
        assert sound is not None
        track = animator.listen(sound, options.fps, subject)
    else:
        track = driven_track(subject, landmarks, options.fps)
    if head_motion_from is not None:
        track = follow_head(track, as_path(head_motion_from, "head_motion_from"), options, animator.detector)
    clock.lap("listen")
    result = write_track(animator, subject, track, sound, out, options=options, output=output, progress=progress)
    clock.lap("render")
    return replace(result, timings=clock.laps)


def write_track(
    animator: Animator,
    subject: Subject,
    track: Track,
    sound: SpeechStream | None,
    out: Path,
    *,
    options: AnimateOptions,
    output: OutputOptions,
    progress: Progress | None = None,
) -> AnimateResult:
    """Write the video of an enrolled subject that `track` drives; `sound` is only muxed, None leaves it silent.

    Raises:
        MediaError: the output cannot be written, or there is no frame.
    """
    with _mapping(subject, sound, options, output) as taking:
        frames = taking(animator.render(subject, track, options))
        size = _write(frames, subject, track, sound, out, options, output, progress)
    if output.save_landmarks is not None:
        points = np.concatenate(list(animator.landmarks(subject, track, options)))
        save_landmarks(Path(output.save_landmarks), points, options.fps, subject.landmarks)
    return AnimateResult(
        path=out,
        num_frames=len(track),
        fps=options.fps,
        duration_s=float(len(track) / options.fps),
        size=size,
        faces_found=subject.shots.faces_found,
        notes=[*subject.shots.notes, *(sound.notes if sound is not None else ())],
        shot=subject.shots.shots[0],
    )


def driven_track(subject: Subject, landmarks: str | Path | LandmarkSequence, fps: Fraction) -> Track:
    """What drives `subject` by landmarks instead of speech; raises as `load_landmarks` does."""
    if isinstance(landmarks, LandmarkSequence):
        return landmark_track(landmarks, None, subject, fps)
    driving, photo_landmarks = load_landmarks(
        as_path(landmarks, "landmarks", "a path, or talkface.types.LandmarkSequence(points, 'pixel', fps)")
    )
    return landmark_track(driving, photo_landmarks, subject, fps)


@contextlib.contextmanager
def _mapping(
    subject: Subject, sound: SpeechStream | None, options: AnimateOptions, output: OutputOptions
) -> Iterator[Callable[[Iterator[Rendered]], Iterator[Rendered]]]:
    """What frames go through on their way to the video: nothing, or the writer of maps."""
    if output.save_maps is None:
        yield lambda rendered: rendered
        return
    photo = subject.shots.shots[0].image
    with MapWriter(Path(output.save_maps), photo, options.fps, sound, force=output.force) as writer:
        yield writer.taking


def _write(
    rendered: Iterator[Rendered],
    subject: Subject,
    track: Track,
    sound: SpeechStream | None,
    out: Path,
    options: AnimateOptions,
    output: OutputOptions,
    progress: Progress | None,
) -> tuple[int, int]:
    """Render and encode frame by frame; returns width and height."""
    shot = subject.shots.shots[0]
    window = face_window(shot.image.shape[:2], shot.landmarks) if output.crop else None
    frames = _pictures(rendered, shot.image, window, output.panel)
    try:
        first = next(frames)
    except StopIteration:
        raise MediaError("there is no frame to write: the speech or landmarks are empty") from None
    height, width = first.shape[:2]
    with VideoWriter(
        out, (width, height), options.fps, sound, force=output.force, threads=output.encoder_threads
    ) as writer:
        writer.write(first)
        if progress:
            progress(1, len(track))
        for done, frame in enumerate(frames, start=2):
            writer.write(frame)
            if progress:
                progress(done, len(track))
    return width, height


def _pictures(
    rendered: Iterator[Rendered], photo: Image, window: tuple[slice, slice] | None, panels: bool
) -> Iterator[Image]:
    for one in rendered:
        if panels:
            yield panel(photo, one, window)
        else:
            yield one.image if window is None else np.ascontiguousarray(one.image[window])


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = now - self._last
        self._last = now
