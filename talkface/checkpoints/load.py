"""Checkpoint -> the speech, head or mouth network that it holds."""

import torch

from talkface.checkpoints.donors import network_tensors
from talkface.checkpoints.fit import must_fit
from talkface.checkpoints.format import Checkpoint
from talkface.models.audio2landmark import build_audio2landmark
from talkface.models.headmotion import Headmotion, build_headmotion
from talkface.models.mouth import RECOLOURING_INPUTS, MouthConfig, MouthInpainter
from talkface.models.speech_network import SpeechNetwork


def load_audio2landmark(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> SpeechNetwork:
    """Rebuild the network that a checkpoint of kind `audio2landmark` holds, of whatever family, ready to predict.

    Raises:
        KeyError, TypeError, RuntimeError: config or weights of another version.
    """
    network = build_audio2landmark(checkpoint.config)
    network.restore(checkpoint.tensors)
    return network.to(device).eval()


def load_headmotion(checkpoint: Checkpoint) -> Headmotion:
    """Rebuild the network that a checkpoint of kind `headmotion` holds, on the CPU: it needs less than 1 ms a second.

    Raises:
        KeyError, TypeError, RuntimeError: config or weights of another version.
    """
    network = build_headmotion(checkpoint.config)
    network.load_state_dict({name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    return network.eval()


def load_mouth(checkpoint: Checkpoint) -> MouthInpainter:
    """Rebuild the network that a checkpoint of kind `mouth` holds, of either form.

    Raises:
        CheckpointError: settings or weights that do not fit this version's network.
    """
    weights = network_tensors(checkpoint.tensors)
    with must_fit("this mouth network", checkpoint.config, weights):
        config = MouthConfig(**{**checkpoint.config, "widths": tuple(checkpoint.config["widths"])})
        recolours = weights["stem.weight"].shape[1] == 4 * RECOLOURING_INPUTS
        network = MouthInpainter(config, recolours=recolours)
        network.load_state_dict(weights)
    return network.eval()
