"""Generated and real picture -> weighted L1 and edge terms."""

from torch import Tensor


def weighted_l1(generated: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """Mean absolute difference, `weights` `[B, 1, H, W]` normalised to a mean of 1 over the batch."""
    return ((generated - real).abs() * weights).mean() / weights.mean()


def dynamic_weights(inner_mouth: Tensor, mask: Tensor, inner_gain: float) -> Tensor:
    """Where a pixel's error counts most: inside the mouth, and where the mask says the network generates.

    ATVGnet's dynamic pixel-wise loss (Chen et al. 2019, equation 6) weights by attention + 0.5; the inner mouth adds
    its own gain, because the lips' misalignment would dominate otherwise.

    Args:
        inner_mouth: `[B, 1, H, W]` in [0, 1].
        mask: `[B, 1, H, W]` in [0, 1]; no gradient flows through it.
        inner_gain: how much more the inner mouth counts.
    """
    return 0.5 + mask.detach() + inner_gain * inner_mouth


def dynamic_l1(generated: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """ATVGnet's dynamic pixel-wise loss: mean absolute difference times `weights` of `dynamic_weights`, as they are.

    Args:
        generated: `[..., 3, H, W]`.
        real: the same.
        weights: `[..., 1, H, W]`.
    """
    return ((generated - real).abs() * weights).mean()


def edge_l1(generated: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """L1 of the differences between neighbouring pixels, across and down: sharp where the real one is sharp."""
    across = weighted_l1(generated.diff(dim=3), real.diff(dim=3), weights[..., 1:])
    down = weighted_l1(generated.diff(dim=2), real.diff(dim=2), weights[..., 1:, :])
    return across + down
