"""Two sketches and a picture -> where each pixel of the target comes from in the picture; no compiled operator."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from talkface.models.blocks import ResBlock


class FlowNetwork(nn.Module):
    """Backward flow from the source's sketch, the source and the target's sketch (few-shot vid2vid, Wang et al. 2019).

    It is smooth by its build: the flow lives on a lattice of every fourth pixel, its bends at every eighth. It starts
    near zero, so that a warp over a warp begins as the warp itself.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(16 * 9, width, 3, padding=1)
        self.fine = ResBlock(width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.coarse = ResBlock(2 * width)
        self.up = nn.Conv2d(3 * width, width, 3, padding=1)
        self.flow = nn.Conv2d(width, 2, 3, padding=1)
        with torch.no_grad():
            self.flow.weight *= 0.1
            self.flow.bias.zero_()  # type: ignore[union-attr]

    def forward(self, sketch: Tensor, source_sketch: Tensor, source: Tensor) -> Tensor:
        """`[N, 3, S, S]` target's sketch, source's sketch, source -> `[N, 2, S, S]` pixels, x right and y down."""
        seen = F.pixel_unshuffle(torch.cat([sketch, source_sketch, source], 1), 4)
        fine = self.fine(self.stem(seen))
        coarse = self.coarse(self.down(fine))
        up = self.up(torch.cat([F.interpolate(coarse, size=(fine.shape[2], fine.shape[3])), fine], 1))
        reach = 1 / 8  # of the picture's side: a flow of this length for an output of 1
        flow = self.flow(F.relu(up)).float() * (reach * sketch.shape[-1])
        return F.interpolate(flow, size=(sketch.shape[2], sketch.shape[3]), mode="bilinear")


def warp_by_flow(image: Tensor, flow: Tensor, align_corners: bool = True) -> Tensor:
    """Picture looked up at each pixel's own place plus `flow`; outside, its border repeats.

    Args:
        image: `[N, C, H, W]`.
        flow: `[N, 2, H, W]` pixels.
        align_corners: False as code of before PyTorch 1.3 runs today: the picture is stretched by half a pixel at its
            edges.

    Returns:
        `[N, C, H, W]` in single precision.
    """
    height, width = image.shape[2:]
    x = torch.arange(width, device=image.device, dtype=torch.float32)
    y = torch.arange(height, device=image.device, dtype=torch.float32)[:, None]
    across = (flow[:, 0].float() + x) * (2 / (width - 1)) - 1
    down = (flow[:, 1].float() + y) * (2 / (height - 1)) - 1
    grid = torch.stack([across, down], -1)
    with torch.autocast(image.device.type, enabled=False):
        return F.grid_sample(image.float(), grid, padding_mode="border", align_corners=align_corners)


def roughness(flow: Tensor) -> Tensor:
    """Mean step of `[N, 2, H, W]` between neighbouring pixels: 0 for a pure shift."""
    return flow.diff(dim=3).abs().mean() + flow.diff(dim=2).abs().mean()
