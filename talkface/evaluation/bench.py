"""Detector, folder and user-supplied networks -> the bench that all measurements of one run share."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from talkface.landmarks.detect import Detector
from talkface.metrics.arcface import ArcFace
from talkface.metrics.lpips_fid import FidPool, Lpips
from talkface.metrics.syncnet import SyncNet

Alignment = Literal["auto", "frame", "face"]
Track = Callable[[Iterable[Any], int | None, str], Iterable[Any]]
"""Passes items on and shows a progress bar: items, how many there will be if known, what is done with them."""


def untracked(items: Iterable[Any], count: int | None, words: str) -> Iterable[Any]:
    """No progress bar."""
    return items


@dataclass(frozen=True)
class UserNetworks:
    """Networks that the user must supply; a measure without its network is left out.

    Attributes:
        arcface: for `csim_arcface`.
        lpips: for `lpips`.
        fid: for `fid`, which is taken over all clips together.
        syncnet: for `lse_c`, `lse_d`, `av_offset`.
    """

    arcface: ArcFace | None = None
    lpips: Lpips | None = None
    fid: FidPool | None = None
    syncnet: SyncNet | None = None


@dataclass(frozen=True)
class Bench:
    """Detector, networks and settings that every measurement needs.

    Attributes:
        detector: landmark backend for real and made videos alike.
        folder: where crops, made and re-encoded videos go.
        longest_s: seconds used of longer test clips.
        networks: user-supplied ones.
        alignment: of a pair's frames, see `footage.compared_crops`.
        silent: allow pairs without any sound.
        track: progress bar.
    """

    detector: Detector
    folder: Path
    longest_s: float = math.inf
    networks: UserNetworks = field(default_factory=UserNetworks)
    alignment: Alignment = "auto"
    silent: bool = False
    track: Track = untracked

    def video(self, group: str, system: str, name: str) -> Path:
        """Where a system's video goes, in a folder that is there."""
        folder = self.folder / group / system
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.mp4"
