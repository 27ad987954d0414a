"""ATVGnet's networks (AT-net, AT_single, VG-net, its discriminator) and its landmark arrays -> ours."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from talkface.checkpoints.convert.names import Renaming
from talkface.models.atnet import Atnet, AtnetConfig
from talkface.models.vgnet import VgNet, VgnetConfig
from talkface.models.vgnet_discriminator import RegressionDiscriminator

# the floor over the power of the speech: the reference adds as good as nothing, and digital silence must be finite
ATNET = AtnetConfig(norm_bias=False, norm_per_step=True, own_example=False, floor=1e-15)
SINGLE = AtnetConfig(recurrent=False, floor=ATNET.floor)
VGNET = VgnetConfig(norm_bias=False, norm_per_step=True, memory_reset=True, landmarks="atvgnet")
DISCRIMINATOR = VgnetConfig(norm_bias=False, norm_per_step=True, discriminator_running=True, frame_landmarks=False)


def convert_atnet(state: Mapping[str, Tensor], network: Atnet, what: str) -> dict[str, Tensor]:
    """AT_net or AT_single under the names of `Atnet.member`; the buffers that ATVGnet has not stay as they are."""
    member = network.member
    renaming = Renaming(state, member, what)
    convolutions = [name for name, layer in member.audio.named_children() if isinstance(layer, nn.Conv2d)]
    norms = [name for name, layer in member.audio.named_children() if isinstance(layer, nn.BatchNorm2d)]
    linear = [name for name, layer in member.audio.named_children() if isinstance(layer, nn.Linear)]
    # places of AT-net's convolutions; a pooling stands at 2
    for index, (place, ours) in enumerate(zip((0, 1, 3, 4, 5), convolutions, strict=True)):
        renaming.plain(f"audio.{ours}", f"audio_eocder.{place}.0", ("weight",) if norms else ("weight", "bias"))
        if norms:
            renaming.norm(f"audio.{norms[index]}", f"audio_eocder.{place}.1")
    for place, ours in zip((0, 2), linear, strict=True):
        renaming.plain(f"audio.{ours}", f"audio_eocder_fc.{place}")
    if member.recurrent is None:
        renaming.plain("head", "audio_eocder_fc.4")
    else:
        renaming.plain("face.0", "lmark_encoder.0")
        renaming.plain("face.2", "lmark_encoder.2")
        renaming.plain("recurrent", "lstm", _lstm_parts(member.recurrent))
        renaming.plain("head", "lstm_fc.0")
    for name in ("cepstral_mean", "cepstral_spread"):
        renaming.put(name, getattr(member, name), name)
    return renaming.finish()


def convert_vgnet(state: Mapping[str, Tensor], network: VgNet, what: str) -> dict[str, Tensor]:
    """VG_net; its arrays of landmarks, which `read_shapes` reads, are left as the network has them."""
    renaming = Renaming(state, network, what)
    for part, theirs, places in (
        ("skip", "image_encoder1.{}", (1, 2, 3)),
        ("deep", "image_encoder2.{}", (0, 1)),
        ("landmark_map", "landmark_encoder_stage2.{}", (0,)),
        ("posture", "lmark_feature.{}", (0,)),
        ("joined", "bottle_neck.{}", (0,)),
    ):
        convolutions, norms = _layers(getattr(network, part))
        for place, convolution, norm in zip(places, convolutions, norms, strict=True):
            renaming.plain(f"{part}.{convolution}", f"{theirs.format(place)}.0", ("weight",))
            renaming.norm(f"{part}.{norm}", f"{theirs.format(place)}.1")
    renaming.plain("landmark_code.1", "landmark_encoder.0")
    for place in (0, 3):
        renaming.plain(f"landmark_attention.{place}", f"lmark_att.{place}")
        renaming.norm(f"landmark_attention.{place + 1}", f"lmark_att.{place + 1}")
    renaming.plain("landmark_attention.6", "lmark_att.6.0")
    blocks = network.config.blocks
    for place in range(blocks):
        for number, layer in ((0, 0), (4, 4)):
            ours, theirs = f"generator.{place}.layers", f"generator1.{place}.conv_block"
            renaming.plain(f"{ours}.{layer}", f"{theirs}.{number}", ("weight",))
            renaming.norm(f"{ours}.{layer + 1}", f"{theirs}.{number + 1}")
    for part, theirs, first in (("generator", "generator1", blocks), ("base", "base", 0)):
        for place in (first, first + 3):
            renaming.plain(f"{part}.{place}", f"{theirs}.{place}", ("weight",))
            renaming.norm(f"{part}.{place + 1}", f"{theirs}.{place + 1}")
    for name in ("weight", "bias"):
        heads = [renaming.take(f"{head}.0.{name}") for head in ("generator_color", "generator_attention")]
        renaming.put(f"heads.{name}", torch.cat(heads), f"generator_color.0.{name}")
        renaming.put(f"memory.from_input.{name}", renaming.take(f"convGRU.{name}_ih_l0"), f"convGRU.{name}_ih_l0")
        renaming.put(f"memory.from_memory.{name}", renaming.take(f"convGRU.{name}_hh_l0"), f"convGRU.{name}_hh_l0")
    for name, buffer in network.named_buffers(recurse=False):
        renaming.put(name, buffer, name)
    return renaming.finish()


def convert_discriminator(
    state: Mapping[str, Tensor], network: RegressionDiscriminator, what: str
) -> dict[str, Tensor]:
    """GL_Discriminator with its running statistics, and the head that it never calls."""
    renaming = Renaming(state, network, what)
    convolutions, norms = _layers(network.picture)
    renaming.plain(f"picture.{convolutions[0]}", "image_encoder_dis.0.0")
    for place, convolution, norm in zip((1, 2, 3), convolutions[1:], norms, strict=True):
        renaming.plain(f"picture.{convolution}", f"image_encoder_dis.{place}.0", ("weight",))
        renaming.norm(f"picture.{norm}", f"image_encoder_dis.{place}.1")
    linear = [name for name, layer in network.picture.named_children() if isinstance(layer, nn.Linear)]
    renaming.plain(f"picture.{linear[0]}", "img_fc.0")
    for layer in (0, 2):
        renaming.plain(f"example.{layer + 1}", f"encoder.{layer}")
        renaming.plain(f"frame_landmarks.{layer}", f"decoder.{layer}")
    renaming.plain("recurrent", "lstm", _lstm_parts(network.recurrent))
    renaming.plain("landmarks", "lstm_fc.0")
    renaming.plain("score", "decision.0")
    return renaming.finish()


def _layers(part: nn.Module) -> tuple[list[str], list[str]]:
    """Names of a part's convolutions and of its batch normalisations, in order."""
    named = list(part.named_children())
    convolutions = [name for name, layer in named if isinstance(layer, nn.Conv2d)]
    return convolutions, [name for name, layer in named if isinstance(layer, nn.BatchNorm2d)]


def _lstm_parts(lstm: nn.LSTM) -> list[str]:
    return [name for name, _ in lstm.named_parameters()]
