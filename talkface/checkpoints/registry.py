"""Name or path -> weights file; the names are those of the networks inside the package."""

import difflib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from talkface.checkpoints.format import Checkpoint, file_hash, load_checkpoint
from talkface.errors import CheckpointError

SUFFIX = ".safetensors"


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
