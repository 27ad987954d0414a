"""Photo and driving video -> video of the photo's person doing what the driver does, marked as synthetic."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import numpy as np

from talkface.errors import MediaError
from talkface.inference.animator import BLOCK, Animator
from talkface.inference.clip import AnimateResult, Progress, check_outputs
from talkface.inference.driving_face import DrivingFace, open_animation, open_driver
from talkface.inference.origin import find_origin
from talkface.inference.output import Finish, cut_notes, track_text
from talkface.inference.panel import reenact_panel
from talkface.inference.photos import HDR_NOTE, PhotoSource
from talkface.inference.request import ReenactOptions
from talkface.inference.subject import Subject
from talkface.inference.tracking import track_driver, usable_fps
from talkface.landmarks.driver import DriverFace, fit_driver, follow_motion
from talkface.landmarks.online import HOLD_S, MissingDriver
from talkface.landmarks.proportions import normalise_proportions
from talkface.landmarks.retarget import Retargeter
from talkface.landmarks.smooth import SMOOTHINGS, smooth_landmarks
from talkface.media.read import VideoInfo, probe_video, read_frames
from talkface.media.speech import SpeechStream, open_speech
from talkface.media.write import VideoWriter
from talkface.renderers.animation import with_animation
from talkface.renderers.base import Rendered
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class ReenactResult(AnimateResult):
    """Result of a reenactment; see `AnimateResult`.

    Attributes:
        frames_without_face: frames in which the driver's face was not found; there the last expression is held for
            0.4 s, then the face fades to rest.
    """

    frames_without_face: int = 0


def reenact(
    animator: Animator,
    photo: PhotoSource | Sequence[PhotoSource],
    driving: Path,
    out: Path,
    *,
    options: ReenactOptions,
    progress: Progress | None = None,
) -> ReenactResult:
    """Write a video of `photo` doing what the person in `driving` does, frame for frame.

    `driving` is a video, or demo files of "Rhythmic Head Motion", whose landmarks are taken as they are. A video is
    read twice: once to find the face in every frame, so that the driver's face at rest is known before the first frame
    is made and smoothing has no lag, and (for panels) once more for its pictures.

    Args:
        progress: called with (frames done, frames in all), once through while tracking and once while writing.

    Raises:
        MediaError, NoFaceError, ConfigError: one line that names the next step.
    """
    check_outputs(out, options)
    driver = open_driver(driving)
    info = probe_video(driver.video)
    fps = options.fps or usable_fps(info)
    animation = None if options.ani is None else open_animation(options.ani, driver, fps)
    laps = [time.perf_counter()]
    subject = animator.prepare(photo, options.face)
    if animation is not None:
        subject = replace(subject, identity=with_animation(subject.identity, animation))
    laps.append(time.perf_counter())
    seen = driver.landmarks_at(fps)
    if seen is None:
        seen = track_driver(driver.video, fps, info, animator.detector, progress)
    points, missing = driven_landmarks(seen, subject, fps, options)
    laps.append(time.perf_counter())
    sound, notes = _sound(driver, info, options)
    notes += [HDR_NOTE.format(driver.video)] if info.hdr else []
    if missing:
        notes.append(f"no face in {missing} of {len(points)} driving frames: held {HOLD_S} s, then faded to rest")
    notes += cut_notes(options, subject.shots.shots[0])
    size = _write(animator, subject, points, driver.video, sound, out, fps, options, progress)
    laps.append(time.perf_counter())
    return ReenactResult(
        path=out,
        num_frames=len(points),
        fps=fps,
        duration_s=float(len(points) / fps),
        size=size,
        faces_found=subject.shots.faces_found,
        notes=[*subject.shots.notes, *notes],
        timings=dict(zip(("enroll", "track", "render"), np.diff(laps).tolist(), strict=True)),
        frames_without_face=missing,
        shot=subject.shots.shots[0],
    )


def driven_landmarks(
    seen: FloatArray, subject: Subject, fps: Fraction, options: ReenactOptions
) -> tuple[FloatArray, int]:
    """Landmarks of the photo's face that follow the driver's.

    Args:
        seen: `[T, 68, 2]` driver's pixel landmarks, NaN where no face was found.

    Returns:
        `[T, 68, 2]` pixels of the photo, and how many frames had no face.
    """
    found = np.isfinite(seen[:, 0, 0])
    smooth = seen.copy()
    for start, end in _runs(found):
        smooth[start:end] = smooth_landmarks(seen[start:end], *SMOOTHINGS[options.smoothing])
    if options.proportions:
        smooth[found] = normalise_proportions(smooth[found], subject.landmarks)
    driver = fit_driver(smooth[found])
    moved = np.full_like(seen, np.nan)
    moved[found] = move_photo(subject.retargeter, subject.landmarks, driver, smooth[found], options)
    keep = MissingDriver(rest_of(subject), fps)
    points = np.stack([keep(target if there else None) for target, there in zip(moved, found, strict=True)])
    return points, keep.missing


def move_photo(
    retargeter: Retargeter, photo: FloatArray, driver: DriverFace, points: FloatArray, options: ReenactOptions
) -> FloatArray:
    """Landmarks of the photo's face `[T, 68, 2]` for the driver's `[T, 68, 2]`, all finite."""
    if options.raw or options.proportions:
        return driver.laid_onto(points, photo)
    motion = driver.motion(points)
    return follow_motion(retargeter, motion, expression_scale=options.expression_scale, head_motion=options.head_scale)


def rest_of(subject: Subject) -> FloatArray:
    """Where the photo's face rests: its own pose, lips closed."""
    return np.asarray(subject.retargeter(np.zeros((1, 68, 2)))[0])


