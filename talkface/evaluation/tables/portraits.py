"""Portraits and a system that makes videos -> measures of identity, lips closed in silence, still background."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from talkface.errors import TalkfaceError
from talkface.evaluation.bench import Bench
from talkface.evaluation.clips import track_video
from talkface.evaluation.footage import encode
from talkface.evaluation.rows import STILL, measure_of
from talkface.evaluation.tables.default import System
from talkface.media.read import read_frames, read_photo
from talkface.metrics.face_id import identity_distances
from talkface.metrics.image import away_from_face, masked_difference
from talkface.metrics.landmark import opening_series
from talkface.metrics.stats import largest
from talkface.metrics.table import Measure, Quantity, Target
from talkface.types import DEFAULT_FPS, FloatArray, Image, Shot, Waveform

Values = dict[str, dict[str, float]]
"""System -> portrait -> value."""


@dataclass(frozen=True)
class Portrait:
    """A photo with one face that can be animated.

    Attributes:
        name: file name without its ending.
        shot: photo and landmarks.
    """

    name: str
    shot: Shot

    @property
    def opening(self) -> float:
        """The photo's own inner-lip opening."""
        return float(opening_series(self.shot.landmarks[None])[0])


def load_portraits(paths: Sequence[Path], bench: Bench, largest_side: int) -> list[Portrait]:
    """Usable portraits: readable, with a face that the detector finds; larger ones are reduced to `largest_side`."""
    found = []
    for path in paths:
        try:
            image = read_photo(path)
        except TalkfaceError:
            continue
        scale = largest_side / max(image.shape[:2])
        if scale < 1:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        faces = bench.detector.detect(image)
        if faces:
            found.append(Portrait(path.stem, Shot(image, faces[0].landmarks)))
    return found


def portrait_paths(folder: Path) -> list[Path]:
    """Photos of `folder` and of its subfolder `tiny`, by name."""
    paths = (*folder.glob("*"), *folder.glob("tiny/*"))
    return sorted(path for path in paths if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))


def identity_measures(
    portraits: Sequence[Portrait], systems: Sequence[System], speech: Waveform, bench: Bench, judged: str
) -> list[Measure]:
    """Descriptor distance photo-frame, mean over frames, per portrait, with head motion and blinks as by default.

    A portrait whose video shows no face counts as a distance of 1; one that a system refuses is not usable by it.
    """
    values: Values = {system.name: {} for system in systems}
    for portrait in bench.track(portraits, len(portraits), "portraits, identity"):
        for system in systems:
            video = bench.video("portraits", system.name, portrait.name)
            try:
                system.animate(portrait.shot.image, speech, video, natural=True)
            except TalkfaceError:
                continue
            values[system.name][portrait.name] = _identity(portrait, video, bench)
    mean = Quantity("identity", "identity distance, mean over portraits", "", Target(at_most=0.35))
    worst = Quantity("identity_worst", "identity distance, worst portrait", "", Target(at_most=0.5), largest)
    return [measure_of(mean, values, judged), measure_of(worst, values, judged)]


def silence_measure(
    portraits: Sequence[Portrait], systems: Sequence[System], silence: Waveform, bench: Bench, judged: str
) -> Measure:
    """Largest opening of any frame while nothing is said, on portraits whose mouth is closed; worst portrait."""
    values: Values = {system.name: {} for system in systems}
    values[STILL] = {portrait.name: portrait.opening for portrait in portraits}
    for portrait in bench.track(portraits, len(portraits), "portraits, silence"):
        for system in systems:
            video = bench.video("silence", system.name, portrait.name)
            system.animate(portrait.shot.image, silence, video, natural=False)
            openings = opening_series(track_video(video, bench.detector))
            values[system.name][portrait.name] = float(np.nanmax(openings))
    label = "opening in silence, every frame, worst of the closed-mouth portraits"
    return measure_of(Quantity("silence", label, "", Target(at_most=0.03), largest), values, judged)


def stillness_measures(
    portraits: Sequence[Portrait], systems: Sequence[System], speech: Waveform, bench: Bench, judged: str
) -> list[Measure]:
    """Change away from the face with a still head: in the frames as rendered, and beyond the codec's own.

    The codec's own is what a video of the same length in which nothing moves shows, written by the same encoder.
    """
    before: Values = {system.name: {} for system in systems}
    after: Values = {system.name: {} for system in systems}
    for portrait in bench.track(portraits, len(portraits), "portraits, still head"):
        photo, points = portrait.shot.image, portrait.shot.landmarks
        away = away_from_face((photo.shape[0], photo.shape[1]), points)
        for system in systems:
            video = bench.video("still", system.name, portrait.name)
            system.animate(photo, speech, video, natural=False)
            still = video.with_name(f"{video.stem}_photo.mp4")
            encode(still, (photo.shape[1], photo.shape[0]), repeat(photo, len(list(read_frames(video)))))
            change = _worst_change(video, photo, away) - _worst_change(still, photo, away)
            after[system.name][portrait.name] = change
            frames = system.render(portrait.shot, _opened(points))
            before[system.name][portrait.name] = max(masked_difference(frame, photo, away) for frame in frames)
    rendered = Quantity("still", "change away from the face, as rendered", "grey levels", Target(0, 0), largest)
    encoded = Quantity("still_encoded", "the same encoded, beyond the codec's", "", Target(at_most=0.25), largest)
    return [measure_of(rendered, before, judged), measure_of(encoded, after, judged)]


def _opened(points: FloatArray) -> FloatArray:
    """The photo's landmarks with the lower lip and chin dropped by up to 0.2 outer-eye distances, `[6, 68, 2]`."""
    moved = np.repeat(points[None].astype(np.float32), 6, 0)
    drop = 0.2 * np.linalg.norm(points[45] - points[36]) * np.linspace(0, 1, 6)
    lower = np.array([6, 7, 8, 9, 10, 55, 56, 57, 58, 59, 65, 66, 67])
    moved[:, lower, 1] += drop[:, None]
    return moved


def _identity(portrait: Portrait, video: Path, bench: Bench) -> float:
    landmarks = track_video(video, bench.detector)
    shots = (
        Shot(image, landmarks[index])
        for index, (image, _) in enumerate(read_frames(video, DEFAULT_FPS))
        if index % 5 == 0 and index < len(landmarks) and np.isfinite(landmarks[index, 0, 0])
    )
    distances = identity_distances(portrait.shot, shots)
    return float(distances.mean()) if len(distances) else 1.0


def _worst_change(video: Path, photo: Image, away: FloatArray) -> float:
    height, width = photo.shape[:2]
    return max(masked_difference(image[:height, :width], photo, away) for image, _ in read_frames(video))
