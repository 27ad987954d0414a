"""Weights, config and provenance <-> one safetensors file; no pickle, so a model file cannot run code."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from talkface.errors import CheckpointError
from talkface.files.check import build_record
from talkface.files.read import limit, parse_json, refusing, variable
from talkface.files.write import atomic_file

FORMAT = 1  # raised when the header's meaning changes; a reader for the one before stays
LARGEST_WEIGHT = 1e10  # no number of a network or of an identity comes near
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Header:
    """The JSON text in a file's safetensors metadata.

    Attributes:
        digest: SHA-256 of all tensors, hexadecimal; empty in files of versions that wrote none.
    """

    format: int
    kind: str
    config: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """Content of one file.

    Attributes:
        kind: what the weights are (`audio2landmark`, `hybrid`, `identity`, ...).
        config: settings that rebuild the network, JSON-serialisable.
        tensors: weights by name.
        provenance: data, licences, command, date, package version.
        metrics: scores at the time of saving.
    """

    kind: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint, *, private: bool = False, exclusive: bool = False) -> None:
    """Write `checkpoint` to `path` in one step.

    Args:
        path: the file; its folder is made.
        checkpoint: what to write.
        private: readable by the owner only.
        exclusive: refuse a `path` that appeared in the meantime.

    Raises:
        PassingError: the disk is full.
        MediaError: the folder cannot be written to, or `path` exists and `exclusive` is set.
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
    header = {
        "format": FORMAT,
        "kind": checkpoint.kind,
        "config": checkpoint.config,
        "provenance": checkpoint.provenance,
        "metrics": checkpoint.metrics,
        "digest": _digest(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, private=private, exclusive=exclusive) as part:
        save_file(tensors, part, metadata={"talkface": json.dumps(header)})


def load_checkpoint(path: Path, kind: str | None = None) -> Checkpoint:
    """Read a checkpoint onto the CPU and see that it is whole: its header, its digest, and every number finite.

    Raises:
        CheckpointError: no such file, not a talkface checkpoint, damaged, too large, a newer format, or another `kind`
            than asked for.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}: give a path, or a name from `talkface models list`")
    if path.stat().st_size > limit("weights_mb") * 1e6:
        raise CheckpointError(f"{path} is larger than {variable('weights_mb')} allows ({limit('weights_mb'):g} MB)")
    damaged = f"{path} is not a safetensors file, or is damaged"
    with refusing(damaged, CheckpointError), safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        header = _header(path, metadata, kind)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        _check_tensors(path, tensors, header.digest)
    return Checkpoint(header.kind, header.config, tensors, header.provenance, header.metrics)


def _header(path: Path, metadata: Mapping[str, str], kind: str | None) -> Header:
    if "talkface" not in metadata:
        raise CheckpointError(
            f"{path} was not written by talkface: convert it with `talkface models convert auto FILE OUT`"
        )
    values = parse_json(metadata["talkface"], f"the header of {path}", CheckpointError)
    version = values.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(f"{path} has format {version}, this talkface reads up to {FORMAT}: upgrade it")
    header = build_record(Header, values, f"the header of {path}", CheckpointError)
    if kind is not None and header.kind != kind:
        raise CheckpointError(f"{path} holds a network of kind {header.kind}, expected {kind}")
    return header


def _check_tensors(path: Path, tensors: Mapping[str, Tensor], digest: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            largest = tensor.abs().max().float().item() if tensor.numel() else 0.0
            if not largest < LARGEST_WEIGHT:  # NaN is not below it either
                raise CheckpointError(f"{path}: {name} holds {largest:g}, expected finite numbers: get the file again")
    if digest and _digest(tensors) != digest:
        raise CheckpointError(f"{path} is damaged: its tensors are not those that were written; get the file again")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """First 12 hexadecimal digits of the file's SHA-256, as printed and as written in sidecars."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class ModelInfo:
    """One network that ships inside the package."""

    name: str
    kind: str
    path: Path
    size_mb: float
    sha256: str  # first 12 digits
    num_parameters: int


def weights_folder() -> Path:
    """Folder of the shipped networks."""
    return Path(str(files("talkface") / "weights"))


def shipped_names() -> list[str]:
    """Names of the shipped networks, sorted."""
    return sorted(path.stem for path in weights_folder().glob(f"*{SUFFIX}"))


def find_weights(name_or_path: str | Path) -> Path:
    """Path of a weights file given by path, or by the name of a shipped network.

    Raises:
        CheckpointError: neither a file nor a shipped name; the message lists what there is.
    """
    if not isinstance(name_or_path, (str, Path)):
        raise CheckpointError(f"weights {name_or_path!r} are neither a name nor a path: leave them out for the default")
    path = Path(name_or_path)
    if path.is_file():
        return path
    name = str(name_or_path)
    shipped = weights_folder() / f"{name}{SUFFIX}"
    if path.name == name and shipped.is_file():
        return shipped
    names = shipped_names()
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"shipped are {', '.join(names) or 'none'}"
    raise CheckpointError(f"no weights file or shipped network called {name}: {hint}")


def load_weights(name_or_path: str | Path, kind: str | None = None) -> Checkpoint:
    """Read a checkpoint by name or path; raises `CheckpointError` as `find_weights` and `load_checkpoint` do."""
    return load_checkpoint(find_weights(name_or_path), kind)


def list_models() -> list[ModelInfo]:
    """The shipped networks, read from their files."""
    models = []
    for name in shipped_names():
        path = find_weights(name)
        checkpoint = load_checkpoint(path)
        size_mb = path.stat().st_size / 1e6
        count = sum(tensor.numel() for tensor in checkpoint.tensors.values())
        models.append(ModelInfo(name, checkpoint.kind, path, size_mb, file_hash(path), count))
    return models
