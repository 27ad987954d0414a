"""Real test clips, portraits and a system that makes videos -> the measures that the default networks must reach.

Evaluation makes no video itself: the command line hands in systems, which call inference. Everything is measured on
encoded videos that are read back, except the inner mouth and SSIM, which are measured on the frames themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from talkface.evaluation.bench import Bench
from talkface.evaluation.clips import HeldOutClip, RealClip, load_real_clip, track_video
from talkface.evaluation.rows import REAL, STILL, Row, Scores
from talkface.evaluation.tables.lip_motion import LIP_MOTION, THEVAL_ROWS, lip_motion
from talkface.geometry.resample import cut_patch
from talkface.landmarks.layout import INNER_LIP
from talkface.media.read import read_frames
from talkface.metrics.image import FACE_CROP, face_map, polygon_l1, ssim
from talkface.metrics.lag import best_lag, pearson
from talkface.metrics.landmark import most_open_frames, opening_series, percentile_ratio, std_ratio
from talkface.metrics.mouth import MOUTH_MEASURE, InnerMouth, typical_inner_mouth
from talkface.metrics.stats import finite_mean, median
from talkface.metrics.table import Measure, Quantity, Target
from talkface.types import DEFAULT_FPS, FloatArray, Image, Shot, Waveform


class System(Protocol):
    """One system under test."""

    name: str

    def animate(self, photo: Image, speech: Waveform, out: Path, *, natural: bool) -> None:
        """Write a video of `photo` speaking; `natural` adds the default head motion and blinks."""

    def render(self, photo: Shot, landmarks: FloatArray) -> Iterator[Image]:
        """Render `photo` with exactly the pixel landmarks `[T, 68, 2]`."""


def score_clips(
    clips: Sequence[HeldOutClip], systems: Sequence[System], bench: Bench, *, natural: bool
) -> Iterator[Row]:
    """Score every system on every clip, the real clip re-encoded among them; clips without a face are left out."""
    for clip in bench.track(clips, len(clips), "test clips"):
        real = load_real_clip(clip, bench)
        if real is None:
            continue
        yield _score_real(real)
        yield _score_still(real)
        for system in systems:
            yield _score_system(real, system, bench, natural=natural)


def clip_measures(rows: Sequence[Row], judged: str) -> list[Measure]:
    """Rows of the table that come from the test clips: median (or mean) and interval over people."""
    everybody = Scores(rows, last=(STILL, REAL))
    people = Scores((row for row in rows if row.labels["group"] == "people"), last=(STILL, REAL))
    sentences = [row for row in rows if row.labels["group"] != "people"]
    measures = [
        people.measure(quantity, judged, "people_")
        for quantity in (
            Quantity("r", "opening r, lag 0, unseen people", "", Target(at_least=0.40), median),
            Quantity("r_best", "opening r, best lag within ±2", "", Target(at_least=0.50), median),
            Quantity("lag", "median best lag", "frames", Target(0, 0), median),
            Quantity("std", "opening std over the real one's", "", Target(0.6, 1.3), median),
            Quantity("p95", "95th percentile of the opening over the real one's", "", Target(0.85, 1.15), median),
            Quantity("sharpness", "sharpness inside the open mouth over the real one's", "", Target(0.8, 1.1), median),
            Quantity("teeth", "teeth in it over the real one's, where that shows them", "", Target(0.6, 1.3), median),
            *LIP_MOTION,
        )
    ]
    for name, label in THEVAL_ROWS.items():  # the published score is 1 - |this - 1|
        quantity = Quantity(name, f"THEval {label}, over the real ones'", "", Target(0.8, 1.2))
        measure = people.measure(quantity, judged, "people_")
        measures.append(replace(measure, scores=people.ratio(name, REAL)))
    if sentences:
        quantity = Quantity("r", "opening r, lag 0, GRID s1 test sentences", "", Target(at_least=0.85), median)
        by_clip = Scores(sentences, last=(STILL, REAL), sample=lambda row: row.clip)
        measures.insert(3, by_clip.measure(quantity, judged, "grid_"))
    ratio = Quantity("mouth_l1_ratio", "inner-mouth L1 over warp's, most open frames", "", Target(at_most=0.68))
    similarity = Quantity("ssim", "SSIM of the 256² crop, most open frames", "", Target(at_least=0.80))
    gain = Quantity("ssim_gain", "the same minus warp's", "", Target(at_least=0.0))
    made = [system for system in everybody.columns if system not in (STILL, REAL)]
    gains = {system: everybody.score(everybody.gains(similarity, system, "warp")) for system in made}
    return [
        *measures,
        Measure(ratio, everybody.ratio("mouth_l1", "warp"), judged),
        everybody.measure(Quantity("mouth_l1", "inner-mouth L1, most open frames", "grey levels"), judged, "people_"),
        everybody.measure(similarity, judged, "people_"),
        Measure(gain, gains, judged),
    ]


def _score_real(real: RealClip) -> Row:
    """The real clip after cropping and encoding, measured like a made video: the ceiling of every measure."""
    chosen = set(real.open_frames.tolist())
    frames = [image for index, (image, _) in enumerate(read_frames(real.video, DEFAULT_FPS)) if index in chosen]
    return _row(REAL, real, real.remeasured, _open_mouth(real.video, real.remeasured), frames)


def _score_still(real: RealClip) -> Row:
    """The photo itself in every frame: the floor."""
    landmarks = np.repeat(real.photo.landmarks[None], len(real.landmarks), 0)
    frames = [real.photo.image] * len(real.open_frames)
    return _row(STILL, real, landmarks, typical_inner_mouth([real.photo]), frames)


def _score_system(real: RealClip, system: System, bench: Bench, *, natural: bool) -> Row:
    video = bench.video("videos", system.name, real.clip.key)
    system.animate(real.photo.image, real.speech, video, natural=natural)
    landmarks = track_video(video, bench.detector)
    frames = system.render(real.photo, real.landmarks[real.open_frames])
    return _row(system.name, real, landmarks, _open_mouth(video, landmarks), list(frames))


def _open_mouth(video: Path, landmarks: FloatArray) -> InnerMouth:
    """Inside of the mouth in a video's most open frames."""
    chosen = set(most_open_frames(opening_series(landmarks)).tolist())
    numbered = enumerate(read_frames(video, DEFAULT_FPS))
    return typical_inner_mouth(Shot(image, landmarks[index]) for index, (image, _) in numbered if index in chosen)


