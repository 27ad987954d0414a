"""Video just made, and its photo -> what it turned out like, in numbers with their usual ranges.

Nothing here needs a real video. Long videos are looked at in a few windows, so that time and memory do not grow with
their length.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from talkface.errors import MediaError
from talkface.geometry.resample import cut_patch
from talkface.landmarks.describe import describe
from talkface.landmarks.detect import Detector, FaceTracker
from talkface.media.read import probe_video
from talkface.media.seek import read_window
from talkface.media.speech import open_speech
from talkface.metrics.blinks import find_blinks
from talkface.metrics.face_id import descriptor_distance
from talkface.metrics.flicker import Flicker, Seam, jitter
from talkface.metrics.head import head_diversity
from talkface.metrics.image import FACE_CROP, crop_matrix
from talkface.metrics.lag import LagScore, best_lag
from talkface.metrics.landmark import opening_series
from talkface.metrics.sharpness import drift, sharpness
from talkface.metrics.stats import finite_mean
from talkface.metrics.sync import frame_levels
from talkface.types import DEFAULT_FPS as FPS
from talkface.types import SAMPLE_RATE, FloatArray, Shot, Waveform


@dataclass(frozen=True)
class MadeVideoSettings:
    """Stretches of a made video that are looked at."""

    whole_s: float = 8.0  # videos up to this long are looked at whole
    window_s: float = 2.6  # longer ones in windows of this length,
    windows: int = 3  # so many, the first at the start and the last at the end
    # frames between two looks of the detector: a face that leaves is missed after at most so many
    confirm_every: int = 5
    max_lag: int = 5  # frames to either side
    detailed_every: int = 4  # frames between two looks at sharpness and seam
    described: int = 6  # frames, spread over the video, at which it is asked who it is: 80 ms each


MADE_VIDEO = MadeVideoSettings()


@dataclass(frozen=True)
class UsualRange:
    """Unit and usual range of one value.

    Attributes:
        unit: of the value.
        low: what lies below is worth a warning; None where nothing is too low.
        high: what lies above is; None where nothing is too high.
        meaning: what the warning says that it means.
    """

    unit: str
    low: float | None
    high: float | None
    meaning: str


USUAL = {
    "opening_energy_lag": UsualRange("frames", -3, 2, "lips and voice may be out of step"),
    "opening_energy_r": UsualRange("", 0.1, None, "the mouth hardly follows the voice"),
    "opening_range": UsualRange("outer-eye distances", 0.014, 0.16, "the mouth moves unusually little or much"),
    "identity_distance": UsualRange("", None, 0.35, "the face may not look like the photo"),
    "sharpness": UsualRange("of the photo", 0.6, 1.4, "the face is not as sharp as the photo"),
    "mouth_sharpness": UsualRange("of the photo", 0.5, 2.0, "the mouth is not as sharp as the photo"),
    "sharpness_drift": UsualRange("end over start", 0.85, 1.18, "the picture changes over time"),
    "seam": UsualRange("grey levels", None, 8.0, "a border may show around the mouth"),
    "blink_rate": UsualRange("per s", None, 0.8, "the eyes blink unusually often"),
    "unblinking": UsualRange("s", None, 7.5, "the lids never shut"),
    "blink_duration": UsualRange("s", 0.08, 0.5, "blinks are unusually short or long"),
    "head_diversity": UsualRange("degrees", None, 6.0, "the head moves unusually much"),
    "jitter": UsualRange("1/1000 eye distance", None, 8.0, "the face trembles"),
    "flicker": UsualRange("grey levels", None, 2.5, "the picture flickers"),
    "brightness_flicker": UsualRange("grey levels", None, 0.6, "the brightness flickers"),
    "faceless": UsualRange("share", None, 0.0, "no face is found in some frames"),
}
"""Ranges that the videos of the shipped networks keep, with room: a value outside is worth a look, not an error.

