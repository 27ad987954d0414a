"""Shards -> one PNG with a few frames of every clip, landmarks drawn in."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from talkface.data.datasets import ClipDataset, PreparedClip
from talkface.types import FloatArray, Image

TILE = 128  # px, side of a frame on the sheet
FRAMES = 4  # per clip: spread over its length
COLUMNS = 3  # clips beside each other
MOST_CLIPS = 120  # on a sheet; larger sets are sampled evenly


def write_contact_sheet(shards: Path, out: Path) -> None:
    """Draw the prepared clips of `shards`, sampled evenly where there are more than 120, into `out`."""
    clips = ClipDataset(shards)
    chosen = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), MOST_CLIPS)).round().astype(int))
    strips = [_strip(clips[int(index)]) for index in chosen]
    strips += [np.zeros_like(strips[0])] * (-len(strips) % COLUMNS)
    rows = [np.hstack(strips[start : start + COLUMNS]) for start in range(0, len(strips), COLUMNS)]
    if not cv2.imwrite(str(out), np.vstack(rows)[..., ::-1]):
        raise OSError(f"cannot write {out}")


def _strip(clip: PreparedClip) -> Image:
    """`FRAMES` frames side by side under the clip's name."""
    wanted = np.linspace(0, len(clip) - 1, FRAMES).round().astype(int)
    tiles: Sequence[Image] = [_tile(clip.image(int(i)), clip.landmarks[int(i)]) for i in wanted]
    strip = np.hstack(tiles)
    lag = clip.meta.get("sync_lag")
    text = f"{clip.key[-44:]} {len(clip)}" + (f" lag {lag:+.1f}" if lag is not None else "")
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(strip, text, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.36, colour, thickness, cv2.LINE_AA)
    return strip


def _tile(image: Image, points: FloatArray) -> Image:
    scale = TILE / image.shape[0]
    tile = np.ascontiguousarray(cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA))
    for x, y in points * scale:
        cv2.circle(tile, (round(float(x)), round(float(y))), 1, (0, 255, 0), -1)
    return tile
