"""Prepared clips -> shots of a person, a target that is none of them, and their sketches."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset, clip_speakers, video_numbers, whole_lengths
from talkface.data.prepare.crops import window_map
from talkface.data.samplers.chances import Chances
from talkface.errors import ConfigError, DatasetError
from talkface.files.read import parse_json
from talkface.geometry.affine import transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.rasterize import face_sketch
from talkface.media.colour import to_signed
from talkface.scale.storage import Folder
from talkface.types import FloatArray, Image

FRAMES_COUNTED = 4000  # a speaker's frames beyond make him no likelier to be drawn


@dataclass(frozen=True)
class ShotsConfig:
    """Settings by which pictures are cut from the stored crops and augmented."""

    size: int = 256  # side of the pictures in pixels
    zoom: float = 1.0  # side of the stored crop over the side of the part that is kept
    mirror: float = 0.5  # share of examples that are mirrored
    tint: float = 0.0  # spread of the colour channels' gains, alike in all pictures of an example
    kept_frames: int = 0  # pictures held in memory with their sketches; 25 KB each at 64 pixels
    sketch: str = "lines"  # style of `landmarks.rasterize.face_sketch`


@dataclass(frozen=True)
class FewshotBatch:
    """Examples as uint8.

    Attributes:
        shots: `[B, K, 3, S, S]`.
        shot_sketches: `[B, K, 3, S, S]`.
        sketch: `[B, 3, S, S]` of the target.
        real: `[B, 3, S, S]` the target, a frame of the same video that is none of the shots.
        videos: `[B]` int64, number of the source video, see `data.datasets.video_numbers`.
    """

    shots: Tensor
    shot_sketches: Tensor
    sketch: Tensor
    real: Tensor
    videos: Tensor

    def to(self, device: torch.device) -> "FewshotBatch":
        """The same on a device, pixels in [-1, 1]."""
        return FewshotBatch(
            shots=to_signed(self.shots.to(device)),
            shot_sketches=to_signed(self.shot_sketches.to(device)),
            sketch=to_signed(self.sketch.to(device)),
            real=to_signed(self.real.to(device)),
            videos=self.videos.to(device),
        )


class ShotSampler:
    """Draws K shots and a target from one video.

    A speaker's chance grows with the square root of his frames, and the video is drawn evenly among his.
    """

    def __init__(self, clips: Sequence[PreparedClip], config: ShotsConfig) -> None:
        """Look at the clips; pictures are read when drawn.

        Raises:
            DatasetError: no clip has two frames with a face.
        """
        self.clips, self.config = clips, config
        self.videos = video_numbers(clips)
        self._lengths = whole_lengths(clips)
        self._frames: dict[int, np.ndarray] = {}  # of clips some of whose frames show no face
        speakers: dict[str, list[int]] = {}
        for index, speaker in enumerate(clip_speakers(clips)):
            if self._lengths[index] is None:
                self._frames[index] = np.flatnonzero(np.isfinite(clips[index].landmarks).all((1, 2)))
            if self._count(index) >= 2:
                speakers.setdefault(speaker, []).append(index)
        self.usable = sum(len(group) for group in speakers.values())
        if not self.usable:
            raise DatasetError(f"none of {len(clips)} clips has two frames with a face: prepare others")
        self.by_speaker = list(speakers.values())
        counts = np.array([sum(self._count(index) for index in group) for group in self.by_speaker], np.float64)
        chances = np.sqrt(np.minimum(counts, FRAMES_COUNTED))
        self.chances = Chances(chances / chances.sum())
        self._kept: dict[tuple[int, int], tuple[Image, Image]] = {}

    def batch(self, size: int, shots: int, rng: np.random.Generator, rows: slice = slice(None)) -> FewshotBatch:
        """`rows` of `size` examples of `shots` shots each; pictures of the others are not read."""
        drawn = [self._draw(shots, rng) for _ in range(size)]
        return self._stack(drawn[rows], [self._variation(rng) for _ in range(size)][rows])

    def spread(self, size: int, shots: int, rng: np.random.Generator) -> FewshotBatch:
        """Examples for scores: speakers in turn instead of by chance, nothing mirrored or tinted."""
        groups = [self.by_speaker[index % len(self.by_speaker)] for index in range(size)]
        drawn = [(video := int(rng.choice(group)), *self.pick(video, shots, rng)) for group in groups]
        return self._stack(drawn, [(False, None)] * size)

    def pick(self, video: int, shots: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        """Frames of the shots and of the target, which is never among them; short videos give shots twice."""
        target, *rest = rng.permutation(self.frames_of(video))
        return np.resize(rest, shots), int(target)

    def frames_of(self, video: int) -> np.ndarray:
        """Frames of a clip that show a face."""
        return self._frames[video] if video in self._frames else np.arange(self._count(video))

    def _count(self, video: int) -> int:
        length = self._lengths[video]
        return len(self._frames[video]) if length is None else length

    def pictures(self, video: int, frames: Sequence[int]) -> list[tuple[Image, Image]]:
        """Pictures and sketches of an example's frames, shots first and the target last."""
        missing = any((video, frame) not in self._kept for frame in frames)
        clip = self.clips[video] if missing else None  # read once
        return [self._picture(clip, video, frame) for frame in frames]

    def _picture(self, clip: PreparedClip | None, video: int, frame: int) -> tuple[Image, Image]:
        """Picture and sketch of one frame, `[S, S, 3]` each."""
        if (video, frame) in self._kept:
            return self._kept[video, frame]
        assert clip is not None, (video, frame)
        pair = framed(clip.image(frame), clip.landmarks[frame], self.config)
        if len(self._kept) < self.config.kept_frames:
            self._kept[video, frame] = pair
        return pair

    def _draw(self, shots: int, rng: np.random.Generator) -> tuple[int, np.ndarray, int]:
        group = self.by_speaker[self.chances.draw(rng)]
        video = int(group[rng.integers(len(group))])
        return video, *self.pick(video, shots, rng)

    def _variation(self, rng: np.random.Generator) -> tuple[bool, FloatArray | None]:
        """Whether an example is mirrored, and its colour channels' gains."""
        mirrored = rng.random() < self.config.mirror  # left and right are drawn in the same colours
        tinted = self.config.tint > 0
        return mirrored, np.exp(rng.normal(0, self.config.tint, 3)).astype(np.float32) if tinted else None

    def _stack(
        self,
        drawn: Sequence[tuple[int, np.ndarray, int]],
        variations: Sequence[tuple[bool, FloatArray | None]],
    ) -> FewshotBatch:
        every = [self.pictures(video, [*frames, target]) for video, frames, target in drawn]
        shape = (len(every), len(every[0]), 3, self.config.size, self.config.size)
        images, sketches = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        for place, (pairs, variation) in enumerate(zip(every, variations, strict=True)):
            _vary(pairs, *variation, images[place], sketches[place])
        videos = torch.tensor([int(self.videos[video]) for video, _, _ in drawn])
        pictures, lines = torch.from_numpy(images), torch.from_numpy(sketches)
        return FewshotBatch(pictures[:, :-1], lines[:, :-1], lines[:, -1], pictures[:, -1], videos)


