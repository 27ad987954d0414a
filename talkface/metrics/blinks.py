"""Landmarks over time -> blinks: how many and how long."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from talkface.landmarks.layout import eye_openness
from talkface.types import FloatArray


@dataclass(frozen=True)
class BlinkSettings:
    """What counts as a blink."""

    open_percentile: float = 75.0  # of the eye openness over the clip: what this person's open eyes measure
    closed_below: float = 0.78  # of that: detectors see shut lids as .5 to .7 of open ones
    open_above: float = 0.86  # of that: a blink ends where the eyes are open again
    longest_s: float = 0.7  # eyes shut for longer look down or are closed, which is no blink
    shortest_s: float = 0.04


BLINKS = BlinkSettings()


@dataclass(frozen=True)
class Blinks:
    """What the eyes did.

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
    """Blinks of a clip: spells in which the eye openness falls below 0.78 of this person's open eyes.

    A spell starts and ends where the openness passes 0.86 of open; spells above 0.7 s are no blinks. Detector:
    whatever found the landmarks; no crop. People blink 0.2 to 0.5 times a second while they talk, for 0.1 to 0.4 s.

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
    for start, end in _spells(np.nan_to_num(relative, nan=1.0) < BLINKS.open_above):
        duration_s = (end - start) / float(fps)
        if np.nanmin(relative[start:end]) < BLINKS.closed_below and BLINKS.shortest_s <= duration_s <= BLINKS.longest_s:
            starts.append(start)
            durations.append(duration_s)
    return Blinks(np.array(starts, int), np.array(durations), len(starts) / (int(seen.sum()) / float(fps)))


def _spells(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one-past-last index of each run of set flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