People's opening ranges over .014 to .055 in twelve real clips of 2 to 6 s.
"""


@dataclass
class _Looked:
    """Measures of one window."""

    start: int
    landmarks: list[FloatArray] = field(default_factory=list)
    details: list[tuple[float, float]] = field(default_factory=list)
    flicker: Flicker = field(default_factory=Flicker)


def measure_made(path: Path, photo: Shot, detector: Detector) -> dict[str, float]:
    """Look at a video that was just made from `photo`; at most 8 s of it, spread over its length.

    Everything is measured on the encoded file, at 25 frames/s, with landmarks found again, not on what was asked
    for: so a mouth that was not rendered is not seen to open.

    Args:
        path: the video, with or without sound.
        photo: what it was made from, with landmarks.
        detector: landmark backend.

    Returns:
        Values by the names of `USUAL`, NaN where nothing could be measured, and `frames_measured`.
    """
    info = probe_video(path)
    planned = _windows(info.duration_s or 0.0)
    total = sum(count for _, count in planned)
    seam, described = Seam(photo), _Describer(photo, total)
    windows = [_look(path, start, count, detector, seam, described) for start, count in planned]
    landmarks = [np.stack(window.landmarks) for window in windows]
    lag = _lag(path, [window.start for window in windows], landmarks) if info.has_sound else LagScore(0, float("nan"))
    openings = np.concatenate([opening_series(points) for points in landmarks])
    details = np.array([pair for window in windows for pair in window.details]).reshape(-1, 2)
    own = sharpness(photo.image, photo.landmarks)
    blinks = [find_blinks(points, FPS) for points in landmarks]
    seen_s = sum(float(np.isfinite(points[:, 0, 0]).sum() / FPS) for points in landmarks)
    durations = np.concatenate([found.durations_s for found in blinks])
    return {
        "frames_measured": float(len(openings)),
        "opening_energy_lag": float(lag.lag) if np.isfinite(lag.r) else float("nan"),
        "opening_energy_r": lag.r,
        "opening_range": float(np.nanstd(openings)) if np.isfinite(openings).any() else float("nan"),
        "identity_distance": described.distance(),
        "sharpness": finite_mean(details[:, 0]) / max(own[0], 1e-9),
        "mouth_sharpness": finite_mean(details[:, 1]) / max(own[1], 1e-9),
        "sharpness_drift": drift(details[:, 0]),
        "seam": seam.height,
        "blink_rate": len(durations) / seen_s if seen_s else float("nan"),
        "unblinking": 0.0 if len(durations) else seen_s,
        "blink_duration": finite_mean(durations),
        "head_diversity": head_diversity(np.concatenate(landmarks)),
        "jitter": finite_mean(jitter(points) for points in landmarks),
        "flicker": finite_mean(window.flicker.pixels for window in windows),
        "brightness_flicker": finite_mean(window.flicker.brightness for window in windows),
        "faceless": float(1 - np.isfinite(openings).mean()),
    }


def out_of_range(measured: Mapping[str, float]) -> list[str]:
    """One line for each value outside its usual range; values that could not be measured are passed over."""
    lines = []
    for name, usual in USUAL.items():
        value = measured.get(name, math.nan)
        low = -math.inf if usual.low is None else usual.low
        high = math.inf if usual.high is None else usual.high
        if not math.isfinite(value) or low <= value <= high:
            continue
        unit = f" {usual.unit}" if usual.unit else ""
        bounds = f"{low:g} to {high:g}"
        if usual.low is None or usual.high is None:
            bounds = f"at most {high:g}" if usual.low is None else f"at least {low:g}"
        lines.append(f"{name.replace('_', ' ')} is {value:.3g}{unit}, usual is {bounds}: {usual.meaning}")
    return lines


def _windows(duration_s: float) -> list[tuple[int, int]]:
    """First frame and number of frames, at 25 per second; one window of all where that is not much."""
    if duration_s <= MADE_VIDEO.whole_s:
        return [(0, max(1, round(duration_s * FPS)))]
    count = round(MADE_VIDEO.window_s * FPS)
    last = int(duration_s * FPS) - count
    return [(round(last * place / (MADE_VIDEO.windows - 1)), count) for place in range(MADE_VIDEO.windows)]


def _look(path: Path, start: int, count: int, detector: Detector, seam: Seam, described: "_Describer") -> _Looked:
    looked = _Looked(start)
    tracker = FaceTracker(detector, every=MADE_VIDEO.confirm_every)
    frames = read_window(path, FPS, start / FPS, count)
    to_crop: FloatArray | None = None
    for index, image in enumerate(frames):
        face = tracker.track(image)
        looked.landmarks.append(np.full((68, 2), np.nan, np.float32) if face is None else face.landmarks)
        if to_crop is None and face is not None:
            matrix, side = crop_matrix(face.landmarks[None], image.shape[1], image.shape[0], FACE_CROP.compared_factor)
            to_crop = matrix * (FACE_CROP.compared_size / side)
        if to_crop is not None:
            looked.flicker.add(cut_patch(image, to_crop, FACE_CROP.compared_size))
        if face is not None and index % MADE_VIDEO.detailed_every == 0:
            shot = Shot(image, face.landmarks)
            looked.details.append(sharpness(shot.image, shot.landmarks))
            seam.add(shot)
            described.offer(shot)
    if not looked.landmarks:
        raise MediaError(f"{path} ends before {float(start / FPS):.1f} s: it changed while it was measured")
    return looked


class _Describer:
    """Asks of a few frames, spread over all that are offered, who it is."""

    def __init__(self, photo: Shot, total: int) -> None:
        """Take the photo and how many frames there will be; every `detailed_every`-th is offered."""
        self._photo = describe(photo.image, photo.landmarks)
        self._every = max(1, total // (MADE_VIDEO.detailed_every * MADE_VIDEO.described))
        self._offered = 0
        self._distances: list[float] = []

    def offer(self, shot: Shot) -> None:
        """Describe every n-th frame."""
        if self._offered % self._every == 0:
            self._distances.append(descriptor_distance(self._photo, describe(shot.image, shot.landmarks)))
        self._offered += 1

    def distance(self) -> float:
        """Mean distance to the photo; NaN without a frame."""
        return finite_mean(self._distances)


def _lag(path: Path, starts: Sequence[int], landmarks: Sequence[FloatArray]) -> LagScore:
    """Best lag of opening against loudness over all windows, none of which may be shifted into its neighbour."""
    openings, levels = [], []
    gap = np.full(2 * MADE_VIDEO.max_lag, np.nan)
    sounds = _sounds(path, [(start, len(points)) for start, points in zip(starts, landmarks, strict=True)])
    for points, sound in zip(landmarks, sounds, strict=True):
        openings += [opening_series(points), gap]
        levels += [frame_levels(sound, FPS, len(points)), gap]
    return best_lag(np.concatenate(openings), np.concatenate(levels), MADE_VIDEO.max_lag)


def _sounds(path: Path, windows: Sequence[tuple[int, int]]) -> list[Waveform]:
    """The sound of each window, given as first frame and count; holds the windows and one block."""
    per_frame = SAMPLE_RATE / float(FPS)
    bounds = [(round(start * per_frame), round((start + count) * per_frame)) for start, count in windows]
    parts: list[list[FloatArray]] = [[np.zeros(0, np.float32)] for _ in windows]
    position = 0
    for block in open_speech(path).blocks():
        for (first, last), kept in zip(bounds, parts, strict=True):
            kept.append(block.samples[max(first - position, 0) : max(last - position, 0)].copy())
        position += len(block.samples)
    return [Waveform(np.concatenate(kept).astype(np.float32)) for kept in parts]
