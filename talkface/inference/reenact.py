"""Photo and driving video -> clip of the photo's person doing what the driver does."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.audio.rhythm import no_rhythm
from talkface.errors import MediaError
from talkface.inference.clip import Clip
from talkface.inference.driving_face import DrivingFace, open_animation, open_driver
from talkface.inference.photos import HDR_NOTE
from talkface.inference.request import ReenactOptions
from talkface.inference.subject import Subject, Track
from talkface.inference.tracking import track_driver, usable_fps
from talkface.landmarks.detect import Detector
from talkface.landmarks.driver import DriverFace, fit_driver, follow_motion
from talkface.landmarks.online import HOLD_S, MissingDriver
from talkface.landmarks.proportions import normalise_proportions
from talkface.landmarks.retarget import Retargeter
from talkface.landmarks.smooth import SMOOTHINGS, smooth_landmarks
from talkface.media.read import VideoInfo, probe_video, read_frames
from talkface.media.speech import SpeechStream, open_speech
from talkface.renderers.animation import with_animation
from talkface.types import FloatArray, Progress


def reenact(
    driving: Path,
    prepare: Callable[[], Subject],
    detector: Detector,
    make_clip: Callable[[Subject, Track, SpeechStream | None, ReenactOptions], Clip],
    options: ReenactOptions,
    progress: Progress | None = None,
) -> Clip:
    """Clip of a person doing what the face in `driving` does, frame for frame.

    `driving` is a video, or demo files of "Rhythmic Head Motion", whose landmarks are taken as they are. A video is
    read twice: once here to find the face in every frame, so that the driver's face at rest is known before the first
    frame is made and smoothing has no lag, and (for panels) once more for its pictures.

    Args:
        driving: who drives.
        prepare: gets the person, once the driver was found to be usable.
        detector: finds the driver's face.
        make_clip: makes a clip of a track.
        options: how the motion is followed and what is shown.
        progress: called with (frames tracked, frames in all).

    Raises:
        MediaError, NoFaceError, ConfigError: one line that names the next step.
    """
    driver = open_driver(driving)
    info = probe_video(driver.video)
    fps = options.fps or usable_fps(info)
    animation = None if options.ani is None else open_animation(options.ani, driver, fps)
    laps = [time.perf_counter()]
    subject = prepare()
    if animation is not None:
        subject = replace(subject, identity=with_animation(subject.identity, animation))
    laps.append(time.perf_counter())
    seen = driver.landmarks_at(fps)
    if seen is None:
        seen = track_driver(driver.video, fps, info, detector, progress)
    points, missing = driven_landmarks(seen, subject, fps, options)
    laps.append(time.perf_counter())
    sound, notes = _sound(driver, info, options)
    notes += [HDR_NOTE.format(driver.video)] if info.hdr else []
    if missing:
        notes.append(f"no face in {missing} of {len(points)} driving frames: held {HOLD_S} s, then faded to rest")
    track = Track(np.zeros_like(points), no_rhythm(len(points)), exact=points)
    return replace(
        make_clip(subject, track, sound, replace(options, fps=fps)),
        shots=replace(subject.shots, notes=[*subject.shots.notes, *notes]),
        driving=driver.video,
        drivers=(lambda: (image for image, _ in read_frames(driver.video, fps))) if options.panel else None,
        frames_without_face=missing,
        timings=dict(zip(("enroll", "track"), np.diff(laps).tolist(), strict=True)),
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
