"""TIFF with its colours in separate planes -> one array; Pillow reads such files of more than 8 bits as stripes."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow


@dataclass(frozen=True)
class TiffTags:
    """Tag numbers of TIFF 6.0."""

    bits: int = 258
    photometric: int = 262
    samples: int = 277
    planar: int = 284
    sample_format: int = 339
    strips: tuple[int, int] = (273, 279)  # tags of offsets and byte counts
    tiles: tuple[int, int] = (324, 325)
    # what a plane shares with its file: size, compression, strips, tiles
    kept: tuple[int, ...] = (256, 257, 259, 266, 278, 317, 322, 323)
    separate: int = 2
    grey: int = 1
    most_planes: int = 5  # CMYK and transparency


TIFF = TiffTags()


def is_planar(photo: Pillow.Image) -> bool:
    """Whether an opened picture is a TIFF that keeps red, green and blue apart."""
    tags: Mapping[int, Any] = getattr(photo, "tag_v2", {})
    return (
        tags.get(TIFF.planar) == TIFF.separate
        and 3 <= tags.get(TIFF.samples, 1) <= TIFF.most_planes
        and len(_chunks(tags)[1]) >= tags[TIFF.samples]
    )


def read_planes(photo: Pillow.Image, data: bytes) -> npt.NDArray[np.generic]:
    """Decode each plane as a grey picture of its own, by a second directory appended to the file's bytes.

    Returns:
        `[H, W, C]` as stored; inks beyond three are left to the caller.
    """
    tags: Mapping[int, Any] = getattr(photo, "tag_v2", {})
    order = "<" if data[:2] == b"II" else ">"
    planes = []
    for plane in range(int(tags[TIFF.samples])):
        with Pillow.open(io.BytesIO(_plane_file(data, tags, plane, order)), formats=("TIFF",)) as grey:
            planes.append(np.asarray(grey))
    return np.stack(planes, axis=-1)


def _chunks(tags: Mapping[int, Any]) -> tuple[tuple[int, int], tuple[int, ...]]:
    """The tags that say where strips or tiles are, and the offsets."""
    pair = TIFF.tiles if TIFF.tiles[0] in tags else TIFF.strips
    return pair, tuple(tags.get(pair[0], ()))


def _plane_file(data: bytes, tags: Mapping[int, Any], plane: int, order: str) -> bytes:
    pair, offsets = _chunks(tags)
    count = len(offsets) // tags[TIFF.samples]
    part = slice(plane * count, (plane + 1) * count)
    entries = {tag: _values(tags[tag]) for tag in TIFF.kept if tag in tags}
    entries |= {pair[0]: offsets[part], pair[1]: tuple(tags[pair[1]])[part]}
    entries |= {
        TIFF.bits: (_values(tags[TIFF.bits])[plane],),
        TIFF.photometric: (TIFF.grey,),
        TIFF.samples: (1,),
        TIFF.planar: (1,),
    }
    if TIFF.sample_format in tags:
        entries[TIFF.sample_format] = (_values(tags[TIFF.sample_format])[plane],)
    start = len(data) + len(data) % 2
    directory = struct.pack(order + "H", len(entries))
    tail = b""
    tail_at = start + 2 + 12 * len(entries) + 4
    for tag in sorted(entries):
        values = entries[tag]
        directory += struct.pack(order + "HHI", tag, 4, len(values))
        packed = struct.pack(f"{order}{len(values)}I", *values)
        directory += packed if len(values) == 1 else struct.pack(order + "I", tail_at + len(tail))
        tail += packed if len(values) > 1 else b""
    header = data[:4] + struct.pack(order + "I", start)
    return header + data[8:] + b"\0" * (len(data) % 2) + directory + struct.pack(order + "I", 0) + tail


def _values(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (int(value),)
