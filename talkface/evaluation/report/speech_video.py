"""Scored clip -> video of the real face, its landmarks and the predicted ones side by side, with the sound."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from talkface.evaluation.tables.speech_scores import ScoredClip
from talkface.geometry.affine import transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.rasterize import face_sketch
from talkface.media.write import VideoWriter
from talkface.types import FloatArray, Image

SIDE = 320  # pixels of a panel
UNIT = 0.46 * SIDE  # pixels between the outer eye corners
ORIGIN = (0.5 * SIDE, 0.46 * SIDE)  # where the nose tip stands
CAPTION = 28  # pixels under the panels
LONGEST_CAPTION = 34  # letters
LONGEST_S = 12.0


def write_comparison(path: Path, scored: ScoredClip, system: str) -> None:
    """Write the clip's first seconds: real picture (where the shards hold it), real landmarks, predicted landmarks.

    Eyes and nose stand still in all three, as in the scores: what moves is jaw and mouth, and a head that turns.

    Args:
        path: `.mp4`, replaced if it is there.
        scored: the clip.
        system: whose prediction is drawn.
    """
    clip = scored.clip
    names = ["real", "real landmarks", f"predicted by {system}"][0 if clip.prepared.has_images else 1 :]
    size = (SIDE * len(names), SIDE + CAPTION)
    with VideoWriter(path, size, clip.fps, clip.speech, "real and predicted landmarks", force=True) as writer:
        for panels in _panels(scored, system):
            writer.write(np.concatenate([np.concatenate(panels, 1), _captions(names)]))


def _panels(scored: ScoredClip, system: str) -> Iterator[list[Image]]:
    clip = scored.clip
    to_panel = np.array([[UNIT, 0, ORIGIN[0]], [0, UNIT, ORIGIN[1]]])
    for index in range(min(len(clip), round(LONGEST_S * clip.fps))):
        faces = clip.canonical[index], scored.motions[system][index]
        sketches = [face_sketch(transform(to_panel, face), (SIDE, SIDE)) for face in faces]
        if clip.prepared.has_images:
            picture = cut_patch(clip.prepared.image(index), _chain(to_panel, clip.matrices[index]), SIDE)
            sketches.insert(0, picture)
        yield sketches


def _chain(second: FloatArray, first: FloatArray) -> FloatArray:
    """`[2, 3]` map that applies `first`, then `second`."""
    return np.concatenate([second[:, :2] @ first[:, :2], (second[:, :2] @ first[:, 2] + second[:, 2])[:, None]], 1)


def _captions(names: list[str]) -> Image:
    strip = np.zeros((CAPTION, SIDE * len(names), 3), np.uint8)
    for index, name in enumerate(names):
        place = (SIDE * index + 8, CAPTION - 9)
        cv2.putText(
            strip, name[:LONGEST_CAPTION], place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA
        )
    return strip
