"""Generated and real picture -> how much their contrast or colours differ, wherever in a window or strip they lie."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class LocalSettings:
    """Windows of the local losses."""

    window: int = 15  # pixels
    stride: int = 4
    strips: tuple[int, ...] = (32, 16)  # pixels, widths of the strips of `sorted_l1`
    luma: tuple[float, float, float] = (0.299, 0.587, 0.114)


LOCAL = LocalSettings()


def local_contrast(generated: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """`[B]` L1 of window means of the slope of luma: as sharp as the real one, in any pattern.

    Args:
        generated: `[B, 3, H, W]`.
        real: the same.
        weights: `[B, 1, H, W]` in [0, 1], what counts.
    """
    difference = (_windows(_slope(generated) * weights) - _windows(_slope(real) * weights)).abs()
    return difference.sum((1, 2, 3)) / (_windows(weights).sum((1, 2, 3)) + 1e-3)


def sorted_l1(generated: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """`[B]` L1 of sorted values of each channel in vertical strips: as much of each colour, at any height.

    The distance of two distributions (Wasserstein-1). Where it is not known how far down teeth reach, a pixel's median
    is a grey between tooth and dark; a strip's distribution has both.

    Args:
        generated: `[B, 3, H, W]`.
        real: the same.
        weights: `[B, 1, H, W]`; what is over 0.5 counts.
    """
    total = torch.zeros(len(real), device=real.device)
    outside = 10.0  # the same in both, above every value
    made, wanted = (torch.where(weights > 0.5, each, outside) for each in (generated, real))
    for width in LOCAL.strips:
        first, second = (
            each.unfold(3, width, width).movedim(3, 2).flatten(3).sort(-1).values for each in (made, wanted)
        )
        total = total + (first - second).abs().sum((1, 2, 3)) / len(LOCAL.strips)
    return total / (3 * weights.sum((1, 2, 3)) + 1e-3)


def _windows(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, LOCAL.window, LOCAL.stride, LOCAL.window // 2)


def _slope(picture: Tensor) -> Tensor:
    luma = (picture * torch.tensor(LOCAL.luma, device=picture.device)[:, None, None]).sum(1, keepdim=True)
    around = F.pad(luma, (1, 1, 1, 1), mode="replicate")
    across = around[..., 1:-1, 2:] - around[..., 1:-1, :-2]
    down = around[..., 2:, 1:-1] - around[..., :-2, 1:-1]
    return (across.square() + down.square() + 1e-4).sqrt()
