"""Landmarks of a file or array -> track that drives a photo instead of speech."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from talkface.audio.rhythm import no_rhythm
from talkface.errors import ConfigError, MediaError
from talkface.files.arrays import read_arrays
from talkface.files.check import check_array, parse_ratio
from talkface.files.read import refusing
from talkface.files.write import atomic_file
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import Subject, Track
from talkface.landmarks.detect import Detector
from talkface.landmarks.driver import fit_driver
from talkface.landmarks.layout import interocular
from talkface.landmarks.smooth import smooth_landmarks
from talkface.types import DEFAULT_FPS, FloatArray, LandmarkSequence

SLOWEST, FASTEST, FINEST = 1, 1000, 1_000_000  # frames per second of a landmarks file, and their denominator
SAME_FACE = 0.02  # mean landmark distance, in outer-eye distances, below which a file was made from this very photo


def save_landmarks(path: Path, points: FloatArray, fps: Fraction, photo_landmarks: FloatArray) -> None:
    """Write `[T, 68, 2]` pixel landmarks, their frame rate and the photo's own `[68, 2]` as one .npz file."""
    with atomic_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, points=points, fps=np.array(str(fps)), photo_landmarks=photo_landmarks)


def load_landmarks(path: Path) -> tuple[LandmarkSequence, FloatArray | None]:
    """Read what `save_landmarks` wrote, or any .npy / .npz of `[T, 68, 2]` pixel points at 25 frames/s.

    Depth of `[T, 68, 3]` points is left out; `FOLDER/X` takes the landmarks of demo files (`data.interop.quintuple`).

    Returns:
        The sequence, and the photo's landmarks where the file has them.

    Raises:
        MediaError: missing or unreadable file, wrong shape, or numbers that are not finite.
        DatasetError: demo files that are incomplete or of another shape.
    """
    from talkface.data.interop.quintuple import is_quintuple, read_quintuple

    if is_quintuple(path):
        return LandmarkSequence(read_quintuple(path).landmarks[..., :2].astype(np.float32)), None
    if not path.is_file():
        raise MediaError(f"no landmarks file {path}: make one with --save-landmarks")
    arrays = read_arrays(path, ("points", "fps", "photo_landmarks"), "landmarks [T, 68, 2]", MediaError)
    points, photo = arrays.get("points"), arrays.get("photo_landmarks")
    if points is None:
        raise MediaError(f"{path} holds nothing called points: expected [T, 68, 2] pixel landmarks")
    check_array(points, [(None, 68, 2), (None, 68, 3)], str(path), MediaError)
    if photo is not None:
        check_array(photo, [(68, 2)], f"photo_landmarks in {path}", MediaError)
    fps = _parse_fps(path, arrays["fps"]) if "fps" in arrays else DEFAULT_FPS
    return LandmarkSequence(points[..., :2].astype(np.float32), fps), photo


def _parse_fps(path: Path, stored: npt.NDArray[Any]) -> Fraction:
    """The frame rate that a landmarks file claims.

    Raises:
        MediaError: not a number, or not between 1 and 1000.
    """
    with refusing(f"{path} holds an invalid fps: expected frames per second such as 25 or 30000/1001", MediaError):
        fps = parse_ratio(str(stored.item()))
        if not SLOWEST <= fps <= FASTEST:
            raise MediaError(f"{path} holds fps {float(fps):g}: expected {SLOWEST} to {FASTEST}")
        return fps.limit_denominator(FINEST)


def landmark_track(
    driving: LandmarkSequence, photo_landmarks: FloatArray | None, subject: Subject, fps: Fraction
) -> Track:
    """Drive `subject` by landmarks.

    Points that were made from this very photo are reproduced as they are. Points of another face give what mouth and
    brows do only: the displacement from that face's own closed mouth, smoothed, so that its shape does not leak; to
    follow head and eyes too is `reenact`.

    Args:
        driving: pixel landmarks of a photo or of a driving video.
        photo_landmarks: `[68, 2]` landmarks of the photo that `driving` was made from, where known.
        subject: who is animated.
        fps: of the video; `driving` is resampled in time.
    """
    points = resample(driving, fps)
    still = no_rhythm(len(points))
    if photo_landmarks is not None and _distance(photo_landmarks, subject.landmarks) < SAME_FACE:
        return Track(np.zeros_like(points), still, exact=points)
    smooth = smooth_landmarks(points)
    return Track(fit_driver(smooth).motion(smooth).displacement, still)


def driven_track(subject: Subject, landmarks: str | Path | LandmarkSequence, fps: Fraction) -> Track:
    """Motion of `subject` from landmarks instead of speech; raises as `load_landmarks` does."""
    if isinstance(landmarks, LandmarkSequence):
        return landmark_track(landmarks, None, subject, fps)
    driving, photo_landmarks = load_landmarks(Path(landmarks))
    return landmark_track(driving, photo_landmarks, subject, fps)


def follow_head(track: Track, video: Path, options: AnimateOptions, detector: Detector) -> Track:
    """Let the head follow the one in a video instead of the speech; everything else stays.

    Raises:
        ConfigError: the head is to stay still, or `track` holds the photo's own landmarks, head and all.
        MediaError, NoFaceError: no video, or none of a face.
    """
    if options.head_amount == 0:
        raise ConfigError("the head is to keep still and to follow a video: leave out one of them")
    if track.exact is not None:
        raise ConfigError("these landmarks were made from this photo and hold its head's motion: leave out the video")
    from talkface.inference.tracking import track_head

    return replace(track, head=track_head(video, options.fps, detector))


def _distance(first: FloatArray, second: FloatArray) -> float:
    return float(np.linalg.norm(first - second, axis=-1).mean() / interocular(second))


def resample(sequence: LandmarkSequence, fps: Fraction) -> FloatArray:
    """Landmarks at another frame rate, linear in time: `[T', 68, 2]` with `T' = round(T / sequence.fps * fps)`."""
    if sequence.fps == fps:
        return sequence.points
    count = max(1, round(len(sequence) / sequence.fps * fps))
    times = np.clip((np.arange(count) + 0.5) * float(sequence.fps / fps) - 0.5, 0, len(sequence) - 1)
    before = np.minimum(times.astype(int), max(len(sequence) - 2, 0))
    after = np.minimum(before + 1, len(sequence) - 1)
    share = (times - before)[:, None, None].astype(np.float32)
    return np.asarray((1 - share) * sequence.points[before] + share * sequence.points[after])
