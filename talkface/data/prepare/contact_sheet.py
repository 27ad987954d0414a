"""Shards -> one PNG with a few frames of every clip, landmarks drawn in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.files.write import atomic_write
from talkface.media.photo import encode_png
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class SheetSettings:
    """Sizes of the contact sheet."""

    tile: int = 128  # px, side of a frame on the sheet
    frames: int = 4  # per clip: spread over its length
    columns: int = 3  # clips beside each other
    most_clips: int = 120  # on a sheet


SHEET = SheetSettings()


def write_contact_sheet(shards: Path, out: Path) -> None:
    """Draw the prepared clips of `shards` into `out`; where there are more than 120, every speaker's first ones."""
    clips = ClipDataset(shards)
    seen: Counter[str] = Counter()
    turns = []  # how many clips of the same speaker come before
    for speaker in clips.speakers:
        turns.append(seen[speaker])
        seen[speaker] += 1
    chosen = sorted(sorted(range(len(clips)), key=lambda index: (turns[index], index))[: SHEET.most_clips])
    strips = [_strip(clips[index]) for index in chosen]
    strips += [np.zeros_like(strips[0])] * (-len(strips) % SHEET.columns)
    rows = [np.hstack(strips[start : start + SHEET.columns]) for start in range(0, len(strips), SHEET.columns)]
    atomic_write(out, encode_png(np.vstack(rows)))


def _strip(clip: PreparedClip) -> Image:
    """`SHEET.frames` frames side by side under the clip's name."""
    wanted = np.linspace(0, len(clip) - 1, SHEET.frames).round().astype(int)
    tiles: Sequence[Image] = [_tile(_picture(clip, int(i)), clip.landmarks[int(i)]) for i in wanted]
    strip = np.hstack(tiles)
    lag = clip.meta.get("sync_lag")
    text = f"{clip.key[-44:]} {len(clip)}" + (f" lag {lag:+.1f}" if lag is not None else "")
    write_line(strip, text, 11)
    return strip


def write_line(image: Image, text: str, below: int) -> None:
    """Draw a line of white text with a black border, whose letters stand on row `below`."""
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, text, (3, below), cv2.FONT_HERSHEY_SIMPLEX, 0.36, colour, thickness, cv2.LINE_AA)


def _picture(clip: PreparedClip, index: int) -> Image:
    """Frame, or a black one that the landmarks fit into where they come without pictures."""
    if clip.has_images:
        return clip.image(index)
    side = max(1, int(np.ceil(clip.landmarks.max())) + 1)
    return np.zeros((side, side, 3), np.uint8)


def _tile(image: Image, points: FloatArray) -> Image:
    scale = SHEET.tile / image.shape[0]
    tile = np.ascontiguousarray(cv2.resize(image, (SHEET.tile, SHEET.tile), interpolation=cv2.INTER_AREA), np.uint8)
    for x, y in points * scale:
        cv2.circle(tile, (round(float(x)), round(float(y))), 1, (0, 255, 0), -1)
    return tile
