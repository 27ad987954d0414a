"""Prepared clips -> frames in a row, a photo of the same person, and the landmarks of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.interop.aligned import aligned_map, displacement
from talkface.data.samplers.shots import FRAMES_COUNTED
from talkface.errors import DatasetError
from talkface.geometry.affine import transform
from talkface.geometry.matte import polygon_mask
from talkface.geometry.resample import cut_patch
from talkface.landmarks.layout import FLIP, OUTER_LIP, mouth_opening
from talkface.media.colour import to_signed
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class SequenceConfig:
    """Settings by which pictures are cut and augmented; see `data.interop.aligned` for size and reach."""

    size: int = 128
    reach: float = 1.0
    frames: int = 16  # T
    near: int = 0  # frames between photo and sequence at most, so that the head has not turned far; 0 any number
    closed: float = 0.0  # share of examples whose photo has the most closed mouth of a few, as photos mostly do
    mirror: float = 0.0  # share of examples that are mirrored
    tint: float = 0.0  # spread of the colour channels' gains, alike in all pictures of an example
    kept_frames: int = 0  # pictures held in memory; 17 KB each at 64 pixels


@dataclass(frozen=True)
class SequenceBatch:
    """Examples.

    Attributes:
        photo: `[B, 3, S, S]` uint8, a frame of the same clip, none of the sequence where the clip has others.
        photo_landmarks: `[B, 68, 2]` float32, as `data.interop.aligned.displacement` gives them.
        landmarks: `[B, T, 68, 2]` the same of the sequence.
        real: `[B, T, 3, S, S]` uint8, the sequence.
        mouth: `[B, T, 1, S, S]` uint8, softened area of the lips and what is between them.
    """

    photo: Tensor
    photo_landmarks: Tensor
    landmarks: Tensor
    real: Tensor
    mouth: Tensor

    def to(self, device: torch.device) -> "SequenceBatch":
        """The same on a device, pixels in [-1, 1], the mouth in [0, 1]."""
        return SequenceBatch(
            photo=to_signed(self.photo.to(device)),
            photo_landmarks=self.photo_landmarks.to(device),
            landmarks=self.landmarks.to(device),
            real=to_signed(self.real.to(device)),
            mouth=self.mouth.to(device).float() / 255,
        )


class SequenceSampler:
    """Draws a clip, frames in a row from it, and a photo from its other frames.

    A speaker's chance grows with the square root of his frames, as in the few-shot sampler.
    """

    def __init__(self, clips: Sequence[PreparedClip] | ClipDataset, config: SequenceConfig) -> None:
        """Look at the clips; pictures are read when drawn.

        Raises:
            DatasetError: no clip has enough frames in a row.
        """
        self.clips, self.config = clips, config
        self.kept: list[np.ndarray] = []
        self.starts: list[np.ndarray] = []
        self.openings: list[FloatArray] = []
        speakers: dict[str, list[int]] = {}
        for index in range(len(clips)):
            clip = clips[index]
            whole = np.asarray(np.isfinite(clip.landmarks).all((1, 2)))
            self.kept.append(np.flatnonzero(whole))
            self.starts.append(_runs_of(whole, config.frames) if _in_time(clip) else np.zeros(0, np.int64))
            self.openings.append(mouth_opening(clip.landmarks))
            if len(self.starts[-1]) and len(self.kept[-1]) > 1:
                speakers.setdefault(clip.speaker, []).append(index)
        if not speakers:
            raise DatasetError(
                f"none of {len(clips)} clips has {config.frames} frames with a face in a row: prepare videos, or lower "
                "data.frames"
            )
        self.by_speaker = list(speakers.values())
        counts = np.array([sum(len(self.kept[index]) for index in group) for group in self.by_speaker], np.float64)
        chances = np.sqrt(np.minimum(counts, FRAMES_COUNTED))
        self.chances = chances / chances.sum()
        self._pictures: dict[tuple[int, int, bool], tuple[Image, FloatArray, Image]] = {}

    def batch(self, size: int, rng: np.random.Generator) -> SequenceBatch:
        """`size` examples, drawn and varied."""
        return _stack([self._draw(rng) for _ in range(size)])

    def spread(self, size: int) -> SequenceBatch:
        """Examples for scores: speakers in turn, the most closed frame as the photo, then the most open one's row."""
        chosen = [self.by_speaker[place] for place in np.unique(np.linspace(0, len(self.by_speaker) - 1, size).round())
                  .astype(int)]  # fmt: skip
        return _stack([self._example(*self._clearest(group[0]), None) for group in chosen])

    def pick(self, clip: int, rng: np.random.Generator) -> tuple[int, int]:
        """The photo's frame, and the first frame of the sequence."""
        start = int(rng.choice(self.starts[clip]))
        others = self._photos(clip, start)
        if rng.random() < self.config.closed:
            # the most closed of six frames
            some = rng.choice(others, min(6, len(others)), replace=False)
            return int(some[np.argmin(self.openings[clip][some])]), start
        return int(rng.choice(others)), start

    def _photos(self, clip: int, start: int) -> np.ndarray:
        """Frames that may be the photo of the sequence from `start`."""
        kept, end = self.kept[clip], start + self.config.frames
        near = self.config.near or len(self.openings[clip])
        apart = kept[(kept < start) | (kept >= end)]
        close = apart[(apart >= start - near) & (apart < end + near)]
        return next(some for some in (close, apart, kept) if len(some))

    def picture(self, clip: int, frame: int, mirrored: bool = False) -> tuple[Image, FloatArray, Image]:
        """Picture `[S, S, 3]`, displacement `[68, 2]` and mouth `[S, S]` of one frame."""
        key = (clip, frame, mirrored)
        if key in self._pictures:
            return self._pictures[key]
        source = self.clips[clip]
        made = aligned_picture(source.image(frame), source.landmarks[frame], self.config, mirrored)
        if len(self._pictures) < self.config.kept_frames:
            self._pictures[key] = made
        return made

    def _draw(self, rng: np.random.Generator) -> "SequenceExample":
        group = self.by_speaker[rng.choice(len(self.by_speaker), p=self.chances)]
        clip = int(group[rng.integers(len(group))])
        return self._example(clip, *self.pick(clip, rng), rng)

    def _clearest(self, clip: int) -> tuple[int, int, int]:
        """The clip, its most closed frame and the start of its most open sequence."""
        starts, frames, openings = self.starts[clip], self.config.frames, self.openings[clip]
        widest = [np.nanmax(openings[start : start + frames]) for start in starts]
        start = int(starts[int(np.argmax(widest))])
        others = self._photos(clip, start)
        return clip, int(others[np.argmin(openings[others])]), start

    def _example(self, clip: int, photo: int, start: int, rng: np.random.Generator | None) -> "SequenceExample":
        mirrored = rng is not None and bool(rng.random() < self.config.mirror)
        places = [photo, *range(start, start + self.config.frames)]
        images, points, mouths = (
            np.stack(part) for part in zip(*(self.picture(clip, place, mirrored) for place in places), strict=True)
        )
        if rng is not None and self.config.tint > 0:
            gains = np.exp(rng.normal(0, self.config.tint, 3)).astype(np.float32)
            images = np.clip(images * gains, 0, 255).astype(np.uint8)
        return SequenceExample(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), points, mouths[1:, None])


