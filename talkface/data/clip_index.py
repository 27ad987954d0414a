"""Shards -> one memory-mapped table of all their clips: places, people, lengths and what sampling needs to know.

A corpus of half a million clips opens in a second and takes no memory but the pages that are looked at. The file
`clips.index` holds a line of JSON and the columns behind it; it belongs to shards of the names and sizes written there
and is made again where they differ.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from talkface.data.prepare.shards import find_shards, read_array, read_index
from talkface.data.samplers.speech import measure_reference, measure_track, standard_bands
from talkface.errors import DatasetError
from talkface.files.check import build_record
from talkface.files.read import check_record, parse_json, refusing
from talkface.files.write import atomic_file
from talkface.scale.block_cache import BlockCache, RemoteFile
from talkface.scale.storage import is_url
from talkface.scale.workers import Died, Workers

INDEX_NAME = "clips.index"
MEMBERS = ("json", "landmarks.npy", "crops.npy", "mjpeg", "audio.npy")
NEEDED = MEMBERS[:4]  # every clip has them


@dataclass(frozen=True)
class IndexLimits:
    """Layout and limits of the table of clips."""

    magic: bytes = b"talkface clips 1\n"
    align: int = 64  # bytes
    largest_header: int = 64_000_000


INDEX = IndexLimits()
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class _Header:
    """First line of the file."""

    shards: list[str]
    sizes: list[int]
    splits: list[str]
    bands: list[str]
    clips: int
    speakers: int
    key_bytes: int
    speaker_bytes: int
    openings: int

    def layout(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and shape of every column in their order."""
        clips = self.clips
        return {
            "shard": ("<u4", (clips,)),
            "spans": ("<i8", (clips, len(MEMBERS), 2)),  # first byte and length in the shard; -1, 0 for none
            "frames": ("<i4", (clips,)),
            "seen": ("<i4", (clips,)),  # frames with a face
            "fps": ("<f8", (clips,)),
            "speech": ("<u1", (clips,)),
            "split": ("<u2", (clips,)),
            "speaker": ("<u4", (clips,)),
            "video": ("<u4", (clips,)),  # number of the source video, of which a corpus may have several clips
            "key_ends": ("<i8", (clips,)),
            "keys": ("<u1", (self.key_bytes,)),
            "speaker_ends": ("<i8", (self.speakers,)),
            "speaker_names": ("<u1", (self.speaker_bytes,)),
            "opening_ends": ("<i8", (clips,)),
            "openings": ("<f4", (self.openings,)),  # inner-lip gap per frame; none of clips that cannot teach speech
            "references": ("<f8", (clips, len(self.bands))),  # `audio.features.reference_power` per kind of bands
        }


@dataclass(frozen=True)
class ClipIndex:
    """Columns by name, see `_Header.layout`; `measured` is False where those were left out that need the arrays."""

    folder: Path
    shards: Sequence[str]
    splits: Sequence[str]
    bands: Sequence[str]
    columns: Columns = field(repr=False)
    measured: bool = True
    remote: "RemoteShards | None" = None

    def __len__(self) -> int:
        return len(self.columns["shard"])

    def key(self, row: int) -> str:
        """Name of a clip."""
        return _text(self.columns["keys"], self.columns["key_ends"], row)

    def speaker(self, row: int) -> str:
        """Who speaks in a clip."""
        return _text(self.columns["speaker_names"], self.columns["speaker_ends"], int(self.columns["speaker"][row]))

    def shard(self, row: int) -> Path | RemoteFile:
        """Where a clip lies."""
        number = int(self.columns["shard"][row])
        return self.folder / self.shards[number] if self.remote is None else self.remote.file(self.shards[number])

    def span(self, row: int, member: str) -> tuple[int, int] | None:
        """First byte and length of a member of a clip in its shard."""
        start, size = self.columns["spans"][row, MEMBERS.index(member)]
        return None if start < 0 else (int(start), int(size))

    def openings(self, row: int) -> np.ndarray:
        """`[T]` inner-lip gaps of a clip; empty where it cannot teach speech."""
        ends = self.columns["opening_ends"]
        return np.asarray(self.columns["openings"][int(ends[row - 1]) if row else 0 : int(ends[row])])


@dataclass(frozen=True)
class RemoteShards:
    """Shards at a URL: their sizes, and the state of the table that they belong to."""

    cache: BlockCache
    sizes: Mapping[str, int]
    version: str

    def file(self, name: str) -> RemoteFile:
        """One of them."""
        return RemoteFile(self.cache, name, self.sizes[name], self.version)


def open_index(folder: Path | str) -> ClipIndex:
    """The folder's table: the stored one where it fits the shards, else one without measures, from the shards' lists.

    Args:
        folder: path, or URL of a folder that has a stored table.

    Raises:
        DatasetError: no shards, damaged ones, or no table at a URL.
    """
    if is_url(folder):
        return _open_remote(str(folder).rstrip("/"))
    folder = Path(folder)
    shards = find_shards(folder)
    stored = load_index(folder / INDEX_NAME) if (folder / INDEX_NAME).is_file() else None
    if stored is not None and stored[1] == {shard.name: shard.stat().st_size for shard in shards}:
        return stored[0]
    if not shards:
        raise DatasetError(f"no shards in {folder}: make them with `talkface prepare folder DIR {folder}`")
    return _joined(folder, shards, [shard_columns(shard, measure=False) for shard in shards], measured=False)


