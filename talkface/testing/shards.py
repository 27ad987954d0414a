"""Seed -> shards of mean faces whose mouths open exactly as their sound is loud: scores with known answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from talkface.data.prepare.example import Example, members
from talkface.data.prepare.preprocess import SAMPLES_PER_FRAME
from talkface.data.prepare.shards import join_samples, write_sample
from talkface.landmarks.mean_face import MEAN_FACE, from_canonical
from talkface.landmarks.pose import move_head
from talkface.types import DEFAULT_FPS, Clip, FloatArray, HeadPose

LOWER_LIP = np.array([65, 66, 67])  # the inner edge


@dataclass(frozen=True)
class ShardSettings:
    """Drawn faces of the test shards."""

    closed_gap: float = 0.02  # outer-eye distances between the lips of a silent face
    gain: float = 0.5  # outer-eye distances that the lower inner lip sinks per unit of RMS
    picture: int = 64  # px, side of the plain pictures
    syllable: int = 4  # frames of one loudness


DRAWN_FACES = ShardSettings()


def draw_loudness(seed: int, frames: int) -> FloatArray:
    """`[T]` RMS of every frame: syllables and pauses, silent at both ends."""
    rng = np.random.default_rng(seed)
    count = -(-frames // DRAWN_FACES.syllable)
    levels = np.repeat(0.3 * rng.random(count) * (rng.random(count) < 0.8), DRAWN_FACES.syllable)[:frames]
    levels[: DRAWN_FACES.syllable], levels[-DRAWN_FACES.syllable :] = 0, 0
    return levels


def sound_of(levels: FloatArray) -> FloatArray:
    """`[T]` RMS -> `[S]` float32 square wave at 16 kHz that has it in every frame's own 40 ms."""
    signs = np.where(np.arange(len(levels) * SAMPLES_PER_FRAME) // 40 % 2, 1.0, -1.0)
    return (np.repeat(levels, SAMPLES_PER_FRAME) * signs).astype(np.float32)


def motion_of(levels: FloatArray) -> FloatArray:
    """`[T]` RMS -> `[T, 68, 2]` canonical displacement from the closed mouth."""
    motion = np.zeros((len(levels), 68, 2), np.float32)
    motion[:, LOWER_LIP, 1] = DRAWN_FACES.gain * np.asarray(levels)[:, None]
    return motion


def nods_of(levels: FloatArray, nod: float) -> HeadPose:
    """`[T]` RMS -> a head that sinks by `nod` radians per unit of it, smoothly."""
    weight = np.hanning(2 * DRAWN_FACES.syllable + 3)
    smooth = np.convolve(levels, weight / weight.sum(), mode="same")
    rotation = np.column_stack([-nod * smooth, np.zeros((len(levels), 2))])
    return HeadPose(rotation.astype(np.float32), np.zeros((len(levels), 2), np.float32))


def write_loud_mouth_shards(
    folder: Path,
    speakers: Mapping[str, str],
    *,
    frames: int = 60,
    unit: float = 90.0,
    split: str = "test",
    silent: bool = False,
    nod: float = 0.0,
) -> None:
    """Write a shard of clips as `prepare` would have made it.

    Args:
        folder: made if missing.
        speakers: key of each clip -> who speaks.
        frames: of each clip, at 25 fps.
        unit: pixels between the outer eye corners.
        split: of all clips.
        silent: leave the sound out.
        nod: radians that the head sinks per unit of the last frames' mean RMS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    face = MEAN_FACE.copy()
    upper_lip = np.array([63, 62, 61])  # the points that face LOWER_LIP
    face[LOWER_LIP, 1] = face[upper_lip, 1] + DRAWN_FACES.closed_gap
    to_canonical = np.repeat(np.array([[[1 / unit, 0, -1.4], [0, 1 / unit, -1.2]]]), frames, 0)
    paths = []
    for seed, (key, speaker) in enumerate(speakers.items()):
        levels = draw_loudness(seed, frames)
        faces = move_head(face + motion_of(levels), nods_of(levels, nod))
        picture = np.full((DRAWN_FACES.picture, DRAWN_FACES.picture, 3), 40 * (seed % 6), np.uint8)
        example = Example(
            landmarks=from_canonical(faces, to_canonical),
            crops=np.repeat(np.eye(2, 3, dtype=np.float32)[None], frames, 0),
            jpegs=[bytes(cv2.imencode(".jpg", picture)[1])] * frames,
            samples=None if silent else sound_of(levels),
            offset=None,
            applied=0.0,
            speech=not silent,
            fps=float(DEFAULT_FPS),
            first_frame=0,
            source_frames=frames,
        )
        paths.append(folder / f"{key}.tar")
        write_sample(paths[-1], key, members(Clip(key, paths[-1], paths[-1], speaker, split), example))
    join_samples(paths, folder / "shard-00000.tar")
    for path in paths:
        path.unlink()
