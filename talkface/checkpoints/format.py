"""Weights, config and provenance <-> one safetensors file; no pickle, so a model file cannot run code."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from talkface.errors import CheckpointError

FORMAT = 1  # raised when the header's meaning changes; a reader for the one before stays


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds.

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


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path`, under a temporary name first."""
    header = {
        "format": FORMAT,
        "kind": checkpoint.kind,
        "config": checkpoint.config,
        "provenance": checkpoint.provenance,
        "metrics": checkpoint.metrics,
    }
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.touch()  # safetensors lets nobody else read what it makes itself
    mode = partial.stat().st_mode
    save_file(tensors, partial, metadata={"talkface": json.dumps(header)})
    partial.chmod(mode)
    os.replace(partial, path)


def load_checkpoint(path: Path, kind: str | None = None) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: no such file, not a talkface checkpoint, a newer format, or another `kind` than asked for.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights file {path}: give a path, or a name from `talkface weights list`")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a safetensors file, or is damaged: {error}") from error
    if "talkface" not in metadata:
        raise CheckpointError(f"{path} was not written by talkface: convert it with `talkface weights convert`")
    header = json.loads(metadata["talkface"])
    if header["format"] > FORMAT:
        raise CheckpointError(f"{path} has format {header['format']}, this talkface reads up to {FORMAT}: upgrade it")
    if kind is not None and header["kind"] != kind:
        raise CheckpointError(f"{path} holds a {header['kind']} network, expected {kind}")
    return Checkpoint(header["kind"], header["config"], tensors, header["provenance"], header["metrics"])


def file_hash(path: Path) -> str:
    """First 12 hexadecimal digits of the file's SHA-256, as printed and as written in sidecars."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:12]
