"""Output of the hybrid network and the real frame -> named terms of its loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from talkface.data.samplers.patches import PatchBatch
from talkface.losses.adversarial import feature_matching, hinge_generator
from talkface.losses.pixel import dynamic_weights, edge_l1, weighted_l1
from talkface.models.discriminator import PatchDiscriminator
from talkface.models.flow import roughness
from talkface.models.hybrid import PatchOutput
from talkface.training.jobs.hybrid_config import RendererLossConfig


def pixel_terms(generated: PatchOutput, batch: PatchBatch, loss: RendererLossConfig) -> dict[str, Tensor]:
    """Terms of one frame against the real one."""
    weights = dynamic_weights(batch.inner_mouth, generated.mask, loss.inner_gain)
    lips = (batch.sketch[:, 1:2] + 1) / 2
    away = 1 - F.max_pool2d(lips, 9, stride=1, padding=4)
    return {
        "g/blend": loss.blend * weighted_l1(generated.image, batch.real, weights),
        "g/colour": loss.colour * weighted_l1(generated.colour, batch.real, weights),
        "g/edges": loss.edges * edge_l1(generated.image, batch.real, weights),
        "g/outside": loss.outside * (generated.mask * away).mean(),
    }


def flow_terms(generated: PatchOutput, batch: PatchBatch, loss: RendererLossConfig) -> dict[str, Tensor]:
    """Terms of the learned flows: what they warp is like the real frame, they are smooth, the landmarks teach them.

    A flow on top of the landmarks' warp has nothing to be taught but to be short. No other network is needed.
    """
    terms: dict[str, Tensor] = {}
    if generated.flow is not None:
        real, flow = batch.real[:, None].expand_as(generated.references), generated.flow.flatten(0, 1)
        terms |= _flow_terms("flow", generated.references, real, flow, loss)
        if batch.flows.shape[2]:
            terms["g/flow_teacher"] = loss.flow_teacher * (flow - batch.flows.flatten(0, 1)).abs().mean()
        else:
            terms["g/flow_rest"] = loss.flow_rest * flow.abs().mean()
    if generated.previous is not None and generated.previous_flow is not None:
        flow = generated.previous_flow
        terms |= _flow_terms("previous_flow", generated.previous, batch.real, flow, loss)
        terms["g/previous_flow_teacher"] = loss.flow_teacher * (flow - batch.before_flow).abs().mean()
    return terms


def _flow_terms(name: str, moved: Tensor, real: Tensor, flow: Tensor, loss: RendererLossConfig) -> dict[str, Tensor]:
    return {
        f"g/{name}_photometric": loss.flow_photometric * (moved - real).abs().mean(),
        f"g/{name}_smooth": loss.flow_smooth * roughness(flow),
    }


def adversarial_terms(
    discriminator: PatchDiscriminator, fake: Tensor, real: Tensor, sketch: Tensor, loss: RendererLossConfig, name: str
) -> dict[str, Tensor]:
    """Hinge and feature matching; the discriminator takes no gradient."""
    discriminator.requires_grad_(False)
    fake_score, fake_features = discriminator(fake, sketch)
    with torch.no_grad():
        _, real_features = discriminator(real, sketch)
    discriminator.requires_grad_(True)
    weight = loss.adversarial if name == "adversarial" else loss.mouth_adversarial
    matching = "g/feature_matching" if name == "adversarial" else "g/mouth_feature_matching"
    return {
        f"g/{name}": weight * hinge_generator(fake_score.float()),
        matching: loss.feature_matching * feature_matching(fake_features, real_features, "mean"),
    }


def cut_mouth(pictures: Tensor, place: Tensor) -> Tensor:
    """`[B, C, S, S]` face patches, `[B, 2, 3]` -> `[B, C, S / 2, S / 2]` their mouths."""
    half = pictures.shape[-1] // 2
    grid = F.affine_grid(place, [len(pictures), pictures.shape[1], half, half], align_corners=True)
    with torch.autocast(pictures.device.type, enabled=False):
        return F.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=True)
