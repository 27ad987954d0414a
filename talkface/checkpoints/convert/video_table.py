"""W, a row per training video, <-> a file of its own: an array, or the table in a run's state."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.convert.read import read_published, state_dicts
from talkface.errors import CheckpointError
from talkface.files.arrays import read_npy
from talkface.files.check import check_array
from talkface.files.write import atomic_file


def save_table(path: Path, rows: Tensor) -> None:
    """Write `[V, D]` as `.npy`.

    Raises:
        CheckpointError: another ending.
    """
    if path.suffix != ".npy":
        raise CheckpointError(f"{path} must end in .npy")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part, part.open("wb") as file:
        np.save(file, rows.float().numpy())


def load_table(path: Path) -> Tensor:
    """`[V, D]` of a `.npy` file, or of the state of a meta-training run.

    Raises:
        CheckpointError: neither.
    """
    if path.suffix == ".npy":
        array = read_npy(path, "W `[V, D]`", CheckpointError)
        check_array(array, [(None, None)], str(path), CheckpointError)
        return torch.from_numpy(array.astype(np.float32))
    states = state_dicts(read_published(path))
    found = next((state for place, state in states.items() if place.split(".")[-1] == "video_table"), None)
    if found is None or "weight" not in found:
        raise CheckpointError(
            f"{path} holds no video_table: give the state.pt of a few-shot training run, or a .npy file"
        )
    return found["weight"].float()
