"""Network's maps and a donor as it is laid -> the colours between the lips."""

import cv2
import numpy as np

from talkface.models.mouth import DETAIL
from talkface.types import FloatArray

FINER = 1.7  # of a donor's detail, over the network's share
SHAPE = 0.1  # outer-eye distances, of the blur whose difference from a soft donor is its teeth's shape
SHAPED = 0.2  # of that shape: the likely colours alone are the mean of all mouths
BACK = 0.55  # light at the back of a mouth over that at the lower lip
TONGUE = 0.78  # most light of what a donor does not show, over the lips'
TOOTH = 0.6  # how far its teeth keep their own hue
KEPT = 0.35  # of the light parts of a donor as they are where a network recolours: it dims teeth to the mean of mouths
LIGHT = (60.0, 120.0)  # grey levels from which a part counts as light, and in full


def detailed(maps: FloatArray, colours: FloatArray, cover: FloatArray, lip: FloatArray, unit: float) -> FloatArray:
    """`[h, w, 3]` the network's colours, in the hues of teeth and tongue, and its share of a donor's detail.

    The likely colour between white, red and black is a grey that no mouth has: only its light is taken where the donor
    shows nothing, in the hue of the lips, and mostly so on its teeth.

    Args:
        maps: `[h, w, 4]` colours in grey levels, and share.
        colours: `[h, w, 3]` the donor's, as it is laid.
        cover: `[h, w]` in [0, 1], where they are the donor's own.
        lip: `[h, 1, 3]` mean colour of the lips, darker towards the back of the mouth.
        unit: outer-eye distance in the patch, pixels.
    """
    soft = blurred(colours, DETAIL * unit)
    shape = soft - blurred(soft, SHAPE * unit)
    likely = maps[..., :3]
    light = likely.mean(-1, keepdims=True)
    tooth = light * soft / np.maximum(soft.mean(-1, keepdims=True), 1)
    tooth = likely + TOOTH * (tooth - likely)
    tongue = lip * np.minimum(light / np.maximum(lip.mean(-1, keepdims=True), 1), TONGUE)
    shown = cover[..., None]
    base = tongue + shown * (tooth - tongue)
    return np.asarray(np.clip(base + FINER * maps[..., 3:] * (colours - soft) + SHAPED * shape, 0, 255), np.float32)


def depth_shade(height: int, upper: float, gap: float) -> FloatArray:
    """`[height, 1, 1]` light that falls into a mouth: least behind the upper teeth, all of it at the lower lip.

    Args:
        height: of the patch, pixels.
        upper: row where the upper teeth begin.
        gap: from there to the lower lip, pixels.
    """
    depth = np.clip((np.arange(height) - upper) / max(gap, 1.0), 0, 1)
    return np.asarray((BACK + (1 - BACK) * depth)[:, None, None], np.float32)


def blurred(image: FloatArray, sigma: float) -> FloatArray:
    """`[h, w, 3]` Gaussian blur by `sigma` pixels; a wide one is made of a reduced picture, which is quicker."""
    reduce = max(1, int(sigma / 2))
    if reduce == 1:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
    height, width = image.shape[:2]
    size = max(1, round(width / reduce)), max(1, round(height / reduce))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / reduce, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def recoloured(maps: FloatArray, colours: FloatArray) -> FloatArray:
    """`[h, w, 3]` a donor's colours times gain plus shift, its light parts kept by a share as they are.

    Args:
        maps: `[h, w, 4]` gain, and shift in grey levels.
        colours: `[h, w, 3]` the donor's, as it is laid.
    """
    kept = KEPT * np.clip((colours.mean(-1, keepdims=True) - LIGHT[0]) / (LIGHT[1] - LIGHT[0]), 0, 1)
    changed = colours * maps[..., :1] + maps[..., 1:]
    return np.asarray(np.clip(changed + kept * (colours - changed), 0, 255), np.float32)
