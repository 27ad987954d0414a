"""Drawn clips and photos with known landmarks, for the tests of samplers, jobs and renderers."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from talkface.landmarks.layout import INNER_LIP, OUTER_LIP
from talkface.landmarks.mean_face import MEAN_FACE


@dataclass
class DrawnClip:
    """A face whose lips are red and whose inner mouth is black, opening frame by frame."""

    speaker: str
    landmarks: np.ndarray
    fps: float = 25.0

    def image(self, index: int) -> np.ndarray:
        picture = np.full((256, 256, 3), (200, 160, 140), np.uint8)
        points = np.round(self.landmarks[index]).astype(np.int32)
        cv2.fillPoly(picture, [points[OUTER_LIP]], (180, 60, 60))
        cv2.fillPoly(picture, [points[60:68]], (20, 0, 0))
        return picture


def drawn_clip(speaker: str = "a", frames: int = 12) -> DrawnClip:
    points = np.repeat(MEAN_FACE[None] * 80 + np.array([128, 120]), frames, 0)
    points[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] += np.linspace(0, 20, frames)[:, None]
    return DrawnClip(speaker, points.astype(np.float32))


class VariedClip(DrawnClip):
    """The same in colours and grain of its own, frame by frame, so that a batch has a spread to be divided by."""

    def image(self, index: int) -> np.ndarray:
        rng = np.random.default_rng([ord(self.speaker), index])
        grain = rng.normal(0, 30, (256, 256, 3))
        return np.clip(super().image(index) * rng.uniform(0.4, 1.2, 3) + grain, 0, 255).astype(np.uint8)


def varied_clip(speaker: str) -> VariedClip:
    clip = drawn_clip(speaker)
    spread = np.random.default_rng(ord(speaker)).normal(0, 4, clip.landmarks.shape)
    return VariedClip(speaker, (clip.landmarks + spread).astype(np.float32))


UNIT, SIZE = 150.0, 480  # outer-eye distance and side of a drawn photo, pixels


@dataclass(frozen=True)
class DrawnPhoto:
    """A face of one colour with an open mouth: teeth above, dark below."""

    key: str
    gap: float = 0.16
    tier: str = "A"
    tone: float = 1.0
    person: str = ""
    fps: float = 0.0
    crops: np.ndarray = field(default_factory=lambda: np.array([[[1.0, 0, 0], [0, 1.0, 0]]]))

    @property
    def speaker(self) -> str:
        return self.person or self.key

    @property
    def meta(self) -> dict[str, str]:
        return {"tier": self.tier}

    @property
    def landmarks(self) -> np.ndarray:
        points = np.asarray(MEAN_FACE, np.float64).copy()
        middle = points[INNER_LIP].mean(0)
        for index, angle in zip(INNER_LIP, np.pi + np.arange(8) * np.pi / 4, strict=True):
            points[index] = middle + np.array([0.22 * np.cos(angle), 0.5 * self.gap * np.sin(angle)])
        for index, angle in zip(OUTER_LIP, np.pi + np.arange(12) * np.pi / 6, strict=True):
            points[index] = middle + np.array([0.3 * np.cos(angle), (0.5 * self.gap + 0.08) * np.sin(angle)])
        return (points * UNIT + [SIZE / 2, 0.3 * SIZE])[None].astype(np.float32)

    def image(self, index: int) -> np.ndarray:
        points = self.landmarks[index]
        picture = np.full((SIZE, SIZE, 3), np.array([200, 150, 130]) * self.tone, np.uint8)
        cv2.fillPoly(picture, [np.round(points[OUTER_LIP]).astype(np.int32)], (170, 80, 80))
        hole = np.zeros((SIZE, SIZE), np.uint8)
        cv2.fillPoly(hole, [np.round(points[INNER_LIP]).astype(np.int32)], 1)
        middle = points[INNER_LIP, 1].mean()
        rows = np.arange(SIZE)[:, None]
        picture[(hole > 0) & (rows <= middle)] = (225, 215, 200)
        picture[(hole > 0) & (rows > middle)] = (45, 20, 20)
        return picture


PHOTOS = [
    DrawnPhoto(f"p{i}", gap, "AB"[i % 2], tone) for i, (gap, tone) in enumerate([(0.1, 1.0), (0.16, 0.8), (0.2, 0.5)])
]
