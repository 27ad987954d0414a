"""Shot -> canvas that warps to any landmarks: whole frames at the photo's size, patches at a working size."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from talkface.geometry.affine import compose_affine, invert, transform
from talkface.geometry.matte import Mask, hidden_background, person_matte, polygon_mask
from talkface.geometry.resample import blend, look_up, match_colour, pixel_box, shrink_part
from talkface.geometry.spline import smooth_step
from talkface.landmarks.columns import COUNT, Columns
from talkface.landmarks.deform import Deformation, FaceDeformer
from talkface.landmarks.layout import INNER_LIP, LEFT_EYE, MOUTH, RIGHT_EYE, eye_distance, mouth_opening
from talkface.renderers.lids import LIDS, LidSettings, draw_lid, lash_colour
from talkface.types import FloatArray, Image, Shot


@dataclass(frozen=True)
class CanvasSettings:
    """Settings of a photo's warp, and where a network's output is used."""

    work_unit: float = 90.0  # outer-eye distance of the working copy, pixels: about that of a mouth patch
    work_reach: float = 2.2  # half the side of the working copy, in outer-eye distances
    # mean difference in grey levels of a face's colours from a tint that follows from the light, up to which a photo is
    # grey or toned, as sepia: eight such pictures had up to 0.9, 285 in colours from 1.7
    grey: float = 1.3
    strip_pixels: int = 4_000_000  # warped at a time: a face that fills 8K would need gigabytes at once
    # head motion in head radii from which the person is cut out of the background, and wholly so: a small motion is
    # taken up by a ring of background that stretches unseen, a large one would smear it
    cut_out: tuple[float, float] = (0.02, 0.06)
    lips_still: tuple[float, float] = (0.005, 0.03)  # largest motion of a lip point: nothing, all is generated
    lips_shut: tuple[float, float] = (0.01, 0.035)  # opening below which there is nothing to generate, and from which
    own_teeth: float = 0.85  # share of the generated picture that a photo's own teeth make superfluous
    lids: LidSettings = LIDS


CANVAS = CanvasSettings()


class Canvas:
    """One photo with its landmarks, its deformer and a reduced copy of the face.

    Geometry lives in pixels of the working copy, so that a Deformation serves both the full frame and the patch.
    """

    def __init__(self, shot: Shot, settings: CanvasSettings = CANVAS) -> None:
        """Take a photo; its outer-eye distance gets `settings.work_unit` pixels in the working copy at most."""
        self.shot, self.settings = shot, settings
        landmarks = np.asarray(shot.landmarks, np.float64)
        unit = eye_distance(landmarks)
        middle = 0.5 * (landmarks.min(0) + landmarks.max(0))
        reach = settings.work_reach * unit
        height, width = shot.image.shape[:2]
        box = pixel_box(np.stack([middle - reach, middle + reach]), (width, height))
        self.work, self.work_affine = shrink_part(shot.image, box, min(1.0, settings.work_unit / unit))
        self.zoom = np.diag(self.work_affine[:, :2]).astype(np.float32)  # across, down
        self.landmarks = self.to_work(landmarks)
        self.deformer = FaceDeformer(self.landmarks)

    @cached_property
    def tones(self) -> FloatArray | None:
        """`single_tones` of the face."""
        return single_tones(self.work, self.settings.grey)

    def toned(self, picture: FloatArray) -> FloatArray:
        """`[..., 3]` grey levels in the tones of a grey or toned photo; as it is for one in colours."""
        if self.tones is None:
            return picture
        return np.asarray(self.tones[np.clip(np.round(picture.mean(-1)), 0, 255).astype(int)])

    def to_work(self, points: FloatArray) -> FloatArray:
        """Photo pixels -> pixels of the working copy."""
        return transform(self.work_affine, np.asarray(points, np.float64))

    def deform(self, target: FloatArray, local: bool = False) -> Deformation:
        """Deformation to `[68, 2]` landmarks of the photo's frame, or of the working copy's if `local`."""
        return self.deformer.toward(target if local else self.to_work(target))

    def deform_all(self, targets: FloatArray) -> list[Deformation]:
        """Deformations to `[T, 68, 2]` landmarks of the photo's frame."""
        return self.deformer.toward_all(self.to_work(targets))

    def warp(self, deformation: Deformation) -> Image:
        """Whole frame; pixels that do not move are the photo's own, bit for bit."""
        image = self.shot.image
        left, top, right, bottom = self.moving_box(deformation)
        frame = image.copy()
        if left < right and top < bottom:
            cut = smooth_step(deformation.moved, *self.settings.cut_out)
            rows = max(256, self.settings.strip_pixels // (right - left))
            for start in range(top, bottom, rows):
                end = min(start + rows, bottom)
                box = (left, start, right, end)
                if cut > 0:
                    strip = self.look_up(self._with_matte, deformation, box)
                    shown = np.asarray(cv2.cvtColor(strip, cv2.COLOR_RGBA2RGB), np.uint8)
                    behind = self._behind[start:end, left:right]
                    around = np.asarray(cv2.bitwise_not(cv2.extractChannel(strip, 3)), np.uint8)
                    frame[start:end, left:right] = blend(shown, behind, around, cut)
                else:
                    frame[start:end, left:right] = self.look_up(image, deformation, box)
            self._draw_lids(frame, deformation)
        return frame

    def moving_box(self, deformation: Deformation) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) pixels of the frame outside which nothing moves."""
        height, width = self.shot.image.shape[:2]
        return pixel_box(transform(invert(self.work_affine), deformation.reach()), (width, height))

    def look_up(self, image: Image, deformation: Deformation, box: tuple[int, int, int, int]) -> Image:
        """Content of a frame inside (left, top, right, bottom) of a picture that lies on the photo."""
        left, top, right, bottom = box
        corner = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
        offsets = deformation.offsets(compose_affine(self.work_affine, corner), (right - left, bottom - top))
        return look_up(image, offsets, corner, zoom=self.zoom)

    def start_matte(self) -> None:
        """Begin to cut the person out of the background, as a moving head needs it, beside what is done next."""
        _ = self._layers

    @cached_property
    def _layers(self) -> Future[tuple[Mask, Image, Mask]]:
        """On the working copy: the person's matte, the background without them, and where that is needed."""
        pool = ThreadPoolExecutor(1)
        layers = pool.submit(self._cut_out)
        pool.shutdown(wait=False)  # nothing comes after it
        return layers

    def _cut_out(self) -> tuple[Mask, Image, Mask]:
        matte = person_matte(self.work, self.deformer.ellipse)
        return matte, *hidden_background(self.work, matte)

    @cached_property
    def _with_matte(self) -> Image:
        """`[H, W, 4]` the photo and, as its fourth channel, the matte: both are moved at once."""
        height, width = self.shot.image.shape[:2]
        matte = look_up(self._layers.result()[0], None, self.work_affine, (width, height))
        return np.dstack([self.shot.image, matte])

    @cached_property
    def _behind(self) -> Image:
        """`[H, W, 3]` the photo with the background that the person hides in the person's place."""
        _, background, needed = self._layers.result()
        behind = self.shot.image.copy()
        rows = max(1, self.settings.strip_pixels // behind.shape[1])
        for start in range(0, behind.shape[0], rows):
            strip = behind[start : start + rows]
            to_work = compose_affine(self.work_affine, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, start]]))
            size = (strip.shape[1], strip.shape[0])
            strip[:] = blend(strip, look_up(background, None, to_work, size), look_up(needed, None, to_work, size))
        return behind

    def _draw_lids(self, frame: Image, deformation: Deformation) -> None:
        """Redraw, in place, lids that shut, and the line where lips meet that the photo shows apart."""
        back = compose_affine(invert(self.work_affine), invert(deformation.to_photo))
        *lids, lips = deformation.columns
        for lid, lash in zip(lids, self._lashes, strict=True):
            draw_lid(frame, lid, back, lash, self.settings.lids)
        if mouth_opening(self.landmarks) > self.settings.lips_shut[1] and np.abs(lips.shifts).max() > 0.5:
            soften_lip_edges(frame, lips, back)
        draw_lip_line(frame, lips, back, deformation.unit)

    @cached_property
    def _lashes(self) -> tuple[FloatArray, FloatArray]:
        """Colour of the upper lid's edge of the right and the left eye."""
        points = np.asarray(self.shot.landmarks, np.float64)
        unit = eye_distance(points)
        right, left = (lash_colour(self.shot.image, points[eye[:4]], unit) for eye in (RIGHT_EYE, LEFT_EYE))
        return right, left

    def warp_patch(self, deformation: Deformation, to_patch: FloatArray, size: tuple[int, int]) -> Image:
        """`[height, width, 3]` mouth patch; `to_patch` maps from the deformation's frame, working pixels."""
        return deformation.warp_patch(self.work, to_patch, size)

    def own_patch(self, to_patch: FloatArray, size: int) -> Image:
        """The photo's own patch as it is; `to_patch` maps from the working copy."""
        return np.asarray(
            cv2.warpAffine(self.work, to_patch, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            np.uint8,
        )

    def recolour(self, reference: Image, to_patch: FloatArray, size: int) -> Image:
        """Give the working copy the colours of another shot's own patch; returns this shot's patch in them."""
        self.work = match_colour(self.work, reference, self.own_patch(to_patch, size))
        return self.own_patch(to_patch, size)

    def patch_from_photo(self, to_patch: FloatArray) -> FloatArray:
        """Map from pixels of the photo to a patch that was placed in the working copy."""
        return compose_affine(to_patch, self.work_affine)


def single_tones(picture: Image, most: float) -> FloatArray | None:
    """`[256, 3]` float32 colour of each light of a grey or toned picture; None for one in colours.

    A tint is a cubic of the light; `most` is the mean difference from it, in grey levels. Lights beyond the picture's
    have the tint of its lightest parts.
    """
    light = picture.mean(-1).ravel() / 255
    tint = picture.reshape(-1, 3) / 255 - light[:, None]
    powers = _powers(light)
    fit = np.linalg.lstsq(powers, tint, rcond=None)[0]
    is_grey = 255 * np.abs(tint).mean() < most
    common = 0.005  # of the pixels: a drawing in a few colours has few lights, which any curve meets
    is_varied = np.count_nonzero(np.histogram(light, 32, (0, 1))[0] > common * len(light)) >= 8
    if not is_grey and (not is_varied or 255 * np.abs(tint - powers @ fit).mean() > most):
        return None
    lights = np.arange(256) / 255
    known = np.minimum(lights, np.percentile(light, 99))
    factors = np.divide(lights, known, out=np.ones(256), where=known > 0)
    return np.asarray(255 * (lights[:, None] + factors[:, None] * (_powers(known) @ fit)), np.float32)


def _powers(light: FloatArray) -> FloatArray:
    return np.stack([light, light**2, light**3], 1)


def soften_lip_edges(frame: Image, lips: Columns, to_frame: FloatArray) -> None:
    """Blur, in place, the pixels along the inner lips, where a warp steps from lip to tooth by whole pixels.

    Args:
        frame: warped.
        lips: columns that warped it.
        to_frame: `[2, 3]` from the plane of the columns to pixels of the frame.
    """
    part, drawn = _lines(frame, lips, (1, 3), to_frame, around=4, width=2)
    if drawn.size:
        part[:] = blend(part, np.asarray(cv2.GaussianBlur(part, (0, 0), 0.6), np.uint8), drawn)


def draw_lip_line(frame: Image, lips: Columns, to_frame: FloatArray, unit: float) -> None:
    """Darken, in place, the line between lips as far as they are shut; lips that a warp moves together have none.

    Args:
        frame: warped.
        lips: columns that warped it.
        to_frame: `[2, 3]` from the plane of the columns to pixels of the frame.
        unit: outer-eye distance in that plane.
    """
    if lips.shut <= 0:
        return
    unit *= float(np.sqrt(abs(np.linalg.det(to_frame[:, :2]))))
    part, drawn = _lines(frame, lips, (1,), to_frame, around=0.06 * unit, width=max(1, round(0.012 * unit)))
    if drawn.size:
        share = cv2.GaussianBlur(drawn, (0, 0), max(0.6, 0.006 * unit)).astype(np.float32)[..., None] / 255
        part[:] = part * (1 - lips.shut * share * np.array([0.4, 0.45, 0.45], np.float32))


def _lines(
    frame: Image, lips: Columns, knots: tuple[int, ...], to_frame: FloatArray, *, around: float, width: int
) -> tuple[Image, Mask]:
    """View of a frame within `around` pixels of some knots of the lips, and lines along them, without the corners.

    Both are empty where the frame does not show them.
    """
    lines = [transform(to_frame, lips.band(knot, knot)[8 : COUNT - 8]) for knot in knots]
    every = np.concatenate(lines)
    reach = np.stack([every.min(0) - around, every.max(0) + around])
    left, top, right, bottom = pixel_box(reach, (frame.shape[1], frame.shape[0]))
    drawn = np.zeros((bottom - top, right - left), np.uint8)
    if drawn.size:
        paths = [np.round((line - (left, top)) * 16).astype(np.int32)[:, None] for line in lines]
        cv2.polylines(drawn, paths, False, 255, width, cv2.LINE_AA, 4)
    return frame[top:bottom, left:right], drawn


def fill_mouth(frame: Image, target: FloatArray, shot: Shot) -> None:
    """Darken, in place, what a warp stretched between parting lips; a photo that shows teeth keeps them."""
    unit = eye_distance(target)
    shown = float(mouth_opening(shot.landmarks))
    amount = float(np.clip((mouth_opening(target) - shown) / 0.06, 0, 1) * np.clip(1.3 - shown / 0.08, 0, 1))
    if amount <= 0:
        return
    lips = np.asarray(target[INNER_LIP], np.float64)
    low, high = lips.min(0) - 0.1 * unit, lips.max(0) + 0.1 * unit
    height, width = frame.shape[:2]
    left, top, right, bottom = pixel_box(np.stack([low, high]), (width, height))
    if left >= right or top >= bottom:
        return
    part = frame[top:bottom, left:right].astype(np.float32)
    hole = polygon_mask(lips - (left, top), (right - left, bottom - top)).astype(np.float32) / 255
    soft = amount * cv2.GaussianBlur(hole, (0, 0), max(0.7, 0.018 * unit))[..., None]
    dark = part * np.array([0.55, 0.45, 0.45], np.float32)
    frame[top:bottom, left:right] = (part + soft * (dark - part)).astype(np.uint8)


def lips_moved(canvas: Canvas, deformation: Deformation, target: FloatArray) -> float:
    """Largest motion of a lip point, in outer-eye distances."""
    still = transform(deformation.to_photo, canvas.to_work(target[MOUTH]))
    return float(np.linalg.norm(still - canvas.landmarks[MOUTH], axis=1).max()) / deformation.unit


def generated_share(canvas: Canvas, deformation: Deformation, target: FloatArray) -> float:
    """Weight of the network's output, 0 to 1.

    Nowhere while the lips are as in the photo or shut in both, and little where the photo shows teeth and the mouth
    opens no wider: those teeth are the person's own.
    """
    moved = lips_moved(canvas, deformation, target)
    shown, opened = float(mouth_opening(canvas.landmarks)), float(mouth_opening(target))
    teeth = (
        smooth_step(shown, 0.05, 0.1) * smooth_step(opened, 0.02, 0.05) * (1 - smooth_step(opened - shown, 0.0, 0.08))
    )
    settings = canvas.settings
    share = smooth_step(moved, *settings.lips_still) * smooth_step(max(shown, opened), *settings.lips_shut)
    return share * (1 - settings.own_teeth * teeth)
