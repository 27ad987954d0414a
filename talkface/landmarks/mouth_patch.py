"""68 landmarks -> the mouth inpainter's upright patch, its lips and what is erased; photos -> mouths as donors."""

from dataclasses import dataclass

import cv2
import numpy as np

from talkface.geometry.affine import compose_affine, fit_similarity, invert, transform
from talkface.geometry.donor import MOUTH_SETTINGS, Donor, MouthSettings, measure_donor, upper_middle
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
