"""Landmarks of a made and a real video -> how alike their mouths move.

Every function takes sequences sampled at the same times (25 frames/s by convention: resample by time stamps first, as
`media/read.py` does) and found by the same detector; the shipped tables use dlib's 68 points on both videos. Frames
without a face are NaN and are left out.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from talkface.landmarks.layout import MOUTH, interocular, mouth_opening
from talkface.landmarks.pose import mean_face_3d, square_camera
from talkface.metrics.lag import MIN_FRAMES, STILL_STD
from talkface.metrics.stats import finite_mean
from talkface.types import FloatArray

LmdConvention = Literal["mean", "sum"]


def opening_series(landmarks: FloatArray) -> FloatArray:
    """Inner-lip opening of every frame: distance 62-66 over the distance of the outer eye corners 36-45.

    No crop; unit: outer-eye distances (about 90 mm on an adult, so 0.1 is 9 mm).

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN where no face was found.

    Returns:
        `[T]` float64.
    """
    return np.asarray(mouth_opening(np.asarray(landmarks, np.float64)))


def width_series(landmarks: FloatArray) -> FloatArray:
    """Distance of the mouth's corners 48-54 over that of the outer eye corners: `[T, 68, 2]` -> `[T]`, NaN kept."""
    points = np.asarray(landmarks, np.float64)
    return np.asarray(np.linalg.norm(points[:, 54] - points[:, 48], axis=-1) / interocular(points))


def rounding_series(landmarks: FloatArray) -> FloatArray:
    """Visible lip height over the mouth's width: (51-57 less 62-66) over 48-54, `[T, 68, 2]` -> `[T]`, NaN kept.

    Lips that round come forward and narrow: from ahead they look thicker and shorter.
    """
    points = np.asarray(landmarks, np.float64)
    height = np.linalg.norm(points[:, 57] - points[:, 51], axis=-1)
    gap = np.linalg.norm(points[:, 66] - points[:, 62], axis=-1)
    width = np.linalg.norm(points[:, 54] - points[:, 48], axis=-1)
    return np.asarray((height - gap) / np.maximum(width, 1e-9))


def std_ratio(made: FloatArray, real: FloatArray) -> float:
    """Standard deviation of the made series over the real one's: 1 moves as much, 0 does not move; no unit."""
    length = min(len(made), len(real))
    made, real = np.asarray(made[:length], np.float64), np.asarray(real[:length], np.float64)
    common = np.isfinite(made) & np.isfinite(real)
    if common.sum() < MIN_FRAMES or real[common].std() < STILL_STD:
        return float("nan")
    return float(made[common].std() / real[common].std())


def percentile_ratio(made: FloatArray, real: FloatArray, percent: float) -> float:
    """A percentile of the made series over the real one's, over the frames where each is finite; no unit."""
    made, real = (values[np.isfinite(values)] for values in (np.asarray(made), np.asarray(real)))
    if min(len(made), len(real)) < MIN_FRAMES:
        return float("nan")
    return float(np.percentile(made, percent) / max(float(np.percentile(real, percent)), STILL_STD))


def lmd(made: FloatArray, real: FloatArray, convention: LmdConvention = "mean") -> float:
    """Landmark distance of the mouth (Chen et al. 2018), in pixels of the videos given.

    The 20 mouth points of each frame are centred on their mean, then compared point by point. The two conventions that
    published numbers follow differ by a factor of 20:

    - `mean`: mean over points and frames, as the papers' formula reads (RAD-NeRF, SyncTalk); in a 256x256 crop of both
      videos it is the M-LMD of EAMM, EAT and DreamTalk;
    - `sum`: sum over the 20 points, mean over frames, as ATVGnet's released script computes it.

    Both depend on the crop and its size: compare only numbers made with the same one.
    """
    distances = _centred_distances(made, real, MOUTH)
    per_frame = distances.mean(-1) if convention == "mean" else distances.sum(-1)
    return finite_mean(per_frame)