def _runs(found: np.ndarray) -> Iterator[tuple[int, int]]:
    """(start, end) of every stretch of frames with a face."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _sound(driver: DrivingFace, info: VideoInfo, options: ReenactOptions) -> tuple[SpeechStream | None, list[str]]:
    if not options.sound or (driver.sound is None and not info.has_sound):
        return None, []
    try:
        return open_speech(driver.sound or driver.video), []
    except MediaError as error:
        return None, [f"the video is silent: {error}"]


def _write(
    animator: Animator,
    subject: Subject,
    points: FloatArray,
    driving: Path,
    sound: SpeechStream | None,
    out: Path,
    fps: Fraction,
    options: ReenactOptions,
    progress: Progress | None,
) -> tuple[int, int]:
    """Render and encode frame by frame; returns width and height."""
    pictures = Pictures(subject, options)
    watched = (image for image, _ in read_frames(driving, fps)) if options.panel else iter(())
    blocks = (points[start : start + BLOCK] for start in range(0, len(points), BLOCK))
    identity = subject.identity.streaming()
    rendered = (frame for block in blocks for frame in animator.renderer.render(identity, block))
    size = pictures.size(next(iter(read_frames(driving, fps)))[0] if options.panel else None)
    origin = find_origin(options, subject.shots, animator.network_files(), driving=driving)
    with VideoWriter(
        out,
        size,
        fps,
        sound,
        force=options.force,
        origin=origin,
        alpha=options.alpha,
        captions=track_text(options),
    ) as writer:
        last: Image | None = None
        for index, (frame, image) in enumerate(zip_longest(rendered, watched), start=1):
            if frame is None:
                break
            last = image if image is not None else last
            writer.write(pictures(frame, last, float((index - 1) / fps)))
            if progress:
                progress(index, len(points))
    return size


class Pictures:
    """Presentation of a rendered frame: all of it, only the face, or three panels."""

    def __init__(self, subject: Subject, options: ReenactOptions) -> None:
        shot = subject.shots.shots[0]
        self._photo, self._landmarks = shot.image, shot.landmarks
        self._panel = options.panel
        self._finish = Finish(options, shot)

    def __call__(self, rendered: Rendered, driver: Image | None, time_s: float = 0.0) -> Image:
        if self._panel:
            assert driver is not None, "panels need the driver's picture"
            return self._finish.letter(reenact_panel(driver, rendered, self._finish.window), time_s)
        return self._finish.letter(self._finish.person(rendered), time_s)

    def size(self, driver: Image | None) -> tuple[int, int]:
        """Width and height of every picture."""
        empty = Rendered(self._photo, self._landmarks)
        height, width = self(empty, driver).shape[:2]
        return width, height
