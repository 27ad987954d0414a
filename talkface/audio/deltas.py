"""Log-mel over time -> its first and second slope, as `librosa.feature.delta` has them."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

WIDTH = 9  # frames that a slope is fitted over
REACH = WIDTH // 2  # frames on either side that a slope depends on


def slopes(values: Tensor) -> Tensor:
    """`[B, T, C]` -> `[B, T, 2 C]`: change per frame and change of the change, both fitted over nine frames.

    Delta is the slope of a least-squares line, delta-delta the second derivative of a parabola (Savitzky and Golay
    1964); the border frame repeats beyond both ends. A factor on the sound changes neither.
    """
    offsets = np.arange(WIDTH) - WIDTH // 2
    line = offsets / np.square(offsets).sum()
    parabola = 2 * np.linalg.pinv(np.stack([np.square(offsets), offsets, np.ones(WIDTH)], 1))[0]
    kernels = torch.from_numpy(np.stack([line, parabola]).astype(np.float32)).to(values)
    batch, frames, bands = values.shape
    padded = functional.pad(values.transpose(1, 2), (WIDTH // 2, WIDTH // 2), mode="replicate")
    found = functional.conv1d(padded.reshape(batch * bands, 1, -1), kernels[:, None])
    return found.reshape(batch, bands, 2, frames).permute(0, 3, 2, 1).reshape(batch, frames, 2 * bands)
