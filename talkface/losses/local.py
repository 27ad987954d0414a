"""Generated and real picture -> how much their local contrast differs, wherever the details lie."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class LocalSettings:
    """Windows of the local loss."""

    window: int = 15  # pixels
    stride: int = 4
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


def _windows(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, LOCAL.window, LOCAL.stride, LOCAL.window // 2)


def _slope(picture: Tensor) -> Tensor:
    luma = (picture * torch.tensor(LOCAL.luma, device=picture.device)[:, None, None]).sum(1, keepdim=True)
    around = F.pad(luma, (1, 1, 1, 1), mode="replicate")
    across = around[..., 1:-1, 2:] - around[..., 1:-1, :-2]
    down = around[..., 2:, 1:-1] - around[..., :-2, 1:-1]
    return (across.square() + down.square() + 1e-4).sqrt()
