"""Driving video -> landmarks of its face in every frame, and the track of its head."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.errors import MediaError, NoFaceError
from talkface.inference.request import HIGHEST_FPS
from talkface.landmarks.detect import Detector, FaceTracker
from talkface.landmarks.head_track import head_track
from talkface.landmarks.smooth import fill_unseen
from talkface.media.read import VideoInfo, probe_video, read_frames
from talkface.types import DEFAULT_FPS, FloatArray, Progress


def usable_fps(info: VideoInfo) -> Fraction:
    """A video's frame rate, or the default where its container says nonsense."""
    return info.fps if 1 <= info.fps <= HIGHEST_FPS else DEFAULT_FPS


def track_driver(
    driving: Path, fps: Fraction, info: VideoInfo, detector: Detector, progress: Progress | None = None
) -> FloatArray:
    """Landmarks of every frame of a video, `[T, 68, 2]` pixels, NaN where no face was found.

    Raises:
        NoFaceError: no frame has a face.
    """
    expected = round((info.duration_s or 0) * fps)
    tracker = FaceTracker(detector)
    found = []
    for index, (image, _) in enumerate(read_frames(driving, fps), start=1):
        face = tracker.track(image)
        found.append(np.full((68, 2), np.nan, np.float32) if face is None else face.landmarks)
        if progress:
            progress(index, max(expected, index))
    points = np.stack(found)
    if not np.isfinite(points[:, 0, 0]).any():
        raise NoFaceError(
            f"no face found in any of the {len(points)} frames of {driving}: use one of a face seen from ahead"
        )
    return points


def track_head(driving: Path, fps: Fraction, detector: Detector) -> FloatArray:
    """Head motion in a video against its own usual pose: `[N, 6]` at `fps`, smoothed, gaps bridged.

    Raises:
        MediaError: no video, or one of a single frame.
        NoFaceError: no frame has a face.
    """
    points = track_driver(driving, fps, probe_video(driving), detector).astype(np.float64)
    if len(points) < 2:
        raise MediaError(f"{driving} has one frame, which moves no head: give a video")
    return head_track(fill_unseen(points, np.isfinite(points[:, 0, 0])))
