"""Scored clip -> video of the real face, its landmarks and the predicted ones side by side, with the sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from talkface.evaluation.tables.speech_scores import ScoredClip
from talkface.geometry.affine import compose_affine, transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.rasterize import face_sketch
from talkface.media.write import VideoWriter
from talkface.types import Image


@dataclass(frozen=True)
class SpeechVideoSettings:
    """Sizes of the drawn comparison video."""

    side: int = 320  # pixels of a panel
    caption: int = 28  # pixels under the panels
    longest_caption: int = 34  # letters
    longest_s: float = 12.0


SPEECH_VIDEO = SpeechVideoSettings()


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
    size = (SPEECH_VIDEO.side * len(names), SPEECH_VIDEO.side + SPEECH_VIDEO.caption)
    with VideoWriter(path, size, clip.fps, clip.speech, "real and predicted landmarks", force=True) as writer:
        for panels in _panels(scored, system):
            writer.write(np.concatenate([np.concatenate(panels, 1), _captions(names)]))


def _panels(scored: ScoredClip, system: str) -> Iterator[list[Image]]:
    clip = scored.clip
    # the outer eye corners lie 0.46 of the side apart, the nose tip in the middle at 0.46 of the height
    to_panel = SPEECH_VIDEO.side * np.array([[0.46, 0, 0.5], [0, 0.46, 0.46]])
    for index in range(min(len(clip), round(SPEECH_VIDEO.longest_s * clip.fps))):
        faces = clip.canonical[index], scored.motions[system][index]
        sketches = [face_sketch(transform(to_panel, face), (SPEECH_VIDEO.side, SPEECH_VIDEO.side)) for face in faces]
        if clip.prepared.has_images:
            picture = cut_patch(
                clip.prepared.image(index), compose_affine(to_panel, clip.matrices[index]), SPEECH_VIDEO.side
            )
            sketches.insert(0, picture)
        yield sketches


def _captions(names: list[str]) -> Image:
    strip = np.zeros((SPEECH_VIDEO.caption, SPEECH_VIDEO.side * len(names), 3), np.uint8)
    for index, name in enumerate(names):
        place = (SPEECH_VIDEO.side * index + 8, SPEECH_VIDEO.caption - 9)
        text = name[: SPEECH_VIDEO.longest_caption]
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA)
    return strip