def lmd_normalised(made: FloatArray, real: FloatArray) -> float:
    """`lmd` (mean convention) over the real frame's outer-eye distance: free of crop and size; no unit."""
    per_frame = _centred_distances(made, real, MOUTH).mean(-1)
    return finite_mean(per_frame / interocular(np.asarray(real[: len(per_frame)], np.float64)))


def f_lmd(made: FloatArray, real: FloatArray) -> float:
    """Landmark distance of the whole face: all 68 points, centred per frame, mean over points and frames, in pixels.

    In a 256x256 crop of both videos it is the F-LMD of EAMM, EAT and DreamTalk.
    """
    return finite_mean(_centred_distances(made, real, np.arange(68)).mean(-1))


def lvd(made: FloatArray, real: FloatArray) -> float:
    """Landmark velocity difference of the mouth (EAT's evaluation): pixels per frame.

    The 20 mouth points' steps from frame to frame, not centred, compared point by point; mean over points and frames.
    """
    length = min(len(made), len(real))
    ours, theirs = (np.diff(np.asarray(points[:length], np.float64)[:, MOUTH], axis=0) for points in (made, real))
    return finite_mean(np.linalg.norm(ours - theirs, axis=-1).mean(-1))


def lip_distance_series(landmarks: FloatArray) -> FloatArray:
    """Distance of the inner lips 62-66 on the mean face, freed of the head's size and nod by a 3-D fit.

    What lip-distance correlation (FreeTalkDiff, 2026) compares, there on a fitted 3-D head. Each frame's camera, fitted
    to the mean face, says how long a line along the face's own vertical looks, and how the lips' different depth shows;
    the gap less the latter is divided by the former.

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN where no face was found.

    Returns:
        `[T]` float64, outer-eye distances of the mean face; NaN kept.
    """
    points = np.asarray(landmarks, np.float64)
    model = mean_face_3d()
    distances = np.full(len(points), np.nan)
    for index in np.flatnonzero(np.isfinite(points).all((1, 2))):
        camera = square_camera(points[index])[:2]
        gap = points[index, 66] - points[index, 62] - camera[:, 2] * (model[66, 2] - model[62, 2])
        distances[index] = np.linalg.norm(gap) / np.linalg.norm(camera[:, 1])
    return distances


def most_open_frames(openings: FloatArray, share: float = 0.1, at_least: int = 3) -> FloatArray:
    """Indices of the most open frames: the top `share` of the finite ones, in the order of time."""
    openings = np.asarray(openings, np.float64)
    finite = np.flatnonzero(np.isfinite(openings))
    count = min(len(finite), max(at_least, round(share * len(finite))))
    ranked = finite[np.argsort(-openings[finite], kind="stable")]
    return np.sort(ranked[:count])


def closed_frame(landmarks: FloatArray) -> int:
    """Index of the frame that serves as the photo: of the tenth with the most closed mouths, the most typical one.

    Typical is the frame whose points other than the mouth's lie nearest to their median over the clip, so that what
    is compared is the mouth and not how far the person turned or walked between two frames.

    Raises:
        ValueError: no frame has a face.
    """
    openings = opening_series(landmarks)
    finite = np.flatnonzero(np.isfinite(openings))
    if len(finite) == 0:
        raise ValueError("no frame of the clip has a face")
    count = max(1, len(finite) // 10)
    candidates = finite[np.argsort(openings[finite], kind="stable")][:count]
    points = np.asarray(landmarks, np.float64)[:, 17:48]  # brows, nose and eyes: all but what speech moves most
    distances = np.linalg.norm(points[candidates] - np.median(points[finite], axis=0), axis=-1).mean(-1)
    return int(candidates[np.argmin(distances)])


def _centred_distances(made: FloatArray, real: FloatArray, chosen: npt.NDArray[np.integer]) -> FloatArray:
    """Distances `[T, N]` of the chosen points after each frame's points are centred on their mean."""
    length = min(len(made), len(real))
    a, b = (np.asarray(points[:length], np.float64)[:, chosen] for points in (made, real))
    return np.asarray(np.linalg.norm((a - a.mean(1, keepdims=True)) - (b - b.mean(1, keepdims=True)), axis=-1))
