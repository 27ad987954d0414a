"""Records of clips that were refused, or whose sound is not used -> a PNG per reason with middle frames and values."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from talkface.data.interop.importers import ARRAY_SUFFIXES
from talkface.data.prepare.contact_sheet import write_line
from talkface.data.prepare.manifest import Record
from talkface.data.prepare.preprocess import PreprocessConfig
from talkface.data.sources.archives import archived_members, unpacked
from talkface.errors import DatasetError, MediaError
from talkface.files.write import atomic_write
from talkface.media.photo import encode_png
from talkface.media.read import probe_video, read_frames, read_photo
from talkface.media.seek import read_window
from talkface.types import DEFAULT_FPS, Clip, Image


@dataclass(frozen=True)
class RefusedSettings:
    """Sizes of a sheet."""

    tile: int = 192  # px, side of a frame's square
    columns: int = 6
    most_clips: int = 24  # on a sheet: the first ones


REFUSED = RefusedSettings()


def write_refused_sheets(
    clips: Sequence[Clip], records: Sequence[Record], folder: Path, config: PreprocessConfig
) -> list[Path]:
    """Draw `refused_REASON.png` and `unused_REASON.png`, remove those of reasons that no clip has any more.

    Args:
        clips: of the corpus, whose files or archives are read for the frames.
        records: of these clips.
        folder: of the shards.
        config: limits that the clips were compared with.

    Returns:
        The files, in the order of their names.
    """
    named = {clip.key: clip for clip in clips}
    groups: defaultdict[str, list[tuple[Record, str]]] = defaultdict(list)
    for record in records:
        for reason, value in _reasons(record, config).items():
            groups[reason].append((record, value))
    paths = []
    for reason, found in sorted(groups.items()):
        tiles = [_tile(_picture(record, named), record.key, value) for record, value in found[: REFUSED.most_clips]]
        tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % REFUSED.columns)
        rows = [np.hstack(tiles[at : at + REFUSED.columns]) for at in range(0, len(tiles), REFUSED.columns)]
        paths.append(folder / f"{re.sub(r'[^a-z0-9]+', '_', reason.lower())}.png")
        atomic_write(paths[-1], encode_png(np.vstack(rows)))
    prefixes = ("refused_", "unused_")  # of the names of these sheets
    for prefix in prefixes:
        for stale in set(folder.glob(f"{prefix}*.png")) - set(paths):
            stale.unlink()
    return paths


def _reasons(record: Record, config: PreprocessConfig) -> Mapping[str, str]:
    """Name of a sheet that a clip belongs on -> the value that put it there; of most clips nothing."""
    if record.refused:
        return {f"refused {record.reason}": record.detail}
    if record.speech or (config.sync == "keep" and config.max_sync_p >= 1):
        return {}
    if record.sync_p is not None and record.sync_p > config.max_sync_p:
        return {"unused sound does not fit": f"p {record.sync_p:.2f}, at most {config.max_sync_p:g}"}
    if record.sync_lag is not None:
        return {"unused sound out of time": f"{record.sync_lag:+.1f} frames, sure {record.sync_confidence:.2f}"}
    return {}


def _picture(record: Record, clips: Mapping[str, Clip]) -> Image | None:
    """The middle frame of a clip; None of one that no worker could read, which this process does not try."""
    clip = clips.get(record.key)
    if clip is None or not (record.source_frames or record.num_frames) or clip.video.suffix.lower() in ARRAY_SUFFIXES:
        return None
    try:
        with unpacked(clip, archived_members(clip)) as local:
            photos = local.info.get("photos")
            if isinstance(photos, list):
                return read_photo(Path(photos[len(photos) // 2]))
            return _middle(local.video)
    except (DatasetError, MediaError, OSError):
        return None


def _middle(video: Path) -> Image:
    middle = Fraction((probe_video(video).duration_s or 0) / 2).limit_denominator(1000)
    found = next(read_window(video, DEFAULT_FPS, middle, 1), None)
    return found if found is not None else next(read_frames(video))[0]


def _tile(picture: Image | None, *lines: str) -> Image:
    """A frame on a square above lines of text."""
    side = REFUSED.tile
    tile = np.zeros((side + 14 * len(lines) + 6, side, 3), np.uint8)
    tile[:side] = 90
    if picture is not None:
        height, width = picture.shape[:2]
        zoom = side / max(height, width)
        size = max(1, round(width * zoom)), max(1, round(height * zoom))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        top, left = (side - size[1]) // 2, (side - size[0]) // 2
        tile[top : top + size[1], left : left + size[0]] = small
    for number, line in enumerate(lines):
        write_line(tile, line[-32:] if number == 0 else line[:32], side + 12 + 14 * number)
    return tile