@dataclass(frozen=True)
class SequenceExample:
    """Photo and sequence of one clip: `[1 + T, 3, S, S]`, `[1 + T, 68, 2]`, mouths of the sequence `[T, 1, S, S]`."""

    images: np.ndarray
    landmarks: FloatArray
    mouth: np.ndarray


def aligned_picture(
    image: Image, landmarks: FloatArray, config: SequenceConfig, mirrored: bool = False
) -> tuple[Image, FloatArray, Image]:
    """Inputs of a network for a frame: picture `[S, S, 3]`, displacement `[68, 2]` and mouth `[S, S]`.

    Args:
        image: `[H, W, 3]` with `[68, 2]` landmarks in its pixels.
        mirrored: the person's left becomes right, in picture and landmarks.
    """
    points = np.asarray(landmarks, np.float64)
    if mirrored:
        image = np.ascontiguousarray(image[:, ::-1])
        points = np.stack([image.shape[1] - 1 - points[FLIP, 0], points[FLIP, 1]], 1)
    size = config.size
    to_picture = aligned_map(points, size, config.reach)
    mouth = polygon_mask(transform(to_picture, points[OUTER_LIP]), (size, size))
    soft = np.asarray(cv2.GaussianBlur(mouth, (0, 0), size / 48), np.uint8)
    return cut_patch(image, to_picture, size), displacement(points), soft


def _in_time(clip: PreparedClip) -> bool:
    """Whether the frames follow on each other; a person's photos, which have no rate, do not."""
    return float(getattr(clip, "fps", 25.0)) > 0


def _runs_of(whole: np.ndarray, frames: int) -> np.ndarray:
    """First frames of every `frames` in a row that are all True."""
    if len(whole) < frames:
        return np.zeros(0, np.int64)
    sums = np.convolve(whole.astype(np.int64), np.ones(frames, np.int64), "valid")
    return np.flatnonzero(sums == frames)


def _stack(examples: Sequence[SequenceExample]) -> SequenceBatch:
    images = torch.from_numpy(np.stack([example.images for example in examples]))
    landmarks = torch.from_numpy(np.stack([example.landmarks for example in examples]))
    mouth = torch.from_numpy(np.stack([example.mouth for example in examples]))
    return SequenceBatch(images[:, 0], landmarks[:, 0], landmarks[:, 1:], images[:, 1:], mouth)
