"""Prepared clips -> pairs or short runs of frames as patches: what the renderer's network sees and should generate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.datasets import clip_speakers, whole_lengths
from talkface.data.samplers.chances import Chances
from talkface.data.samplers.patches import (
    Cut,
    Example,
    PatchBatch,
    PatchConfig,
    Variation,
    degrade,
    draw_variation,
    landmark_noise,
    make_examples,
    stack_examples,
    vary,
)
from talkface.errors import DatasetError
from talkface.geometry.affine import fit_similarity, rotation_vectors, transform
from talkface.landmarks.layout import STABLE, eye_distance, mouth_opening
from talkface.landmarks.pose import head_rotation, reference_frames
from talkface.types import FloatArray, Image

POSE_ERROR = 0.06  # of eyes and nose after the best similarity, outer-eye distances: the head turned too far beyond


@dataclass(frozen=True)
class _Run:
    """Photos and frames of a clip that an example, or several that follow each other, are cut from."""

    clip: PreparedClip
    photos: list[Image]
    sources: np.ndarray
    frames: list[int]
    noise: FloatArray
    variation: Variation

    def cut(self, step: int, before: FloatArray | None) -> Cut:
        """One of its frames; `before` are the landmarks that the frame before was cut for."""
        points, frame = self.clip.landmarks, int(self.frames[step])
        return Cut(self.photos, points[self.sources], self.clip.image(frame), points[frame], self.noise, before)


class PairSampler:
    """Draws pairs of one clip's frames that differ: mostly a closed mouth to an open one, sometimes the other way.

    A speaker's chance grows with the square root of the frames at hand, so that one long corpus does not dominate and
    one short clip is not learnt by heart. With `config.worst` the first photo is often the one whose pose is farthest
    (Chen et al. 2020); with `config.ref_ids` the photos are always the same frames.
    """

    def __init__(self, clips: Sequence[PreparedClip], config: PatchConfig) -> None:
        self.clips, self.config = clips, config
        lengths = whole_lengths(clips)
        self._frames = {  # of clips some of whose frames may show no face
            index: np.flatnonzero(np.isfinite(clips[index].landmarks).all((1, 2)))
            for index, length in enumerate(lengths)
            if length is None
        }
        counts = [len(self._frames[index]) if length is None else length for index, length in enumerate(lengths)]
        groups: dict[str, list[int]] = {}
        for index, speaker in enumerate(clip_speakers(clips)):
            if counts[index] >= 2:
                groups.setdefault(speaker, []).append(index)
        self.by_speaker = [groups[speaker] for speaker in sorted(groups)]
        chances = np.sqrt([min(sum(counts[index] for index in group), 4000) for group in self.by_speaker])
        self.chances = Chances(chances / chances.sum()) if len(chances) else None

    def batch(self, size: int, shots: int, rng: np.random.Generator) -> PatchBatch:
        """`size` examples of `shots` photos each, varied in colour, sharpness, side and landmarks."""
        return self.sequences(size, shots, 1, rng)[0]

    def sequences(self, size: int, shots: int, length: int, rng: np.random.Generator) -> list[PatchBatch]:
        """`length` batches that follow each other in time: `size` runs of frames, each with the same photos."""
        runs = [self._drawn(shots, length, rng) for _ in range(size)]
        made: list[list[Example]] = []
        for step in range(length):
            before = [example.shown for example in made[-1]] if made else [None] * size
            cuts = [run.cut(step, shown) for run, shown in zip(runs, before, strict=True)]
            made.append(make_examples(cuts, self.config))
        return [
            stack_examples([vary(each, run.variation) for each, run in zip(step, runs, strict=True)]) for step in made
        ]

    def _drawn(self, shots: int, length: int, rng: np.random.Generator) -> "_Run":
        """One run of frames, drawn and varied alike; of clips that have none, the same frame over and over."""
        if self.chances is None:
            raise DatasetError("no clip has two frames with a face: prepare longer clips, or give another split")
        group = self.by_speaker[self.chances.draw(rng)]
        index = group[rng.integers(len(group))]
        clip = self.clips[index]
        kept = self._frames[index] if index in self._frames else np.arange(len(clip.landmarks))
        worst = self.config.worst > 0 and rng.random() < self.config.worst
        for _ in range(4):  # draws before a pair that is turned too far is taken
            sources, target = self._pick(clip, kept, shots, rng, worst)
            if worst or pose_error(clip.landmarks[sources[0]], clip.landmarks[target]) < POSE_ERROR:
                break
        photos = [clip.image(int(frame)) for frame in sources]
        if rng.random() < self.config.degrade:
            photos = [degrade(photo, rng) for photo in photos]
        noise = landmark_noise(self.config.jitter, rng)
        frames = [target] if length == 1 else self._run(clip, target, sources, length, rng)
        return _Run(clip, photos, sources, frames, noise, draw_variation(rng))

    def _pick(
        self, clip: PreparedClip, kept: np.ndarray, shots: int, rng: np.random.Generator, worst: bool = False
    ) -> tuple[np.ndarray, int]:
        """Frames of the photos and of the target, of those `kept`."""
        given = np.flatnonzero(np.isin(kept, self.config.ref_ids))
        if 0 < len(given) < len(kept):
            target = int(rng.choice(np.setdiff1d(np.arange(len(kept)), given)))
            return kept[np.resize(given, shots)], int(kept[target])
        pool = rng.choice(len(kept), size=min(max(self.config.pool, shots + 1), len(kept)), replace=False)
        pool = pool[np.argsort(mouth_opening(clip.landmarks[kept[pool]]), kind="stable")]
        draw = rng.random()
        if draw < 0.5:  # closed photo, open target
            target, rest = pool[-1], pool[:-1]
        elif draw < 0.7:  # open photo, closed target
            target, rest = pool[0], pool[:0:-1]
        elif draw < 0.85:  # open photo, target nearly as open: the photo's own teeth are right
            target, rest = pool[-2 % len(pool)], pool[[-1, *range(len(pool) - 2)]]
        else:
            pool = rng.permutation(pool)
            target, rest = pool[-1], pool[:-1]
        if worst:
            poses = _turns(clip.landmarks[kept])
            rest = np.roll(rest, -int(reference_frames(poses[rest], poses[target], 1, worst=True)[0]))
        sources = np.resize(rest[:1] if shots == 1 else np.concatenate([rest[:1], rng.permutation(rest[1:])]), shots)
        return kept[sources], int(kept[target])

    def _run(
        self, clip: PreparedClip, target: int, sources: np.ndarray, length: int, rng: np.random.Generator
    ) -> list[int]:
        """`length` frames that follow each other, the target among them and no photo."""
        seen = np.asarray(np.isfinite(clip.landmarks).all((1, 2)))
        seen[sources] = False
        starts = [
            start
            for start in range(max(target - length + 1, 0), min(target, len(seen) - length) + 1)
            if seen[start : start + length].all()
        ]
        if clip.fps <= 0 or not starts:
            return [target] * length
        start = starts[rng.integers(len(starts))]
        return list(range(start, start + length))


def pose_error(photo: FloatArray, target: FloatArray) -> float:
    """Distance of the stable points of `[68, 2]` after the best similarity, in outer-eye distances."""
    left = transform(fit_similarity(target[STABLE], photo[STABLE]), target[STABLE]) - photo[STABLE]
    return float(np.linalg.norm(left, axis=1).mean()) / eye_distance(photo)


def _turns(points: FloatArray) -> FloatArray:
    """`[N, 3]` rotation vectors of heads."""
    return rotation_vectors(head_rotation(points))
