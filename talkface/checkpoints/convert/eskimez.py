"""Keras `.h5` of Eskimez et al. 2018 -> a speech network: four LSTMs whose outputs are 68 points."""

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.format import SUFFIX, Checkpoint, file_hash, save_checkpoint
from talkface.errors import CheckpointError, MissingExtraError
from talkface.landmarks.layout import NUM_LANDMARKS
from talkface.models.audio2landmark import config_dict
from talkface.models.lstm_mel import KerasMember, LstmMel, LstmMelConfig
from talkface.types import FloatArray


def convert_eskimez(file: Path, out: Path) -> None:
    """Write the network of a `D40_C3.h5` as a speech network.

    The delay is read from the file's name, 40 ms where that has none. What the network answers to silence is its rest.

    Raises:
        CheckpointError: no HDF5 file, or not four LSTM layers of that size.
        MissingExtraError: h5py is not installed.
    """
    if out.suffix != SUFFIX:
        raise CheckpointError(f"{out} must end in {SUFFIX}")
    layers = _read(file)
    inputs, hidden = layers[0]["kernel"].shape[0], layers[0]["recurrent_kernel"].shape[0]
    features = 128  # per frame: delta and delta-delta of 64 mel bands
    if inputs % features:
        raise CheckpointError(f"{file}: the first layer takes {inputs} numbers, a multiple of {features} was expected")
    # the published files carry the delay in milliseconds in their names
    named = re.search(r"D(\d+)_C\d+", file.name)
    frame_ms = 40
    config = LstmMelConfig(
        context=inputs // features - 1,
        delay=int(named[1]) // frame_ms if named else 1,
        hidden=hidden,
        layers=len(layers) - 1,
        components=2 * NUM_LANDMARKS,
        keras=True,
    )
    network = LstmMel(config).eval()
    member = network.member
    assert isinstance(member, KerasMember)
    state: dict[str, Tensor] = {}
    for place, layer in enumerate(layers):
        state[f"layers.{place}.from_input.weight"] = torch.from_numpy(layer["kernel"].T.copy())
        state[f"layers.{place}.from_input.bias"] = torch.from_numpy(layer["bias"])
        state[f"layers.{place}.from_state.weight"] = torch.from_numpy(layer["recurrent_kernel"].T.copy())
    state |= {"rest": torch.zeros(config.components), "reach": torch.ones(())}
    try:
        member.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{file} holds no network of Eskimez et al. ({reason})") from error
    silence = 200  # frames after which the answer to silence stands still
    with torch.no_grad():
        silent, _ = member.decode(torch.zeros(1, silence, inputs), None)
        member.rest.copy_(silent[0, -1])
    points = torch.eye(config.components).reshape(config.components, NUM_LANDMARKS, 2)
    eyes_apart = 0.4  # of the frame's side, between the outer corners
    network.decoder.copy_(points / eyes_apart)
    source = "github.com/eeskimez/Talking-Face-Landmarks-from-Speech"
    provenance = {"source": source, "file": file.name, "sha256": file_hash(file), "converted": "eskimez"}
    save_checkpoint(out, Checkpoint("audio2landmark", config_dict(config), network.state_dict(), provenance))


def _read(file: Path) -> list[dict[str, FloatArray]]:
    """Arrays of every LSTM layer in order; nothing in the file is run."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("Keras files need h5py: pip install 'talkface[hdf5]'") from error
    if not file.is_file():
        raise CheckpointError(f"no weights file {file}")
    found: dict[tuple[int, str], dict[str, FloatArray]] = {}

    parts = ("kernel", "recurrent_kernel", "bias")

    def collect(name: str, item: object) -> None:
        layer, _, part = name.removesuffix(":0").rpartition("/")
        if isinstance(item, h5py.Dataset) and part in parts:
            number = re.search(r"\d+$", layer)
            found.setdefault((int(number[0]) if number else 0, layer), {})[part] = np.asarray(item, np.float32)

    try:
        with h5py.File(file, "r") as content:
            content.get("model_weights", content).visititems(collect)
    except OSError as error:
        raise CheckpointError(f"{file} is no HDF5 file, or damaged: {str(error).splitlines()[0]}") from error
    layers = [found[key] for key in sorted(found)]
    if len(layers) < 2 or any(set(layer) != set(parts) for layer in layers):
        raise CheckpointError(f"{file} holds no LSTM layers of Keras: kernel, recurrent_kernel and bias were expected")
    return layers
