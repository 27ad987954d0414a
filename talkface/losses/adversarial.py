"""Discriminator scores and features -> hinge and cross entropy terms, and feature matching."""

import torch
import torch.nn.functional as F
from torch import Tensor

OVER_LAYERS = ("sum", "mean")


def hinge_discriminator(fake_score: Tensor, real_score: Tensor) -> Tensor:
    """max(0, 1 + D(fake)) + max(0, 1 - D(real)) (FSTH, Zakharov et al. 2019, equation 7)."""
    return F.relu(1 + fake_score).mean() + F.relu(1 - real_score).mean()


def hinge_generator(fake_score: Tensor) -> Tensor:
    """-D(fake) (FSTH, equation 4, first term)."""
    return -fake_score.mean()


def bce_discriminator(fake_logit: Tensor, real_logit: Tensor) -> Tensor:
    """Binary cross entropy of fakes to 0 and reals to 1 (Goodfellow et al. 2014, equation 1)."""
    fake, real = fake_logit.float(), real_logit.float()
    return F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)) + F.binary_cross_entropy_with_logits(
        real, torch.ones_like(real)
    )


def bce_generator(fake_logit: Tensor) -> Tensor:
    """Binary cross entropy of fakes to 1, which does not fade where they are seen through."""
    fake = fake_logit.float()
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def feature_matching(fake: list[Tensor], real: list[Tensor], over: str = "sum") -> Tensor:
    """L1 between features, summed or averaged over layers; the real ones are taken as they are.

    The sum is pix2pixHD's equation 3 (Wang et al. 2018), which FSTH takes over with the weight 10; the mean of FSTH's
    seven layers, which some implementations take with the same weight, counts a seventh of it.

    Args:
        over: one of `OVER_LAYERS`.
    """
    assert over in OVER_LAYERS, over
    terms = [F.l1_loss(a, b.detach()) for a, b in zip(fake, real, strict=True)]
    total = sum(terms[1:], terms[0])
    return total if over == "sum" else total / len(terms)
