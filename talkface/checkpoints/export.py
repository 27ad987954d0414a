"""Checkpoint of a speech, head-motion or mouth network -> the same network as an ONNX file, checked against torch."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from talkface.checkpoints.format import Checkpoint
from talkface.checkpoints.load import load_audio2landmark, load_headmotion, load_mouth
from talkface.errors import CheckpointError
from talkface.files.write import atomic_file
from talkface.landmarks.mouth_patch import patch_size
from talkface.models.headmotion import HEADMOTION, POSE, Headmotion
from talkface.models.speech_network import SpeechNetwork


@dataclass(frozen=True)
class Exported:
    """A network as ONNX takes it.

    Attributes:
        module: whose `forward` is written.
        inputs: an example of each input, by name.
        outputs: names of what comes out.
        free: axes whose length may differ from the example's, by input or output.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    free: Mapping[str, dict[int, str]]


class _Speech(nn.Module):
    """Features of the whole sound -> displacement of the landmarks, before range and silence."""

    def __init__(self, network: SpeechNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network.motion(self.network(features)) * self.network.scale


class _HeadStep(nn.Module):
    """One block of head motion: `Headmotion.step` with its mixture as a tuple."""

    def __init__(self, network: Headmotion) -> None:
        super().__init__()
        self.network = network

    def forward(self, sound: Tensor, past: Tensor, log_scale: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        mixture, state = self.network.step(sound, past, log_scale, state)
        return mixture.logits, mixture.mean, mixture.log_std, state


def export_onnx(checkpoint: Checkpoint, out: Path, *, force: bool = False) -> float:
    """Write a checkpoint's network as ONNX; its settings go into the file's metadata as `config`.

    Inputs and outputs are named as in the networks' docstrings: `SpeechNetwork.forward` (of networks without an example
    face), `Headmotion.step`, `MouthInpainter.forward`.

    Args:
        checkpoint: of kind `audio2landmark`, `headmotion` or `mouth`.
        out: the .onnx file.
        force: replace a file that is there.

    Returns:
        The largest difference from torch, over the larger of 1 and each output's size, on two random inputs.

    Raises:
        CheckpointError: another kind, a network that takes an example face, or ONNX Runtime's outputs differ by more
            than 1e-4.
        ModuleNotFoundError: onnx or onnxruntime is not installed.
    """
    import onnx

    exported = _prepare(checkpoint)
    opset = 17
    with atomic_file(out, exclusive=not force) as hidden:
        with torch.no_grad(), warnings.catch_warnings():
            # of unfolded constants, batches that are not 1 and checks of shapes: the outputs are compared below
            for kind in (UserWarning, torch.jit.TracerWarning):
                warnings.filterwarnings("ignore", category=kind, module=r"torch\.")
            torch.onnx.export(
                exported.module.eval(),
                tuple(exported.inputs.values()),
                hidden,
                input_names=list(exported.inputs),
                output_names=list(exported.outputs),
                dynamic_axes=dict(exported.free),
                opset_version=opset,
                dynamo=False,
            )
        model = onnx.load(hidden)
        about = {"kind": checkpoint.kind, "config": json.dumps(checkpoint.config)}
        onnx.helper.set_model_props(model, about)
        onnx.save(model, hidden)
        return _difference(exported, hidden)


def _prepare(checkpoint: Checkpoint) -> Exported:
    generator = torch.Generator().manual_seed(0)
    kinds = {"audio2landmark": _speech, "headmotion": _head, "mouth": _mouth}
    if checkpoint.kind not in kinds:
        raise CheckpointError(f"a {checkpoint.kind} network has no ONNX form: expected one of {', '.join(kinds)}")
    return kinds[checkpoint.kind](checkpoint, generator)


def _speech(checkpoint: Checkpoint, generator: torch.Generator) -> Exported:
    network = load_audio2landmark(checkpoint)
    if network.encode_faces(torch.zeros(1, 68, 2)) is not None:
        raise CheckpointError("this speech network takes an example face: only those without one have an ONNX form")
    sound = network.features(torch.rand(1, 100, network.mel.num_mels, generator=generator))
    free = {"features": {1: "sound_frames"}, "displacement": {1: "video_frames"}}
    return Exported(_Speech(network), {"features": sound}, ("displacement",), free)


def _head(checkpoint: Checkpoint, generator: torch.Generator) -> Exported:
    network = load_headmotion(checkpoint)
    settings = network.config
    sound = (settings.before + settings.block + settings.after, HEADMOTION.features)
    shapes = {"sound": sound, "past": (settings.past, POSE), "log_scale": (), "state": (settings.hidden,)}
    inputs = {name: torch.randn(1, *shape, generator=generator) for name, shape in shapes.items()}
    outputs = ("logits", "mean", "log_std", "next_state")
    return Exported(_HeadStep(network), inputs, outputs, {})


def _mouth(checkpoint: Checkpoint, generator: torch.Generator) -> Exported:
    network = load_mouth(checkpoint)
    channels = {"picture": 3, "donor": 3, "cover": 1, "masks": 3}
    width, height = patch_size()
    inputs = {name: torch.rand(2, c, height, width, generator=generator) for name, c in channels.items()}
    outputs = ("colours", "share")
    free = {name: {0: "frames"} for name in (*inputs, "own", *outputs)}
    return Exported(network, {**inputs, "own": torch.tensor([0.0, 1.0])}, outputs, free)


def _difference(exported: Exported, path: Path) -> float:
    """Difference of ONNX Runtime's outputs from torch's, for the example and for another of random numbers."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for scale in (1.0, 0.5):
        inputs = {name: scale * tensor for name, tensor in exported.inputs.items()}
        with torch.no_grad():
            wanted: Any = exported.module(*inputs.values())
        given = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        for ours, theirs in zip(wanted if isinstance(wanted, tuple) else (wanted,), given, strict=True):
            size = max(1.0, float(ours.abs().max()))
            worst = max(worst, float(np.abs(ours.numpy() - theirs).max()) / size)
    tolerance = 1e-4  # of every output, over the larger of 1 and the output's own size
    if worst > tolerance:
        raise CheckpointError(f"ONNX Runtime differs from torch by {worst:.1e}: expected at most {tolerance:.0e}")
    return worst
