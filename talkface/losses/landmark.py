"""Predicted and real displacement -> how wrong the mouth is, in place, in time and in rhythm."""

from dataclasses import dataclass

import torch
from torch import Tensor

from talkface.landmarks.layout import MOUTH
from talkface.landmarks.lip_shape import lip_extents

MOUTH_WEIGHTINGS = ("published", "coded")


@dataclass(frozen=True)
class LandmarkLossConfig:
    """Weights of the terms; 0 leaves a term out."""

    points: float = 3.0  # L1 of the points
    correlation: float = 1.0  # 1 - Pearson r of the opening over the stretch
    velocity: float = 0.5  # L1 of the opening's change per frame
    # the same two of `lip_outline`; without it a network opens the inner lips alone, which costs little at the points:
    # lips thin as they open, where those of people do not
    outline: float = 1.0
    closed: float = 0.0  # L1 of the opening where the real mouth is closed
    closing: float = 0.0  # L1 of the lips, up to ten times as heavy the more closed the real mouth is
    coefficient_mse: float = 0.0  # squared error of the PCA coefficients
    coefficient_l1: float = 0.0  # absolute error of the PCA coefficients


def lip_opening(motion: Tensor) -> Tensor:
    """Vertical inner-lip gap, `[..., 68, 2]` -> `[...]`."""
    return lip_extents(motion)[0]  # type: ignore[no-any-return]


def lip_outline(motion: Tensor) -> Tensor:
    """`[..., 68, 2]` -> `[..., 3]` growth of the lips' outer height, of their width, and of how much lip shows."""
    opening, width, height = lip_extents(motion)
    return torch.stack([height, width, height - opening], -1)


def point_l1(predicted: Tensor, real: Tensor, weight: Tensor, importance: Tensor) -> Tensor:
    """Mean distance per coordinate, `[B, T, 68, 2]` twice, `[B, T]`, `[68]` -> scalar."""
    error = ((predicted - real).abs().mean(-1) * importance).sum(-1) / importance.sum()
    return _mean(error, weight)


def opening_correlation(predicted: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """Pearson r over time of openings `[B, T]` -> `[B]`; a little below the true one for mouths that hardly move."""
    share = weight / weight.sum(1, keepdim=True).clamp(min=1e-6)
    predicted = predicted - (predicted * share).sum(1, keepdim=True)
    real = real - (real * share).sum(1, keepdim=True)
    spread = (predicted.square() * share).sum(1) * (real.square() * share).sum(1)
    return (predicted * real * share).sum(1) / (spread + 1e-3).sqrt()


def closing_l1(predicted: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """L1 of the lips times `1 / (4 |opening| + 0.1)` of the real mouth (Zhou et al. 2020), `[B, T, 68, 2]` twice.

    Openings are in the speaker's range, so an open mouth counts 0.24 and a closed one 10.
    """
    emphasis = 1 / (4 * lip_opening(real).abs() + 0.1)
    error = (predicted - real)[..., MOUTH, :].abs().mean((-2, -1))
    return _mean(error * emphasis, weight)


def mouth_weighted_mse(predicted: Tensor, real: Tensor, weighting: str = "published") -> Tensor:
    """Mean squared error of landmarks whose mouth points' heights count more (ATVGnet, Chen et al. 2019).

    Args:
        predicted: `[..., 68, 2]`.
        real: the same.
        weighting: `published` gives the squared error of a mouth point's height the weight 100; `coded`, as in the
            authors' code, weights the error inside the square, which makes 10,000 of it.
    """
    assert weighting in MOUTH_WEIGHTINGS, weighting
    weight = torch.ones_like(real, dtype=torch.float32)
    mouth_height_weight = 100.0  # ATVGnet's weight of the height of a mouth point, beside 1
    weight[..., MOUTH, 1] = mouth_height_weight
    if weighting == "coded":
        weight = weight.square()
    return (weight * (predicted.float() - real.float()).square()).mean()


def landmark_terms(
    predicted: Tensor,
    real: Tensor,
    weight: Tensor,
    importance: Tensor,
    config: LandmarkLossConfig,
    coefficients: tuple[Tensor, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Weighted terms by name, to be summed.

    Args:
        predicted: `[B, T, 68, 2]` displacement over the speaker's range.
        real: the same.
        weight: `[B, T]` 0 where there is nothing to learn from.
        importance: `[68]`.
        coefficients: `[B, T, P]` predicted and real, in an orthonormal basis; needed by the terms of that name.
    """
    opening, real_opening = lip_opening(predicted), lip_opening(real)
    shut = (real_opening < 0.15).to(weight.dtype)  # of the speaker's range
    moves = (real_opening.amax(1) > 0.2).to(weight.dtype)  # a mouth that never opens has no rhythm to match
    rhythm, velocity = _rhythm(opening, real_opening, weight, moves)
    outline = [
        _rhythm(ours, theirs, weight, moves)
        for ours, theirs in zip(lip_outline(predicted).unbind(-1), lip_outline(real).unbind(-1), strict=True)
    ]
    terms = {
        "points": config.points * point_l1(predicted, real, weight, importance),
        "correlation": config.correlation * rhythm,
        "velocity": config.velocity * velocity,
        "outline": config.outline
        * torch.stack([config.correlation * r + config.velocity * change for r, change in outline]).mean(),
        "closed": config.closed * _mean((opening - real_opening).abs(), weight * shut),
        "closing": config.closing * closing_l1(predicted, real, weight),
    }
    if coefficients is not None:
        error = coefficients[0] - coefficients[1]
        terms["coefficient_mse"] = config.coefficient_mse * _mean(error.square().mean(-1), weight)
        terms["coefficient_l1"] = config.coefficient_l1 * _mean(error.abs().mean(-1), weight)
    return {name: term for name, term in terms.items() if getattr(config, name) > 0}


def _rhythm(ours: Tensor, real: Tensor, weight: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
    """1 - Pearson r of two series `[B, T]` over the stretches that move, and the L1 of their change per frame."""
    change = (ours.diff(dim=1) - real.diff(dim=1)).abs()
    return _mean(1 - opening_correlation(ours, real, weight), moves), _mean(change, weight[:, 1:] * weight[:, :-1])


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)
