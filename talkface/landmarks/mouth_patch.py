"""68 landmarks -> the mouth inpainter's upright patch, its lips and what is erased; photos -> mouths as donors.

Smiles show upper teeth; a mouth that speaks shows, where it opens wide, lower ones as often, and pictures of those are
rare. So they are lent: the lower row of one donor is put below the upper row of another, in its light.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from talkface.geometry.affine import compose_affine, fit_similarity, invert, transform
from talkface.geometry.donor import (
    MOUTH_SETTINGS,
    Donor,
    MouthSettings,
    between_lips,
    colour_gain,
    lip_curves,
    lip_gap,
    measure_donor,
    sampled,
    upper_middle,
)
from talkface.geometry.matte import polygon_mask
from talkface.geometry.resample import pixel_box, shrink_part
from talkface.landmarks.layout import INNER_LIP, MOUTH, OUTER_LIP, STABLE, eye_angle, eye_distance, interocular
from talkface.types import FloatArray, Image, Shot

UNIT = 128.0  # pixels between the outer eye corners in the patch that the network sees


@dataclass(frozen=True)
class MouthPatchSettings:
    """The crop around a mouth, and what counts as teeth in it."""

    width: int = 128  # of that patch
    height: int = 96
    reduce_below: float = 0.6  # zoom below which a picture is reduced by area first
    bright: float = 0.72  # teeth: over this share of the picture's median light, under this saturation
    pale: float = 0.37
    skin_room: float = 0.073  # around the outer lips, in outer-eye distances, where skin is looked at


MOUTH_PATCH = MouthPatchSettings()
GROW = 3.0 / UNIT  # how far beyond the inner lips the picture is erased, in outer-eye distances


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


def mouth_patch_frame(landmarks: FloatArray, unit: float = UNIT) -> FloatArray:
    """`[2, 3]` similarity from an image to its patch: upright, the outer lips in the middle.

    Args:
        landmarks: `[68, 2]` pixels.
        unit: outer-eye distance in the patch; the patch grows with it, see `patch_size`.
    """
    points = np.asarray(landmarks, np.float64)
    angle, scale = eye_angle(points), unit / eye_distance(points)
    lips = points[OUTER_LIP]
    linear = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = 0.5 * (np.array(patch_size(unit)) - 1)
    return np.hstack([linear, (middle - linear @ (0.5 * (lips.min(0) + lips.max(0))))[:, None]])


def cut_mouth_patch(image: Image, landmarks: FloatArray, unit: float = UNIT) -> tuple[Image, FloatArray]:
    """A face's mouth patch `[H, W, 3]` and its `[68, 2]` landmarks there; a large picture is reduced by area first."""
    to_patch = mouth_patch_frame(landmarks, unit)
    points = transform(to_patch, np.asarray(landmarks, np.float64))
    zoom = unit / eye_distance(landmarks)
    if zoom < MOUTH_PATCH.reduce_below:
        low, high = (transform(invert(to_patch), np.array([corner])) for corner in ((0.0, 0.0), patch_size(unit)))
        centre, reach = 0.5 * (low + high)[0], 0.5 * float(np.linalg.norm(high - low))  # however the patch is turned
        box = pixel_box(np.stack([centre - reach, centre + reach]), (image.shape[1], image.shape[0]))
        image, to_small = shrink_part(image, box, zoom)
        to_patch = compose_affine(to_patch, invert(to_small))
    patch = cv2.warpAffine(image, to_patch, patch_size(unit), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(patch, np.uint8), points


def patch_size(unit: float = UNIT) -> tuple[int, int]:
    """(width, height) of a patch with `unit` pixels between the outer eye corners."""
    return round(MOUTH_PATCH.width * unit / UNIT), round(MOUTH_PATCH.height * unit / UNIT)


def lip_masks(mouth: FloatArray, size: tuple[int, int], grow: float) -> Image:
    """Masks of the lips for a network, one per channel.

    Args:
        mouth: `[20, 2]` points 48-67 in pixels of the patch.
        size: (width, height) of the patch.
        grow: how far the erased part reaches beyond the inner lips, pixels.

    Returns:
        `[height, width, 3]`: 0 outer lips filled, 1 inner lips filled, 2 what is erased, soft at its edge.
    """
    outer, inner = polygon_mask(mouth[:12], size), polygon_mask(mouth[12:], size)
    reach = max(0, round(grow))
    hole = cv2.dilate(inner, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    return np.stack([outer, inner, cv2.GaussianBlur(hole, (0, 0), 0.8)], -1)


def skin_colour(patch: Image, mouth: FloatArray, unit: float) -> FloatArray:
    """`[3]` mean colour of a patch in a box around the lips, without them.

    Args:
        patch: `[H, W, 3]`.
        mouth: `[20, 2]` points 48-67 in it.
        unit: outer-eye distance in it, pixels.
    """
    outer = np.asarray(mouth[:12])
    height, width = patch.shape[:2]
    low = np.clip(np.floor(outer.min(0) - MOUTH_PATCH.skin_room * unit), 0, [width - 2, height - 2]).astype(int)
    high = np.clip(np.ceil(outer.max(0) + MOUTH_PATCH.skin_room * unit), low + 2, [width, height]).astype(int)
    lips = cv2.dilate(polygon_mask(outer, (width, height)), np.ones((5, 5), np.uint8))
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    outside = lips[box] == 0
    return np.asarray(patch[box][outside].mean(0) if outside.any() else patch[box].mean((0, 1)), np.float32)


def teeth_share(patch: Image, inner: FloatArray) -> float:
    """Share of bright and pale pixels inside `[8, 2]` inner lips of a patch."""
    inside = polygon_mask(inner, (patch.shape[1], patch.shape[0])) > 127
    if not inside.any():
        return 0.0
    pixels = patch[inside].astype(np.float32)
    bright = pixels.mean(1) > MOUTH_PATCH.bright * np.median(patch.mean(-1))
    pale = np.ptp(pixels, axis=1) < MOUTH_PATCH.pale * np.maximum(pixels.max(1), 1)
    return float((bright & pale).mean())


def face_mouth(shot: Shot, settings: MouthSettings = MOUTH_SETTINGS) -> Donor:
    """A photo's own mouth, measured as a donor is, at its own size within bounds."""
    unit = float(np.clip(eye_distance(shot.landmarks), *settings.sizes))
    patch, points = cut_mouth_patch(shot.image, shot.landmarks, unit)
    return measure_donor(patch, points[INNER_LIP], skin_colour(patch, points[MOUTH], unit), unit, settings)


def lip_colour(shot: Shot) -> FloatArray:
    """`[3]` mean colour of a photo's lips."""
    patch, points = cut_mouth_patch(shot.image, shot.landmarks)
    masks = lip_masks(points[MOUTH], patch_size(), GROW * UNIT).astype(np.float32)
    weight = np.clip(masks[..., 0] - masks[..., 2], 0, 255) + 1e-3
    return np.asarray((patch * weight[..., None]).sum((0, 1)) / weight.sum(), np.float32)


def own_donor(shot: Shot, settings: MouthSettings = MOUTH_SETTINGS, *, toothless: bool = False) -> Donor | None:
    """`face_mouth` where the photo shows open lips and teeth at a usable size, else None.

    With `toothless`, teeth do not matter and the lips must be wide open: then this mouth hides them.
    """
    if eye_distance(shot.landmarks) < settings.own_unit:
        return None
    mouth = face_mouth(shot, settings)
    if toothless:
        return mouth if mouth.opening > settings.own_wide else None
    shows_teeth = teeth_share(mouth.image, mouth.lips) > settings.own_teeth
    return mouth if shows_teeth and mouth.opening > settings.own_open else None


def why_not_lent(photo: Shot, skin: FloatArray, other: Shot, settings: MouthSettings = MOUTH_SETTINGS) -> str:
    """Why another photo's mouth does not fit a photo of the same person, whose `face_mouth` has that skin; or empty."""
    if turn_between(photo, other) >= settings.lent_turn:
        return "its head is turned otherwise"
    if eye_distance(other.landmarks) < settings.lent_size * min(eye_distance(photo.landmarks), settings.sizes[1]):
        return f"its face has less than {settings.lent_size:g} of the size"
    gain = colour_gain(skin, face_mouth(other, settings).skin, settings)
    return "it is much darker" if gain.max() >= settings.gain[1] else ""


def mouth_not_lent(refused: Sequence[str]) -> tuple[str, ...]:
    """A remark on further photos none of which lends its mouth, from the reasons of each."""
    reasons = dict.fromkeys(why or "its lips are shut, or open a little and without teeth" for why in refused)
    return (f"no other photo lends its mouth: {'; '.join(reasons)}",) if reasons else ()


def turn_between(photo: Shot, other: Shot) -> float:
    """How far eyes and nose of two heads are apart when laid on each other, in outer-eye distances."""
    points, others = photo.landmarks[STABLE], other.landmarks[STABLE]
    laid = transform(fit_similarity(others, points), others)
    return float(np.linalg.norm(laid - points, axis=1).max()) / eye_distance(photo.landmarks)


def own_teeth(photo: Shot, donor: Shot) -> FloatArray:
    """`[2]` where in a photo the upper inner lip of another of the same person would be: skulls laid on each other."""
    to_photo = fit_similarity(donor.landmarks[STABLE], photo.landmarks[STABLE])
    return np.asarray(transform(to_photo, upper_middle(donor.landmarks[INNER_LIP])[None])[0])


def strange_teeth(photo: Shot, settings: MouthSettings = MOUTH_SETTINGS) -> FloatArray:
    """`[2]` where in a photo a stranger's upper lip goes so that speech bares as much of the teeth as usual."""
    angle = eye_angle(photo.landmarks)
    up = settings.hidden * eye_distance(photo.landmarks) * np.array([np.sin(angle), -np.cos(angle)])
    return np.asarray(upper_middle(photo.landmarks[INNER_LIP]) + up)


def turned(target: FloatArray) -> float:
    """Width of a face over that of one seen from ahead."""
    return float(np.clip(interocular(target) / eye_distance(target), 0.5, 1))


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
    """The first donor's upper teeth, and below them the lower teeth of the other one, in their light and hue.

    Args:
        donor: lends its upper teeth, lips and light.
        other: shows lower teeth, which are looked for at the size that it has. Where it shows none or is None, or the
            first donor shows its own, that one is returned as it is.
        settings: what counts as teeth.

    Returns:
        A mouth that is open so far that both rows just show; its lips' corners are the first donor's.
    """
    found = None if other is None or lower_teeth(donor, settings) else lower_teeth(other, settings)
    if other is None or found is None:
        return donor
    begin, end = found[0], min(found[1], found[0] + settings.tallest / max(other.opening, 1e-3))
    if other.unit != donor.unit:
        other = other.resized(donor.unit)
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
    middle = slice(*np.clip(np.round(donor.lips[[1, 3], 0]), 0, width).astype(int))
    wider = cut + float(heights[middle].max(initial=0.0)) / max(lip_gap(donor.lips), 1.0)
    if cut / wider >= MOUTH_SETTINGS.lowest_gap:  # nothing of them would show
        return donor
    lips = donor.lips.copy()
    for point in (5, 6, 7):
        upper, lower = lip_curves(donor.lips, lips[point : point + 1, 0])
        lips[point, 1] = upper[0] + wider * (lower[0] - upper[0])
    more = max(0, round((wider - 1) * float((bottom - top).max()))) + 2
    image = cv2.copyMakeBorder(donor.image, 0, more, 0, 0, cv2.BORDER_REPLICATE).astype(np.float32)
    rows = np.arange(len(image), dtype=np.float32)[:, None]
    lip = top + wider * (bottom - top)
    source = (other_top + end * (other_bottom - other_top) + rows - lip).astype(np.float32)
    lent = sampled(other.image, there, source).mean(-1, keepdims=True)
    lent /= _tooth_colour(other_seen, share, begin, min(end, settings.lowest)).mean()
    aside = np.abs(x - donor.lips[1:4, 0].mean()) / max(0.5 * float(donor.lips[4, 0] - donor.lips[0, 0]), 1.0)
    shade = settings.shade * (1 - (1 - settings.side_shade) * np.minimum(aside, 1) ** 2)
    row = lent * shade[:, None] * _tooth_colour(seen, share, 0.2, 0.7)
    is_below = rows > top + cut * (bottom - top)
    below, teeth, beyond = (
        cv2.GaussianBlur(part.astype(np.float32), (0, 0), settings.feather)[..., None]
        for part in (is_below, is_below & (lip - rows < heights), rows > lip)
    )
    own_lip = sampled(donor.image, x, (rows - (lip - bottom)).astype(np.float32))  # lowered, with its skin
    filling = donor.cavity + teeth * (row - donor.cavity)
    image += below * (filling + beyond * (own_lip - filling) - image)
    return replace(donor, image=np.clip(image + 0.5, 0, 255).astype(np.uint8), lips=lips, split=cut / wider)


def _tooth_colour(seen: FloatArray, share: FloatArray, begin: float, end: float) -> FloatArray:
    """`[3]` light colour of the teeth between two shares of the way down."""
    part = seen[(share >= begin) & (share <= end)]
    return np.asarray(np.maximum(np.percentile(part.reshape(-1, 3), 80, axis=0), 1.0))
