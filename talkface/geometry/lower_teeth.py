"""Donor whose smile hides its lower teeth + one that shows them -> a mouth with both rows.

Smiles show upper teeth; a mouth that speaks shows, where it opens wide, lower ones as often, and pictures of those are
rare. So they are lent: the lower row of one donor is put below the upper row of another, in its light.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from talkface.geometry.donor import Donor, between_lips, lip_curves, lip_gap
from talkface.types import FloatArray


@dataclass(frozen=True)
class LowerTeethSettings:
    """What counts as lower teeth in the light from lip to lip, and in which light they are lent."""

    dip: float = 0.85  # light between both rows, over the upper one's: at most
    rise: float = 1.1  # light of the lower row over that of the dip, at least
    light: float = 0.55  # and over the upper one's
    pale: float = 0.42  # largest less smallest channel, over the largest: at most; lips and tongue are redder
    lowest: float = 0.92  # share of the way down from which the light is the lower lip's
    upper_end: float = 0.75  # light over the upper row's below which that row ends
    upper_most: float = 0.93
    shade: float = 0.8  # of the lower row, over the upper one's light
    side_shade: float = 0.5  # and at the corners of the mouth, over that of the middle
    tallest: float = 0.035  # of the lower row, outer-eye distances: the lip covers what is below
    feather: float = 0.8  # pixels of softness of its edge


LOWER_TEETH = LowerTeethSettings()


def lower_teeth(donor: Donor, settings: LowerTeethSettings = LOWER_TEETH) -> tuple[float, float] | None:
    """Where a donor's lower teeth begin and end, as shares of the way down between its lips; None where it shows none.

    They begin at a dark line below the upper ones, become light again and end, or not, before the lower lip.
    """
    share, seen = between_lips(donor.image, donor.lips)
    seen = seen[:, seen.shape[1] // 4 : -(seen.shape[1] // 4)]
    light = seen.mean((1, 2))
    best: tuple[float, int, int] | None = None
    for dip in range(len(share) // 4, len(share) - 3):
        upper, peak = float(light[:dip].max()), dip + 1 + int(light[dip + 1 :].argmax())
        is_dip = light[dip] == light[max(0, dip - 3) : dip + 4].min() and light[dip] < settings.dip * upper
        rises = light[peak] > max(settings.rise * light[dip], settings.light * upper) and share[peak] <= settings.lowest
        if is_dip and rises and (best is None or light[peak] - light[dip] > best[0]):
            best = float(light[peak] - light[dip]), dip, peak
    if best is None:
        return None
    _, dip, peak = best
    colour = seen[peak].mean(0)
    if np.ptp(colour) > settings.pale * colour.max():
        return None
    edge = 0.5 * (light[dip] + light[peak])
    begin = dip + int(np.flatnonzero(light[dip:] > edge)[0])
    below = np.flatnonzero(light[peak:] < edge)
    end = peak + int(below[0]) if len(below) else len(share) - 1
    return float(share[begin]), float(share[end])


def lower_lender(donors: Sequence[Donor]) -> Donor | None:
    """The first donor that shows its lower teeth."""
    return next((donor for donor in donors if lower_teeth(donor) is not None), None)


def with_lower_teeth(donor: Donor, other: Donor | None, settings: LowerTeethSettings = LOWER_TEETH) -> Donor:
    """The first donor's upper teeth, and below them the lower teeth of the other one, in their light.

    Args:
        donor: lends its upper teeth, lips and light.
        other: of the same size, shows lower teeth. Where it does not, is None, or the first donor shows its own, that
            one is returned as it is.
        settings: what counts as teeth.

    Returns:
        A mouth that is open so far that both rows just show; its lips' corners are the first donor's.
    """
    found = None if other is None or lower_teeth(donor, settings) else lower_teeth(other, settings)
    if other is None or found is None:
        return donor
    begin, end = found[0], min(found[1], found[0] + settings.tallest / max(other.opening, 1e-3))
    (share, seen), (_, other_seen) = (between_lips(each.image, each.lips) for each in (donor, other))
    light = seen.mean((1, 2))
    brightest = int(light.argmax())
    dark = np.flatnonzero(light[brightest:] < settings.upper_end * light[brightest])
    cut = min(settings.upper_most, donor.split, float(share[brightest + dark[0]]) if len(dark) else 1.0)
    width = donor.image.shape[1]
    x = np.arange(width, dtype=np.float32)
    there = x - donor.lips[1:4, 0].mean() + other.lips[1:4, 0].mean()
    top, bottom = lip_curves(donor.lips, x)
    other_top, other_bottom = lip_curves(other.lips, there)
    heights = (end - begin) * (other_bottom - other_top)  # of the lower teeth, column by column
    middle = slice(*np.round(donor.lips[[1, 3], 0]).astype(int))
    wider = cut + float(heights[middle].max(initial=0.0)) / max(lip_gap(donor.lips), 1.0)
    lips = donor.lips.copy()
    for point in (5, 6, 7):
        upper, lower = lip_curves(donor.lips, lips[point : point + 1, 0])
        lips[point, 1] = upper[0] + wider * (lower[0] - upper[0])
    more = max(0, round((wider - 1) * float((bottom - top).max()))) + 2
    image = cv2.copyMakeBorder(donor.image, 0, more, 0, 0, cv2.BORDER_REPLICATE).astype(np.float32)
    rows = np.arange(len(image), dtype=np.float32)[:, None]
    lip = top + wider * (bottom - top)
    source = (other_top + end * (other_bottom - other_top) + rows - lip).astype(np.float32)
    columns = np.ascontiguousarray(np.broadcast_to(there, source.shape), np.float32)
    lent = cv2.remap(other.image, columns, source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gain = settings.shade * _tooth_colour(seen, share, 0.2, 0.7) / _tooth_colour(other_seen, share, begin, end)
    aside = np.abs(x - donor.lips[1:4, 0].mean()) / max(0.5 * float(donor.lips[4, 0] - donor.lips[0, 0]), 1.0)
    lent = lent * gain * (1 - (1 - settings.side_shade) * np.minimum(aside, 1) ** 2)[:, None]
    is_below = rows > top + cut * (bottom - top)
    below, teeth, beyond = (
        cv2.GaussianBlur(part.astype(np.float32), (0, 0), settings.feather)[..., None]
        for part in (is_below, is_below & (lip - rows < heights), rows > lip)
    )
    lowered = np.ascontiguousarray(rows - (lip - bottom), np.float32)  # the lip below, with its skin
    own_lip = cv2.remap(donor.image, np.ascontiguousarray(np.broadcast_to(x, lowered.shape)), lowered, cv2.INTER_LINEAR)
    filling = donor.cavity + teeth * (lent - donor.cavity)
    image += below * (filling + beyond * (own_lip - filling) - image)
    return replace(donor, image=np.clip(image + 0.5, 0, 255).astype(np.uint8), lips=lips, split=cut / wider)


def _tooth_colour(seen: FloatArray, share: FloatArray, begin: float, end: float) -> FloatArray:
    """`[3]` light colour of the teeth between two shares of the way down."""
    part = seen[(share >= begin) & (share <= end)]
    return np.asarray(np.maximum(np.percentile(part.reshape(-1, 3), 80, axis=0), 1.0))
