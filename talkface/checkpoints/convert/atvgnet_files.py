"""ATVGnet's networks and its folder `basics` -> checkpoints that work here as they did there."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.convert.atvgnet import (
    ATNET,
    DISCRIMINATOR,
    SINGLE,
    VGNET,
    convert_atnet,
    convert_discriminator,
    convert_vgnet,
)
from talkface.checkpoints.format import Checkpoint
from talkface.data.interop.atvgnet_shapes import FILES, read_atvgnet_shapes
from talkface.data.interop.importers import read_atvgnet_basis
from talkface.models.atnet import Atnet
from talkface.models.audio2landmark import config_dict
from talkface.models.vgnet import VgNet
from talkface.models.vgnet_discriminator import RegressionDiscriminator

EXAGGERATION = (1.0, 2.2, 2.4, 2.6, 2.8, 3.0)
"""Factors of the six coefficients in the published demo."""


def atnet_checkpoint(
    state: Mapping[str, Tensor], what: str, basics: Path | None, provenance: dict[str, Any]
) -> Checkpoint:
    """AT_net or AT_single as a speech network.

    With `basics` its coefficients move a face: ATVGnet's PCA and the demo's exaggeration become the decoder, the
    constant example its usual one, and what it answers to silence is taken off, so that silence closes the mouth.
    Without, its coefficients are the original's and move nothing.
    """
    recurrent = "lstm_fc.0.weight" in state
    network = Atnet(ATNET if recurrent else SINGLE).eval()
    network.member.load_state_dict(convert_atnet(state, network, what))
    if basics is not None:
        _fill_shapes(network, basics)
    return Checkpoint("audio2landmark", config_dict(network.config), network.state_dict(), provenance)


def _fill_shapes(network: Atnet, basics: Path) -> None:
    files = basics / "U_lrw1.npy", basics / "mean_lrw1.npy"
    basis, _ = read_atvgnet_basis(*files, network.config.components)
    exaggeration = np.array(EXAGGERATION, np.float32)
    network.decoder.copy_(torch.from_numpy(basis.decoder * exaggeration[:, None, None]))
    if network.config.recurrent:
        directions, mean = np.load(files[0])[:, : network.config.components], np.load(files[1])
        example = (read_atvgnet_shapes(basics).example().reshape(-1) - mean.reshape(-1)) @ directions
        network.usual_example.copy_(torch.from_numpy(example.astype(np.float32)))
    silence = 50  # frames after which the LSTM's answer to silence stands still
    with torch.no_grad():
        example = network.usual_example[None] if network.config.recurrent else None
        silent = network.member(torch.zeros(1, 4 * silence, network.member.cepstral_mean.shape[0]), example)
        network.member.head.bias.sub_(silent[0, -1])


def vgnet_checkpoint(
    state: Mapping[str, Tensor], what: str, basics: Path | None, provenance: dict[str, Any]
) -> Checkpoint:
    """VG_net as a renderer, with the arrays of `basics` that its landmarks are normalised by."""
    network = VgNet(VGNET).eval()
    network.load_state_dict(convert_vgnet(state, network, what))
    tensors = network.state_dict()
    if basics is not None:
        shapes = read_atvgnet_shapes(basics)
        tensors |= {name: torch.from_numpy(getattr(shapes, name)).float() for name in FILES}
    return Checkpoint("vgnet", asdict(VGNET), tensors, provenance)


def discriminator_checkpoint(state: Mapping[str, Tensor], what: str, provenance: dict[str, Any]) -> Checkpoint:
    """GL_Discriminator, for training VG-net to go on from."""
    network = RegressionDiscriminator(DISCRIMINATOR).eval()
    network.load_state_dict(convert_discriminator(state, network, what))
    return Checkpoint("vgnet_discriminator", asdict(DISCRIMINATOR), network.state_dict(), provenance)
