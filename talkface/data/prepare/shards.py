"""Prepared clips -> WebDataset tar shards with an index of byte offsets, and back.

A shard is an ordinary tar that `webdataset` reads; members of one sample stand together and share the name before
the first dot. `shard-00000.index.json` beside it lists every member's offset and size, so that any frame of any clip
is one `pread` away. Everything is written under another name and renamed when complete.
"""

import io
import json
import os
import tarfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from talkface.errors import DatasetError
from talkface.files.arrays import parse_npy
from talkface.files.read import check_record, parse_json, read_json, refusing
from talkface.files.write import atomic_file, atomic_write
from talkface.scale.block_cache import RemoteFile
from talkface.types import FloatArray

PENDING = "pending"  # sub-folder of finished clips that wait for their shard


def write_sample(path: Path, key: str, members: Mapping[str, bytes]) -> None:
    """Write one sample as a tar of its own, complete or not at all."""
    with atomic_file(path) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"{key}.{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def join_samples(sample_paths: Iterable[Path], shard: Path) -> None:
    """Join sample tars into a shard and write its index; the shard appears complete or not at all."""
    with atomic_file(shard) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in sample_paths:
            with tarfile.open(sample, "r:") as source:
                for member in source:
                    tar.addfile(member, source.extractfile(member))
    write_index(shard)


def drop_samples(shard: Path, keys: Collection[str]) -> None:
    """Rewrite a shard without some samples, or remove it where nothing is left; whole before and after."""
    left = [sample["key"] for sample in read_index(shard) if sample["key"] not in keys]
    index_path(shard).unlink()  # first: made again from the shard, it always fits
    if not left:
        shard.unlink()
        return
    with (
        tarfile.open(shard, "r:") as source,
        atomic_file(shard) as part,
        tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for member in source:
            if member.name.partition(".")[0] not in keys:
                tar.addfile(member, source.extractfile(member))
    write_index(shard)


def index_path(shard: Path) -> Path:
    return shard.with_suffix(".index.json")


def write_index(shard: Path) -> None:
    """List the samples of a shard: their JSON, and offset and size of every member.

    Raises:
        DatasetError: not a whole, uncompressed tar, or one that `talkface prepare` did not write.
    """
    samples: dict[str, dict[str, Any]] = {}
    broken = f"{shard} is not a whole shard: delete it and prepare again"
    with refusing(broken, DatasetError), tarfile.open(shard, "r:") as tar:
        for member in tar:
            if not member.isreg():
                raise DatasetError(f"{shard} was not written by `talkface prepare`: {member.name} is not a plain file")
            key, _, name = member.name.partition(".")
            sample = samples.setdefault(key, {"key": key, "members": {}})
            sample["members"][name] = [member.offset_data, member.size]
            if name == "json":
                handle = tar.extractfile(member)
                if handle is None or member.size > 64_000_000:  # bytes of JSON
                    raise DatasetError(f"{shard} was not written by `talkface prepare`: {member.name} is too large")
                values = parse_json(handle.read(), f"{member.name} in {shard}", DatasetError)
                sample["meta"] = {k: v for k, v in values.items() if k != "image_offsets"}
    strange = next((key for key, sample in samples.items() if "meta" not in sample), None)
    if strange is not None:
        raise DatasetError(f"{shard} was not written by `talkface prepare`: its sample {strange} has no .json")
    atomic_write(index_path(shard), json.dumps({"samples": list(samples.values())}))


def find_shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*.tar"))


def read_index(shard: Path) -> list[dict[str, Any]]:
    """Samples of a shard, checked; an index that a kill left out is made first.

    Raises:
        DatasetError: the index is damaged, or speaks of what the shard cannot hold.
    """
    index = index_path(shard)
    if not index.is_file():
        write_index(shard)
    hint = "delete it, it is made again from the shard"
    values = read_json(index, "index", DatasetError)
    check_record(values, f"{index} ({hint})", DatasetError, samples=list[dict[str, Any]])
    size = shard.stat().st_size
    for sample in values["samples"]:
        where = f"a sample of {index} ({hint})"
        check_record(sample, where, DatasetError, key=str, members=dict[str, tuple[int, int]], meta=dict[str, Any])
        if not all(start >= 0 and 0 <= length <= size - start for start, length in sample["members"].values()):
            raise DatasetError(f"{shard} is shorter than its index says: delete shard and index and prepare again")
    return list(values["samples"])


def read_span(shard: Path | RemoteFile, offset: int, size: int) -> bytes:
    """`size` bytes of a shard from `offset` on.

    Raises:
        DatasetError: it cannot be read, or ends before.
    """
    if isinstance(shard, RemoteFile):
        return shard.read(offset, size)
    try:
        with shard.open("rb", buffering=0) as handle:
            data = os.pread(handle.fileno(), size, offset)
    except OSError as error:
        raise DatasetError(f"{shard} cannot be read: {error.strerror}") from error
    if len(data) != size:
        raise DatasetError(f"{shard} is shorter than its index says: delete shard and index and prepare again")
    return data


def read_array(shard: Path | RemoteFile, member: Sequence[int]) -> FloatArray:
    """`.npy` member at (first byte, length) -> array; object arrays, which could run code, are refused."""
    return parse_npy(read_span(shard, member[0], member[1]), f"an array in {shard}", DatasetError)
