"""Demo of "Rhythmic Head Motion" on disk -> landmarks, head pose, frontal landmarks, videos and sound, all checked.

Of a clip X there are, at 25 frames/s and 256x256 pixels (Chen et al. 2020 publish these beside their code):

| file | content |
|---|---|
| `X_aligned.mp4` | the face |
| `X_aligned.npy` | `(T, 68, 3)` landmarks, x right, y down, depth in the same pixels |
| `X_aligned_rt.npy` | `(T, 6)` rotation vector and shift that take what is seen to the frontal face |
| `X_aligned_front.npy` | `(T, 68, 3)` frontal landmarks, R l + t |
| `X_aligned_ani.mp4` | the face as a turning surface, on black; may be missing |
| `X.wav` | 16 kHz mono; may be missing |
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from talkface.errors import DatasetError, printable
from talkface.files.arrays import read_npy
from talkface.files.check import TEXT, check_array
from talkface.files.read import refusing
from talkface.media.decode import probe_sound
from talkface.media.read import probe_video, read_frames
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, FloatArray, Image


@dataclass(frozen=True)
class QuintupleLimits:
    """Limits of the five files of a clip."""

    side: int = 256  # pixels of both videos
    largest_error: float = 0.05  # pixels by which front and R l + t may differ: float32 files stay well below
    sound_short_s: float = 0.2  # the published sound is a few milliseconds shorter than the pictures
    darkest: int = 10  # grey level below which an animation shows background (Rhythmic's own limit)


QUINTUPLE = QuintupleLimits()
LIST_ENDING = "_demo.npy"


class Ending(StrEnum):
    """Endings of a clip's files; a clip is found by that of its pose."""

    POSE = "_aligned_rt.npy"
    VIDEO = "_aligned.mp4"
    LANDMARKS = "_aligned.npy"
    FRONT = "_aligned_front.npy"
    ANI = "_aligned_ani.mp4"
    SOUND = ".wav"


@dataclass(frozen=True)
class Quintuple:
    """One clip as published.

    Attributes:
        prefix: folder and name, `FOLDER/X`.
        landmarks: `[T, 68, 3]` float64 pixels.
        pose: `[T, 6]` float64: rotation vector in radians and shift in pixels, seen -> frontal.
        front: `[T, 68, 3]` float64 pixels.
        ani: the animation, None where there is none.
        sound: 16 kHz mono, None where there is none.
    """

    prefix: Path
    landmarks: FloatArray
    pose: FloatArray
    front: FloatArray
    ani: Path | None
    sound: Path | None

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def video(self) -> Path:
        """The face, 256x256 at 25 frames/s."""
        return with_ending(self.prefix, Ending.VIDEO)


@dataclass(frozen=True)
class DemoRow:
    """One line of a test list: the spoken word and the frames it takes."""

    video: Path
    start: int
    end: int
    word: str


def with_ending(prefix: Path, ending: str) -> Path:
    """One of the files of `FOLDER/X`."""
    return prefix.with_name(prefix.name + ending)


def is_quintuple(place: Path) -> bool:
    """Whether `place` is a folder, or a name such as FOLDER/X or FOLDER/X_aligned: no file, but landmarks beside it."""
    return place.is_dir() or (not place.is_file() and with_ending(_without_ending(place), Ending.LANDMARKS).is_file())


def find_quintuples(folder: Path) -> list[Path]:
    """Prefixes `FOLDER/X` of all clips in a folder, in the order of their names."""
    return [_without_ending(path) for path in sorted(folder.glob(f"*{Ending.POSE}"))]


def find_quintuple(place: Path) -> Path:
    """Prefix of the clip that a user means.

    Args:
        place: a folder that holds one clip, FOLDER/X, FOLDER/X_aligned, or any file of the clip.

    Raises:
        DatasetError: none there, or several.
    """
    if not place.is_dir():
        return _without_ending(place)
    found = find_quintuples(place)
    if len(found) == 1:
        return found[0]
    if not found:
        raise DatasetError(
            f"{place} holds no X{Ending.POSE}: expected X{Ending.VIDEO}, X{Ending.LANDMARKS}, X{Ending.POSE} and"
            f" X{Ending.FRONT}"
        )
    raise DatasetError(f"{place} holds {len(found)} clips: give one of them, such as {found[0]}")


def read_quintuple(place: Path) -> Quintuple:
    """Load and check one clip.

    Args:
        place: as for `find_quintuple`.

    Raises:
        DatasetError: a missing file, another shape, frame count, size or rate than published, or frontal landmarks
            that are not R l + t; names the file and what was expected.
        MediaError: a video or sound that cannot be read.
    """
    prefix = find_quintuple(place)
    landmarks = _array(with_ending(prefix, Ending.LANDMARKS), (68, 3))
    pose, front = _array(with_ending(prefix, Ending.POSE), (6,)), _array(with_ending(prefix, Ending.FRONT), (68, 3))
    for ending, array in ((Ending.POSE, pose), (Ending.FRONT, front)):
        if len(array) != len(landmarks):
            raise DatasetError(
                f"{with_ending(prefix, ending)} has {len(array)} frames: expected {len(landmarks)}, as many as "
                f"{prefix.name}{Ending.LANDMARKS}"
            )
    _check_front(prefix, landmarks, pose, front)
    check_video(with_ending(prefix, Ending.VIDEO), len(landmarks))
    ani, sound = with_ending(prefix, Ending.ANI), with_ending(prefix, Ending.SOUND)
    if ani.is_file():
        check_video(ani, len(landmarks))
    if sound.is_file():
        _check_sound(sound, len(landmarks))
    return Quintuple(prefix, landmarks, pose, front, ani if ani.is_file() else None, sound if sound.is_file() else None)


