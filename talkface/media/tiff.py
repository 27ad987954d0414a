"""TIFF with its colours in separate planes -> one array; Pillow reads such files of more than 8 bits as stripes."""

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

BITS, PHOTOMETRIC, SAMPLES, PLANAR, SAMPLE_FORMAT, EXTRA_SAMPLES = 258, 262, 277, 284, 339, 338
STRIPS, TILES = (273, 279), (324, 325)  # tags of offsets and byte counts
KEPT = (256, 257, 259, 266, 278, 317, 322, 323)  # what a plane shares with its file: size, compression, strips, tiles
SEPARATE = 2
GREY = 1
MOST_PLANES = 5  # CMYK and transparency


def is_planar(photo: Pillow.Image) -> bool:
    """Whether an opened picture is a TIFF that keeps red, green and blue apart."""
    tags: Mapping[int, Any] = getattr(photo, "tag_v2", {})
    return (
        tags.get(PLANAR) == SEPARATE
        and 3 <= tags.get(SAMPLES, 1) <= MOST_PLANES
        and len(_chunks(tags)[1]) >= tags[SAMPLES]
    )


def read_planes(photo: Pillow.Image, data: bytes) -> npt.NDArray[np.generic]:
    """Decode each plane as a grey picture of its own, by a second directory appended to the file's bytes.

    Returns:
        `[H, W, C]` as stored; inks beyond three are left to the caller.
    """
    tags: Mapping[int, Any] = getattr(photo, "tag_v2", {})
    order = "<" if data[:2] == b"II" else ">"
    planes = []
    for plane in range(int(tags[SAMPLES])):
        with Pillow.open(io.BytesIO(_plane_file(data, tags, plane, order)), formats=("TIFF",)) as grey:
            planes.append(np.asarray(grey))
    return np.stack(planes, axis=-1)


def _chunks(tags: Mapping[int, Any]) -> tuple[tuple[int, int], tuple[int, ...]]:
    """The tags that say where strips or tiles are, and the offsets."""
    pair = TILES if TILES[0] in tags else STRIPS
    return pair, tuple(tags.get(pair[0], ()))


def _plane_file(data: bytes, tags: Mapping[int, Any], plane: int, order: str) -> bytes:
    pair, offsets = _chunks(tags)
    count = len(offsets) // tags[SAMPLES]
    part = slice(plane * count, (plane + 1) * count)
    entries = {tag: _values(tags[tag]) for tag in KEPT if tag in tags}
    entries |= {pair[0]: offsets[part], pair[1]: tuple(tags[pair[1]])[part]}
    entries |= {BITS: (_values(tags[BITS])[plane],), PHOTOMETRIC: (GREY,), SAMPLES: (1,), PLANAR: (1,)}
    if SAMPLE_FORMAT in tags:
        entries[SAMPLE_FORMAT] = (_values(tags[SAMPLE_FORMAT])[plane],)
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