def _open_remote(place: str) -> ClipIndex:
    cache = BlockCache(place)
    path = cache.whole(INDEX_NAME)
    found = load_index(path)
    if found is None:
        hint = "run `talkface prepare --index SHARDS` where they are and copy that file, too"
        raise DatasetError(f"{place}/{INDEX_NAME} is damaged or of another version: {hint}")
    return replace(found[0], remote=RemoteShards(cache, found[1], path.name.rpartition(".")[2]))


def build_index(folder: Path, workers: Workers | None = None) -> ClipIndex:
    """Measure every clip and write the table, in this process or by workers.

    Raises:
        DatasetError: no shards, or damaged ones.
    """
    shards = find_shards(folder)
    if not shards:
        raise DatasetError(f"no shards in {folder}: make them with `talkface prepare folder DIR {folder}`")
    measure = partial(shard_columns, measure=True)
    todo = iter(shards)
    here = ((shard, measure(shard)) for shard in todo)
    found: dict[Path, dict[str, Any]] = {}
    for shard, columns in here if workers is None else workers.run(lambda: next(todo, None), measure):
        if isinstance(columns, Died):
            raise DatasetError(f"the process that measured {shard} died: try again with fewer workers")
        found[shard] = columns
    save_index(_joined(folder, shards, [found[shard] for shard in shards], measured=True))
    return open_index(folder)


def shard_columns(shard: Path, *, measure: bool) -> dict[str, Any]:
    """Columns of one shard's clips, and their names, speakers and splits as lists of text."""
    samples = read_index(shard)
    for sample in samples:
        check_sample(shard, sample)
    spans = [[sample["members"].get(name, (-1, 0)) for name in MEMBERS] for sample in samples]
    metas = [sample["meta"] for sample in samples]
    found: dict[str, Any] = {
        "key": [sample["key"] for sample in samples],
        **{name: [str(meta[name]) for meta in metas] for name in ("speaker", "split")},
        "video": [_video(sample) for sample in samples],
        "spans": np.array(spans, np.int64).reshape(-1, len(MEMBERS), 2),
        "frames": np.array([int(meta.get("num_frames", 0)) for meta in metas], np.int32),
        "fps": np.array([float(meta["fps"]) for meta in metas], np.float64),
        "speech": np.array([bool(meta["speech"]) for meta in metas], np.uint8),
    }
    if measure:
        measured = [_measures(shard, sample) for sample in samples]
        bands = len(standard_bands())
        found["seen"] = np.array([seen for seen, _, _ in measured], np.int32)
        found["opening"] = [opening for _, opening, _ in measured]
        found["references"] = np.array([each for _, _, each in measured], np.float64).reshape(-1, bands)
    return found


def _measures(shard: Path, sample: Mapping[str, Any]) -> tuple[int, np.ndarray, list[float]]:
    """Frames with a face, openings, and reference power for each kind of bands."""
    bands = standard_bands()
    landmarks = read_array(shard, sample["members"]["landmarks.npy"])
    seen = int(np.isfinite(landmarks).all((1, 2)).sum()) if landmarks.ndim == 3 else 0
    nothing = np.zeros(0, np.float32), [0.0] * len(bands)
    if not sample["meta"]["speech"] or "audio.npy" not in sample["members"]:
        return seen, *nothing
    audio = read_array(shard, sample["members"]["audio.npy"]).astype(np.float32) / 32767
    track = measure_track(landmarks, audio)
    if track is None:
        return seen, *nothing
    return seen, track.opening, [measure_reference(audio, len(landmarks), mel) for mel in bands.values()]


def _video(sample: Mapping[str, Any]) -> str:
    """Name of the video that a clip was cut from; its own where the corpus does not say."""
    source = sample["meta"].get("youtube")
    return f"{sample['meta']['speaker']}/{source}" if isinstance(source, str) else str(sample["key"])


def check_sample(shard: Path, sample: dict[str, Any]) -> None:
    """Refuse an entry of a shard's list that lacks what every clip has."""
    where = f"{sample['key']} in {shard}"
    check_record(sample["meta"], where, DatasetError, speaker=str, split=str, speech=bool, fps=float)
    missing = [name for name in NEEDED if name not in sample["members"]]
    if missing:
        raise DatasetError(f"{where} has no {missing[0]}: delete the shard and prepare again")