def apply_pose(landmarks: FloatArray, pose: FloatArray) -> FloatArray:
    """`[T, 68, 3]` seen landmarks and `[T, 6]` pose -> `[T, 68, 3]` frontal ones, R l + t."""
    turns = Rotation.from_rotvec(pose[:, :3]).as_matrix()
    return np.asarray(landmarks @ np.swapaxes(turns, 1, 2) + pose[:, None, 3:])


def read_ani(path: Path) -> Iterator[Image]:
    """Frames of an animation, as `draw_mesh` draws them: `[256, 256, 4]`, colour and coverage 0 or 255.

    What is darker than 10 in all three colours is background, as for the published animations; around the face a
    video codec leaves some noise below that.

    Raises:
        MediaError: cannot be read.
    """
    for frame, _ in read_frames(path, DEFAULT_FPS):
        shown = frame.max(2, keepdims=True) >= QUINTUPLE.darkest
        yield np.concatenate([frame * shown, np.uint8(255) * shown], 2).astype(np.uint8)


def read_demo_list(path: Path) -> list[DemoRow]:
    """Test list such as `vox_demo.npy`: an array of strings, rows [video path, first frame, end frame, word].

    Relative paths are looked up beside the list.

    Raises:
        DatasetError: unreadable, Python objects, another shape, or frames that are no numbers.
    """
    rows = read_npy(path, "strings, rows [video, start, end, word]", DatasetError, kinds=TEXT)
    if rows.dtype.kind != "U" or rows.ndim != 2 or rows.shape[1] != 4:
        raise DatasetError(
            f"{path} has shape {rows.shape} of {rows.dtype}: expected (N, 4) strings, rows [video, start, end, word]"
        )
    found = []
    with refusing(f"{path} is damaged", DatasetError):
        cells = rows.tolist()
    frame = re.compile(r"[0-9]{1,9}")
    for number, (video, start, end, word) in enumerate(cells):
        if not (frame.fullmatch(start) and frame.fullmatch(end) and int(start) < int(end)):
            raise DatasetError(
                f"row {number} of {path} says frames {start!r} to {end!r}: expected whole numbers, rising"
            )
        if not video or "\0" in video or not (path.parent / video).resolve().is_relative_to(path.parent.resolve()):
            raise DatasetError(f"row {number} of {path} names {video!r}: expected a file in the list's own folder")
        found.append(DemoRow(path.parent / video, int(start), int(end), printable(word)))
    return found


def _without_ending(path: Path) -> Path:
    name = next((path.name.removesuffix(end) for end in (*Ending, "_aligned") if path.name.endswith(end)), path.name)
    return path.with_name(name) if name else path


def _array(path: Path, shape: tuple[int, ...]) -> FloatArray:
    """Finite float64 `[T, *shape]`."""
    expected = f"({', '.join(['T', *map(str, shape)])})"
    array = read_npy(path, f"numbers of shape {expected}", DatasetError)
    check_array(array, [(None, *shape)], str(path), DatasetError)
    return np.asarray(array, np.float64)


def _check_front(prefix: Path, landmarks: FloatArray, pose: FloatArray, front: FloatArray) -> None:
    error = np.abs(apply_pose(landmarks, pose) - front).max((1, 2))
    if error.max() > QUINTUPLE.largest_error:
        raise DatasetError(
            f"{with_ending(prefix, Ending.FRONT)} is not R l + t of {prefix.name}{Ending.LANDMARKS} and"
            f" {prefix.name}{Ending.POSE}: frame "
            f"{int(error.argmax())} is {error.max():.3g} pixels off, expected at most {QUINTUPLE.largest_error} "
            "(rotation vector, then shift, from seen to frontal)"
        )


def check_video(path: Path, frames: int) -> None:
    """Refuse a video that is not 256x256 at 25 frames/s and as long as `frames`.

    Raises:
        DatasetError: missing or of another size, rate or length.
        MediaError: cannot be read.
    """
    if not path.is_file():
        raise DatasetError(
            f"no file {path}: expected a video of {frames} frames, {QUINTUPLE.side}x{QUINTUPLE.side}, 25 frames/s"
        )
    info = probe_video(path)
    if info.size != (QUINTUPLE.side, QUINTUPLE.side) or info.fps != DEFAULT_FPS:
        width, height = info.size
        raise DatasetError(
            f"{path} is {width}x{height} at {float(info.fps):g} frames/s:"
            f" expected {QUINTUPLE.side}x{QUINTUPLE.side} at 25 frames/s"
        )
    if info.duration_s is not None and abs(round(info.duration_s * info.fps) - frames) > 1:
        raise DatasetError(
            f"{path} has {round(info.duration_s * info.fps)} frames: expected {frames}, as many as landmarks"
        )


def _check_sound(path: Path, frames: int) -> None:
    info, lasts_s = probe_sound(path), float(frames / DEFAULT_FPS)
    if (info.rate, info.channels) != (SAMPLE_RATE, 1):
        raise DatasetError(f"{path} has {info.channels} channels at {info.rate} Hz: expected 1 at {SAMPLE_RATE} Hz")
    if info.end_s is not None and abs(info.end_s - lasts_s) > QUINTUPLE.sound_short_s:
        raise DatasetError(f"{path} lasts {info.end_s:.2f} s: expected {lasts_s:.2f} s, as long as the pictures")