def _row(system: str, real: RealClip, landmarks: FloatArray, mouth: InnerMouth, open_frames: Sequence[Image]) -> Row:
    """Score a video by its landmarks `[T, 68, 2]` and the inside of its mouth, and frames by the real open ones."""
    made = opening_series(landmarks)
    shift = best_lag(made, real.openings)
    targets = real.landmarks[real.open_frames]
    pairs = list(zip(open_frames, real.open_images, targets, strict=False))
    own = _open_mouth(real.video, real.remeasured)
    scores = {
        "r": pearson(made, real.openings),
        "r_best": shift.r,
        "lag": float(shift.lag),
        "std": std_ratio(made, real.openings),
        "p95": percentile_ratio(made, real.openings, 95),
        "sharpness": mouth.sharpness / max(own.sharpness, 1e-6),
        "teeth": mouth.teeth / own.teeth if own.teeth > MOUTH_MEASURE.shown_teeth else float("nan"),
        "mouth_l1": finite_mean(polygon_l1(frame, image, points[INNER_LIP]) for frame, image, points in pairs),
        "ssim": finite_mean(
            ssim(*(cut_patch(image, face_map(points), FACE_CROP.face_size) for image in images))
            for *images, points in pairs
        ),
        **lip_motion(landmarks, real.remeasured, real.speech),
    }
    clip = real.clip
    return Row({"system": system, "clip": clip.key, "person": clip.person, "group": clip.group}, scores)
