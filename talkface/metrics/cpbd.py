"""Image -> probability that its edges look sharp (CPBD), without a reference."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve

from talkface.metrics.image import luma
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class CpbdSettings:
    """Constants of CPBD (Narvekar and Karam 2011)."""

    block: int = 64  # pixels, side of the blocks whose contrast sets what blur is noticeable
    edge_share: float = 0.002  # share of edge pixels above which a block counts
    beta: float = 3.6  # of the psychometric function
    low_contrast: int = 50  # grey levels: up to here blur of 5 pixels is just noticeable, above it of 3
    just_noticeable: tuple[float, float] = (5.0, 3.0)
    not_seen: float = 0.63  # probability of seeing blur at the just noticeable width, 1 - 1/e
    sobel_threshold: float = 2.0  # times the root mean square of the derivative: what counts as strong, once squared


CPBD = CpbdSettings()


def cpbd(image: Image) -> float:
    """Cumulative probability of blur detection (Narvekar & Karam, IEEE TIP 20(9), 2011).

    Edges are found by Sobel's operator; the width of each is the distance between the nearest extrema of brightness to
    its left and right (Marziliano et al. 2002), so only edges whose gradient is nearly horizontal are measured. Blur
    of an edge of width w is seen with P = 1 - exp(-(w / w_jnb)^3.6), w_jnb 5 pixels in 64x64 blocks with a contrast of
    at most 50 grey levels and 3 elsewhere; blocks with at most 0.2 % of Canny edges are left out.

    Where the paper leaves room (threshold and thinning of the edges) this follows the widely used package `cpbd`, in
    its port cpbd-py312 1.0.3, and agrees with it to 0.01.

    Crop: whatever is given; widths are in its pixels, so compare only crops of one size made alike. No unit, no
    detector.

    Args:
        image: `[H, W, 3]`, at least one block.

    Returns:
        Share of the edges whose blur is seen with P <= 0.63: 1 sharp, 0 blurred; NaN where there is no edge.
    """
    grey = luma(image)
    assert min(grey.shape) >= CPBD.block, f"CPBD needs at least {CPBD.block} pixels a side, got {grey.shape}"
    from skimage.feature import canny  # of the extra `evaluate`

    widths = edge_widths(grey)
    busy = canny(grey)  # type: ignore[no-untyped-call]
    probabilities = []
    for top in range(0, grey.shape[0] - CPBD.block + 1, CPBD.block):
        for left in range(0, grey.shape[1] - CPBD.block + 1, CPBD.block):
            block = slice(top, top + CPBD.block), slice(left, left + CPBD.block)
            if busy[block].mean() <= CPBD.edge_share:
                continue
            found = widths[block][widths[block] > 0]
            noticeable = CPBD.just_noticeable[int(np.ptp(grey[block])) > CPBD.low_contrast]
            probabilities.append(1 - np.exp(-((found / noticeable) ** CPBD.beta)))
    edges = np.concatenate(probabilities) if probabilities else np.zeros(0)
    return float((np.round(edges, 2) <= CPBD.not_seen).mean()) if len(edges) else float("nan")


def edge_widths(grey: FloatArray) -> FloatArray:
    """`[H, W]` width in pixels of the edge through each Sobel edge pixel with a horizontal gradient; 0 elsewhere."""
    down, right = np.gradient(grey)
    angle = np.degrees(np.arctan2(down, right))
    rising = np.abs(angle) <= 22.5
    falling = np.abs(angle) >= 157.5
    edges = sobel_edges(grey)
    widths = np.zeros(grey.shape)
    for mask, sign in ((edges & rising, 1.0), (edges & falling, -1.0)):
        steps = sign * np.diff(grey, axis=1)  # steps[:, c] from column c to c + 1
        # an edge reaches one pixel to either side, and on for as long as the brightness keeps rising
        after = _run_lengths(steps > 0)
        before = _run_lengths(steps[:, ::-1] > 0)[:, ::-1]
        rows, columns = np.nonzero(mask)
        widths[rows, columns] = 2 + before[rows, columns - 1] + after[rows, columns + 1]
    return widths


def sobel_edges(grey: FloatArray) -> FloatArray:
    """`[H, W]` (bool): where Sobel's horizontal derivative is strong and largest along its row or its column."""
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8.0
    strength = convolve(grey, kernel) ** 2
    strength[strength <= CPBD.sobel_threshold * np.sqrt(strength.mean())] = 0
    padded = np.pad(strength, 1)
    along_row = (strength > padded[1:-1, :-2]) & (strength > padded[1:-1, 2:])
    along_column = (strength > padded[:-2, 1:-1]) & (strength > padded[2:, 1:-1])
    edges = along_row | along_column
    edges[[0, -1]] = False
    edges[:, [0, -1]] = False
    return np.asarray(edges)


def _run_lengths(rising: npt.NDArray[np.bool_]) -> FloatArray:
    """`[H, W - 1]` flags -> `[H, W]` how many flags in a row are set from each column on."""
    runs = np.zeros((rising.shape[0], rising.shape[1] + 1), int)
    for column in range(rising.shape[1] - 1, -1, -1):
        runs[:, column] = np.where(rising[:, column], runs[:, column + 1] + 1, 0)
    return runs