def _vary(
    pairs: Sequence[tuple[Image, Image]],
    mirrored: bool,
    gains: FloatArray | None,
    images: Image,
    sketches: Image,
) -> None:
    """Fill in `[K + 1, 3, S, S]` pictures and sketches of one example, all varied alike."""
    for place, (image, sketch) in enumerate(pairs):
        if gains is not None:
            image = np.clip(image * gains, 0, 255).astype(np.uint8)
        _put(image, mirrored, images[place])
        _put(sketch, mirrored, sketches[place])


def _put(image: Image, mirrored: bool, planes: Image) -> None:
    """Copy `[S, S, 3]`, left and right exchanged or not, to `[3, S, S]`."""
    image = np.asarray(cv2.flip(image, 1), np.uint8) if mirrored else image
    for channel in range(3):
        cv2.extractChannel(image, channel, planes[channel])


Batch = TypeVar("Batch")


class Prefetcher(Generic[Batch]):
    """Batches by step, made ahead by threads; each is a function of its step, so their order changes nothing."""

    def __init__(self, make: Callable[[int], Batch], workers: int) -> None:
        """Hold `make`; with 0 `workers` batches are made when asked for."""
        self._make = make
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._coming: dict[int, Future[Batch]] = {}

    def get(self, step: int) -> Batch:
        """Batch of `step`."""
        if self._pool is None:
            return self._make(step)
        ahead = 2  # batches that the workers keep ready
        for later in range(step, step + ahead + 1):
            if later not in self._coming:
                self._coming[later] = self._pool.submit(self._make, later)
        return self._coming.pop(step).result()


def framed(image: Image, landmarks: FloatArray, config: ShotsConfig) -> tuple[Image, Image]:
    """Middle of a stored crop at `[S, S, 3]`, and its sketch."""
    stored, size = len(image), config.size
    to_picture = window_map((stored / 2, stored / 2, stored / config.zoom), size)
    points = transform(to_picture, np.asarray(landmarks, np.float64))
    return cut_patch(image, to_picture, size), face_sketch(points, (size, size), config.sketch)


def open_shots(shards: str, split: str, crop: str, side: float) -> tuple[ClipDataset, float]:
    """Clips of a folder of shards, and the zoom of a network's pictures over their crops; raises as `stored_zoom`."""
    zoom = stored_zoom(shards, crop, side)  # cheap, and tells of another crop before the clips are looked through
    return ClipDataset(shards, split), zoom


def stored_zoom(shards: Path | str, crop: str, side: float) -> float:
    """Zoom of a network's pictures over the crops of a shard folder.

    Args:
        crop: preset of the crop that the network expects, see `data/prepare/crops`.
        side: of the preset `face`: side of the crop over that of the detector's box.

    Raises:
        ConfigError: the folder holds another crop, or a closer one.
    """
    text = Folder(str(shards)).read("prepare.json")
    if not text:
        return 1.0  # shards made elsewhere: taken as they are
    stored = parse_json(text, f"{shards}/prepare.json", ConfigError)
    if stored["crop"] != crop:
        raise ConfigError(
            f"{shards} holds {stored['crop']} crops, model.crop is {crop}: prepare them again, or change it"
        )
    if crop != "face":
        return 1.0
    if stored["side"] < side:
        raise ConfigError(f"{shards} was cut with side {stored['side']}, model.crop_side {side} is wider: lower it")
    return float(stored["side"] / side)