def _joined(folder: Path, shards: Sequence[Path], parts: Sequence[dict[str, Any]], *, measured: bool) -> ClipIndex:
    """One table of the shards' columns."""

    def all_of(name: str) -> list[Any]:
        return [each for part in parts for each in part[name]]

    columns: Columns = {name: np.concatenate([part[name] for part in parts]) for name in ("spans", "frames", "fps")}
    columns["speech"] = np.concatenate([part["speech"] for part in parts])
    columns["shard"] = np.repeat(np.arange(len(parts), dtype=np.uint32), [len(part["key"]) for part in parts])
    speakers, splits = sorted(set(all_of("speaker"))), sorted(set(all_of("split")))
    for name, dtype, table in (("speaker", np.uint32, speakers), ("split", np.uint16, splits)):
        places = {text: place for place, text in enumerate(table)}
        columns[name] = np.array([places[text] for text in all_of(name)], dtype)
    videos: dict[str, int] = {}
    columns["video"] = np.array([videos.setdefault(text, len(videos)) for text in all_of("video")], np.uint32)
    columns["keys"], columns["key_ends"] = packed_texts(all_of("key"))
    columns["speaker_names"], columns["speaker_ends"] = packed_texts(speakers)
    bands = list(standard_bands()) if measured else []
    if measured:
        columns["seen"] = np.concatenate([part["seen"] for part in parts])
        columns["references"] = np.concatenate([part["references"] for part in parts])
        openings = all_of("opening")
        columns["openings"] = np.concatenate([np.zeros(0, np.float32), *openings])
        columns["opening_ends"] = np.cumsum([len(each) for each in openings], dtype=np.int64)
    return ClipIndex(folder, [shard.name for shard in shards], splits, bands, columns, measured)


def save_index(index: ClipIndex, sizes: Sequence[int] | None = None) -> None:
    """Write the table beside its shards; `sizes` are the shards' lengths where those are not at hand."""
    columns = index.columns
    lengths = sizes or [(index.folder / name).stat().st_size for name in index.shards]
    header = _Header(
        list(index.shards),
        list(lengths),
        list(index.splits),
        list(index.bands),
        len(index),
        len(columns["speaker_ends"]),
        len(columns["keys"]),
        len(columns["speaker_names"]),
        len(columns["openings"]),
    )
    with atomic_file(index.folder / INDEX_NAME) as part, part.open("wb") as file:
        file.write(INDEX.magic + json.dumps(vars(header)).encode() + b"\n")
        for name, (dtype, shape) in header.layout().items():
            file.write(b"\0" * (-file.tell() % INDEX.align))
            array = np.ascontiguousarray(columns[name], dtype)
            if array.shape != shape:
                raise DatasetError(f"invalid column {name} of {list(array.shape)}: expected {list(shape)}")
            array.tofile(file)


def load_index(path: Path) -> tuple[ClipIndex, dict[str, int]] | None:
    """Table and the shards' sizes that it was made for; None where the file is damaged or of another version."""
    try:
        with refusing(f"{path} is damaged", DatasetError):
            return _read(path)
    except DatasetError:
        return None


def _read(path: Path) -> tuple[ClipIndex, dict[str, int]]:
    with path.open("rb") as file:
        if file.readline(len(INDEX.magic)) != INDEX.magic:
            raise DatasetError("another kind of file")
        line = file.readline(INDEX.largest_header)
        place = file.tell()
    header = build_record(_Header, parse_json(line, str(path), DatasetError), str(path), DatasetError)
    whole = np.asarray(np.memmap(path, np.uint8, "r"))  # a plain view: single numbers are looked up faster
    columns: Columns = {}
    for name, (dtype, shape) in header.layout().items():
        place += -place % INDEX.align
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if min(shape) < 0 or place + size > len(whole):
            raise DatasetError("cut short")
        columns[name] = whole[place : place + size].view(dtype).reshape(shape)
        place += size
    _check(header, columns)
    index = ClipIndex(path.parent, header.shards, header.splits, header.bands, columns)
    return index, dict(zip(header.shards, header.sizes, strict=True))


def _check(header: _Header, columns: Columns) -> None:
    """See that nothing points outside: places in shards, numbers of shards and people, ends of texts."""
    plain = all(Path(name).name == name for name in header.shards)
    for name, count in (("shard", len(header.sizes)), ("speaker", header.speakers), ("split", len(header.splits))):
        plain = plain and (not header.clips or int(columns[name].max()) < count)
    for ends, content in (("key_ends", "keys"), ("speaker_ends", "speaker_names"), ("opening_ends", "openings")):
        steps = np.diff(columns[ends], prepend=0)
        plain = plain and bool((steps >= 0).all()) and int(columns[ends][-1:].sum()) == len(columns[content])
    if not plain or len(header.shards) != len(header.sizes):
        raise DatasetError("its columns do not fit each other")
    start, size = columns["spans"][..., 0], columns["spans"][..., 1]
    room = np.array(header.sizes, np.int64)[columns["shard"]][:, None]
    if not ((start >= -1) & (size >= 0) & (size <= room) & (start <= room - size)).all():
        raise DatasetError("it speaks of what the shards cannot hold")
    if (start[:, : len(NEEDED)] < 0).any():
        raise DatasetError("clips lack members")


def packed_texts(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts as bytes behind each other, and where each ends."""
    coded = [text.encode() for text in texts]
    return np.frombuffer(b"".join(coded), np.uint8), np.cumsum([len(each) for each in coded], dtype=np.int64)


def _text(content: np.ndarray, ends: np.ndarray, place: int) -> str:
    return bytes(content[int(ends[place - 1]) if place else 0 : int(ends[place])]).decode()
