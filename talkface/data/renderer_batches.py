"""Prepared clips -> pairs of frames as mouth patches: what the renderer's network sees and should paint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.landmarks.align import fit_similarity, invert, transform
from talkface.landmarks.deform import FaceDeformer
from talkface.landmarks.frames import eye_distance, mouth_frame
from talkface.landmarks.layout import STABLE, mouth_opening
from talkface.landmarks.rasterize import mouth_sketch
from talkface.types import FloatArray, Image
from talkface.video.warp import look_up, resample


class FaceClip(Protocol):
    """What a prepared clip gives here."""

    @property
    def speaker(self) -> str: ...

    @property
    def landmarks(self) -> FloatArray:
        """`[T, 68, 2]` pixels of the face crop, NaN where no face was found."""
        ...

    def image(self, index: int) -> Image:
        """Face crop of one frame."""
        ...


POSE_ERROR = 0.06  # of eyes and nose after the best similarity, outer-eye distances: the head turned too far beyond
DRAWS = 4  # of a pair, before one that is turned too far is taken


@dataclass(frozen=True)
class PatchConfig:
    """How patches are cut and varied."""

    size: int = 80  # side of the mouth patch in pixels
    scale: float = 1.0  # side in outer-eye distances
    pool: int = 6  # frames of a clip that a pair is picked from by their opening
    jitter: float = 0.006  # noise of the target's landmarks, outer-eye distances: what a predictor gets wrong
    degrade: float = 0.25  # share of examples at a lower resolution or with a worse JPEG


@dataclass(frozen=True)
class PatchBatch:
    """Examples, uint8 except where said.

    Attributes:
        warped: `[B, K, 3, S, S]` each shot's photo warped to the target.
        patches: `[B, K, 6, S, S]` each shot's own mouth patch and sketch.
        sketch: `[B, 3, S, S]` target's sketch.
        real: `[B, 3, S, S]` target's photo.
        inner_mouth: `[B, 1, S, S]` softened area between the target's lips.
    """

    warped: Tensor
    patches: Tensor
    sketch: Tensor
    real: Tensor
    inner_mouth: Tensor


class PairSampler:
    """Draws pairs of one clip's frames that differ: mostly a closed mouth to an open one, sometimes the other way.

    A speaker's chance grows with the square root of the frames at hand, so that one long corpus does not dominate and
    one short clip is not learnt by heart.
    """

    def __init__(self, clips: Sequence[FaceClip], config: PatchConfig) -> None:
        self.clips, self.config = clips, config
        self.frames = [np.flatnonzero(np.isfinite(clip.landmarks).all((1, 2))) for clip in clips]
        self.openings = [mouth_opening(clip.landmarks[kept]) for clip, kept in zip(clips, self.frames, strict=True)]
        usable = [index for index, kept in enumerate(self.frames) if len(kept) >= 2]
        speakers = sorted({clips[index].speaker for index in usable})
        self.by_speaker = [[index for index in usable if clips[index].speaker == speaker] for speaker in speakers]
        lengths = np.array([sum(len(self.frames[index]) for index in group) for group in self.by_speaker], np.float64)
        self.chances = np.sqrt(np.minimum(lengths, 4000)) if len(lengths) else lengths
        self.chances = self.chances / max(self.chances.sum(), 1e-9)

    def batch(self, size: int, shots: int, rng: np.random.Generator) -> PatchBatch:
        """`size` examples of `shots` photos each, varied in colour, sharpness, side and landmarks."""
        return stack_examples([self.example(shots, rng) for _ in range(size)])

    def example(self, shots: int, rng: np.random.Generator) -> "Example":
        """One example, drawn and varied."""
        group = self.by_speaker[rng.choice(len(self.by_speaker), p=self.chances)]
        index = group[rng.integers(len(group))]
        clip = self.clips[index]
        for _ in range(DRAWS):
            sources, target = self._pick(index, shots, rng)
            if pose_error(clip.landmarks[sources[0]], clip.landmarks[target]) < POSE_ERROR:
                break
        photos = [clip.image(int(frame)) for frame in sources]
        if rng.random() < self.config.degrade:
            photos = [_worsen(photo, rng) for photo in photos]
        made = make_example(
            photos, clip.landmarks[sources], clip.image(int(target)), clip.landmarks[target], self.config, rng
        )
        return vary(made, rng)

    def _pick(self, index: int, shots: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        """Frames of the photos and of the target."""
        kept, openings = self.frames[index], self.openings[index]
        pool = rng.choice(len(kept), size=min(max(self.config.pool, shots + 1), len(kept)), replace=False)
        pool = pool[np.argsort(openings[pool], kind="stable")]
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
        sources = np.resize(rest[:1] if shots == 1 else np.concatenate([rest[:1], rng.permutation(rest[1:])]), shots)
        return kept[sources], int(kept[target])


@dataclass(frozen=True)
class Example:
    """One example of a batch as images `[S, S, C]`; `shots` is K long."""

    warped: list[Image]
    photos: list[Image]
    photo_sketches: list[Image]
    sketch: Image
    real: Image
    inner_mouth: Image


def make_example(
    photos: Sequence[Image],
    photo_landmarks: FloatArray,
    target: Image,
    target_landmarks: FloatArray,
    config: PatchConfig,
    rng: np.random.Generator | None = None,
) -> Example:
    """Cut one example; without `rng` nothing is varied.

    Args:
        photo_landmarks: `[K, 68, 2]`.
        target_landmarks: `[68, 2]`; with `rng` the network sees them with `config.jitter`.
    """
    size = config.size
    shown: FloatArray = np.asarray(target_landmarks, np.float64)
    inner = mouth_sketch(shown, mouth_frame(shown, size, config.scale), size)[..., :1]
    if rng is not None:
        shown = _jittered(shown, config.jitter, rng)
    to_patch = mouth_frame(shown, size, config.scale)
    to_frame = invert(to_patch)
    warped, own, sketches = [], [], []
    for photo, points in zip(photos, photo_landmarks, strict=True):
        offsets = FaceDeformer(points).toward(shown).offsets(to_frame, (size, size), rigid=True)
        warped.append(look_up(photo, offsets, to_frame))
        own_frame = mouth_frame(points, size, config.scale)
        own.append(resample(photo, own_frame, size))
        sketches.append(mouth_sketch(points, own_frame, size))
    soft = cv2.GaussianBlur(cv2.dilate(inner, np.ones((3, 3), np.uint8)), (0, 0), 1.5)
    inner = np.asarray(soft, np.uint8)[..., None]
    return Example(warped, own, sketches, mouth_sketch(shown, to_patch, size), resample(target, to_patch, size), inner)


def vary(example: Example, rng: np.random.Generator) -> Example:
    """Same example in other light, colour and sharpness, maybe mirrored; photos and target change alike."""
    table = _colour_table(rng)
    saturation = 0.0 if rng.random() < 0.06 else rng.uniform(0.6, 1.3)
    blur = rng.uniform(0.45, 0.95) if rng.random() < 0.2 else None
    mirrored = rng.random() < 0.5

    def picture(image: Image) -> Image:
        if blur is not None:
            small = cv2.resize(image, None, fx=blur, fy=blur, interpolation=cv2.INTER_AREA)
            image = np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return side(np.asarray(cv2.LUT(cv2.addWeighted(image, saturation, grey, 1 - saturation, 0), table), np.uint8))

    def side(image: Image) -> Image:
        return np.ascontiguousarray(image[:, ::-1]) if mirrored else image

    return Example(
        [picture(image) for image in example.warped],
        [picture(image) for image in example.photos],
        [side(image) for image in example.photo_sketches],
        side(example.sketch),
        picture(example.real),
        side(example.inner_mouth),
    )


def stack_examples(examples: Sequence[Example]) -> PatchBatch:
    """Batch of examples with the same number of shots."""

    def channels_first(images: Sequence[Image]) -> np.ndarray:
        return np.stack(images).transpose(0, 3, 1, 2)

    own = [np.concatenate([channels_first(item.photos), channels_first(item.photo_sketches)], 1) for item in examples]
    return PatchBatch(
        torch.from_numpy(np.stack([channels_first(item.warped) for item in examples])),
        torch.from_numpy(np.stack(own)),
        torch.from_numpy(np.ascontiguousarray(channels_first([item.sketch for item in examples]))),
        torch.from_numpy(np.ascontiguousarray(channels_first([item.real for item in examples]))),
        torch.from_numpy(np.ascontiguousarray(channels_first([item.inner_mouth for item in examples]))),
    )


def pose_error(photo: FloatArray, target: FloatArray) -> float:
    """How far a similarity leaves the stable points of `[68, 2]` from each other, in outer-eye distances."""
    left = transform(fit_similarity(target[STABLE], photo[STABLE]), target[STABLE]) - photo[STABLE]
    return float(np.linalg.norm(left, axis=1).mean()) / eye_distance(photo)


def _jittered(points: FloatArray, amount: float, rng: np.random.Generator) -> FloatArray:
    """Noise per point, and the lower lip moved as one: a predictor errs in the opening more than in single points."""
    unit = eye_distance(points)
    noise = rng.normal(0, amount, points.shape)
    noise[[*range(55, 60), 65, 66, 67]] += rng.normal(0, 1.5 * amount, 2)
    noise[:48] *= 0.5
    return points + unit * noise


def _colour_table(rng: np.random.Generator) -> Image:
    """`[1, 256, 3]` look-up table: gamma, gain, and a tint per channel."""
    level = np.arange(256) / 255
    curve = level ** np.exp(rng.normal(0, 0.2))
    gains = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.06, 3))
    return np.clip(255 * curve[:, None] * gains + rng.normal(0, 4), 0, 255).astype(np.uint8)[None]


def _worsen(photo: Image, rng: np.random.Generator) -> Image:
    """Photo through a coarse JPEG; the target keeps its own quality."""
    _, coded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 85))])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
