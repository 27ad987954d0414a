"""Open mouth of a donor + where a target's lips are -> what shows between them, and in which colours.

The upper teeth belong to the skull and the lower ones to the jaw: neither is stretched when lips move. A mouth that
closes loses rows of the donor from below its upper teeth, one that opens wider gains rows there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from talkface.types import FloatArray, Image

DETAIL = 0.03  # outer-eye distances, standard deviation of the blur whose difference from a donor is its detail


@dataclass(frozen=True)
class MouthSettings:
    """Choice, measurement, placement and colour of a donor; scored by `talkface evaluate default --only clips`."""

    sizes: tuple[float, float] = (64.0, 256.0)  # outer-eye distance at which donors are laid, pixels
    own_open: float = 0.05  # least gap, share of teeth and size in pixels of a person's own donor
    own_teeth: float = 0.1
    own_unit: float = 60.0
    own_wide: float = 0.08  # gap from which it needs no teeth
    # of the colours of another photo's mouth, over the likely ones: mean L1 over the warp's of 17 training clips and
    # seven of held-out people .50 and .64 with .5, .51 and .63 with .6; with .8 there is the least haze between teeth
    lent: float = 0.6
    # eyes and nose so far apart that the other head is turned otherwise, and its mouth is not lent: beyond it L1 over
    # warp's was .72 to 1.14 for all of seven pairs, below it .35 to .67 for 13 of 17
    lent_turn: float = 0.072
    lent_size: float = 0.6  # least eye distance of the other photo over the photo's
    own_lips: float = 0.04  # outer-eye distances of that donor's lips that it brings along: there is no seam then
    wanted: float = 0.12  # gap of a stranger's donor, outer-eye distances: about that of a wide-open vowel
    # of a stranger's upper teeth under the upper lip of a mouth at rest, outer-eye distances: a smile bares them all,
    # speech about half
    hidden: float = 0.05
    gap_light: float = 0.62  # a row this dark, over the brightest row above, is the gap below the upper teeth
    no_gap: float = 0.95  # where teeth fill the mouth: cut just above the lower lip
    lowest_gap: float = 0.85  # a dark row further down is the lower lip's shade: nothing of it is shown below
    darkest: tuple[float, float, float] = (60.0, 30.0, 28.0)  # the dark of a mouth is at most this light
    upper_shade: tuple[float, float, float] = (0.5, 0.5, 0.5)  # of the dark at the upper lip
    lower_shade: tuple[float, float, float] = (1.6, 1.6, 1.65)  # and over the tongue, at the lower one
    softer: tuple[float, ...] = (0.5, 0.7, 0.9, 1.1, 1.4, 1.8)  # blurs in pixels that are tried in a soft photo
    crisp: float = 1.3  # how much finer than the photo's edges a donor's may be: a little crispness does teeth good
    feather: float = 1.2  # pixels, softness of the donor's edge
    # outer-eye distances by which what is generated reaches beyond the inner lips: at three times as much, dlib found
    # lips that were to open by .05 to .08 open by a quarter more; twelve photos of training people, 100 frames each
    reach: float = 1.0 / 128
    zoom: tuple[float, float] = (0.88, 1.05)  # change of its size, at least and at most, to fit the mouth's width
    gain: tuple[float, float] = (0.2, 1.6)  # of its colours, at least and at most
    detail: float = 1.0  # of its detail, over the share of the network
    # of the likely colours, from their blur by `wide`: they have less than any mouth. With .3 sharpness rises by .03
    # and .06 on 24 clips of training people and ten of held-out ones, and the corners of wide mouths turn black
    contrast: float = 0.1
    wide: float = 0.1  # outer-eye distances
    tooth: float = 60.0  # grey levels by which they may be lighter than the donor's blur, where it shows
    tongue: float = 0.95  # most light of what a donor does not show, over the lips'


MOUTH_SETTINGS = MouthSettings()


@dataclass(frozen=True)
class Donor:
    """A picture of an open mouth, upright.

    Attributes:
        image: `[H, W, 3]`.
        lips: `[8, 2]` inner-lip points, pixels.
        split: where the upper teeth end, as a share of the way from upper to lower lip.
        cavity: `[3]` colour of the dark.
        skin: `[3]` mean colour around the lips.
        unit: outer-eye distance, pixels.
    """

    image: Image
    lips: FloatArray
    split: float
    cavity: FloatArray
    skin: FloatArray
    unit: float

    @property
    def width(self) -> float:
        """Distance of the inner corners in outer-eye distances."""
        return float(np.linalg.norm(self.lips[4] - self.lips[0])) / self.unit

    @property
    def opening(self) -> float:
        """Mean gap in outer-eye distances."""
        return lip_gap(self.lips) / self.unit

    def resized(self, unit: float) -> "Donor":
        """The same mouth with `unit` pixels between the outer eye corners; larger ones are reduced by area."""
        scale = unit / self.unit
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(self.image, None, fx=scale, fy=scale, interpolation=how), np.uint8)
        exact = np.array([image.shape[1] / self.image.shape[1], image.shape[0] / self.image.shape[0]])
        lips = np.asarray((self.lips + 0.5) * exact - 0.5, np.float32)
        return replace(self, image=image, lips=lips, unit=unit)


def upper_middle(lips: FloatArray) -> FloatArray:
    """`[2]` middle of the upper inner lip."""
    return np.asarray(lips[1:4].mean(0))


def lip_gap(lips: FloatArray) -> float:
    """Mean vertical distance of the inner lips' middle parts, pixels of an upright picture."""
    return float(lips[5:8, 1].mean() - lips[1:4, 1].mean())


def lip_curves(lips: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Heights of the upper and the lower inner lip at every `x`."""
    above, below = [0, 1, 2, 3, 4], [0, 7, 6, 5, 4]  # of eight inner-lip points (68-point order), corner to corner
    upper, lower = (np.interp(x, lips[row, 0], lips[row, 1]) for row in (above, below))
    return np.asarray(upper), np.asarray(lower)


def measure_donor(
    image: Image, lips: FloatArray, skin: FloatArray, unit: float, settings: MouthSettings = MOUTH_SETTINGS
) -> Donor:
    """Find in an upright picture where the upper teeth end and how dark the mouth is.

    Args:
        image: `[H, W, 3]`.
        lips: `[8, 2]` inner-lip points.
        skin: `[3]` mean colour around the lips.
        unit: outer-eye distance, pixels.
        settings: of the renderer.
    """
    lips = np.asarray(lips, np.float32)
    share, seen = between_lips(image, lips)
    light = seen.mean(-1)
    profile = light.mean(1)
    low, high = len(share) // 3, len(share) - 2
    darkest = low + int(profile[low:high].argmin())
    is_gap = profile[darkest] < settings.gap_light * profile[: 2 * len(share) // 3].max()
    split = float(share[darkest]) if is_gap else settings.no_gap
    order = light.ravel().argsort()[: light.size // 12]
    cavity = np.minimum(0.8 * seen.reshape(-1, 3)[order].mean(0), np.array(settings.darkest, np.float32))
    return Donor(image, lips, split, np.asarray(cavity, np.float32), np.asarray(skin, np.float32), unit)


def between_lips(image: Image, lips: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`[33]` shares of the way from the upper to the lower lip, and `[33, 24, 3]` colours there, from left to right."""
    left, right = 0.3 * lips[0, 0] + 0.7 * lips[1, 0], 0.3 * lips[4, 0] + 0.7 * lips[3, 0]
    x = np.linspace(left, right, 24)
    top, bottom = lip_curves(lips, x)
    share = np.linspace(0.02, 0.98, 33)
    rows = np.asarray(top + share[:, None] * (bottom - top), np.float32)
    return share, sampled(image, x, rows)


def sampled(image: Image, x: FloatArray, y: FloatArray) -> FloatArray:
    """`[h, w, 3]` float32 of a picture at columns `[w]` and rows `[h, w]`; beyond its edge, the edge."""
    across = np.ascontiguousarray(np.broadcast_to(x, y.shape), np.float32)
    return np.asarray(cv2.remap(image, across, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def lay_donor(
    donor: Donor,
    upper: FloatArray,
    gap: float,
    zoom: float,
    size: tuple[int, int],
    turned: float = 1.0,
    settings: MouthSettings = MOUTH_SETTINGS,
    beyond: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Part of the donor that shows between the lips of an upright patch.

    Args:
        donor: the mouth.
        upper: `[2]` where in the patch the middle of the donor's upper inner lip goes.
        gap: from there down to the patch's lower inner lip, pixels.
        zoom: pixels of the donor per pixel of the patch.
        size: (width, height) of the patch.
        turned: width over that of a face seen from ahead.
        settings: of the renderer.
        beyond: pixels of the donor's lips that show, too.

    Returns:
        `[h, w, 3]` float32 colours in grey levels, dark where the donor has nothing, and `[h, w]` float32 in [0, 1]
        where they are the donor's own.
    """
    width, height = size
    depth = np.clip((np.arange(height, dtype=np.float32)[:, None, None] - upper[1]) / max(gap, 1.0), 0, 1)
    above, below = np.array(settings.upper_shade, np.float32), np.array(settings.lower_shade, np.float32)
    dark = donor.cavity * (above + (below - above) * depth**2).astype(np.float32)
    laid, cover = np.repeat(dark, width, 1), np.zeros((height, width), np.float32)
    start = upper_middle(donor.lips)
    x = ((np.arange(width) - upper[0]) * zoom / turned + start[0]).astype(np.float32)
    y = ((np.arange(height) - upper[1]) * zoom + start[1]).astype(np.float32)
    moved = np.float32(lip_gap(donor.lips) - gap * zoom)  # rows left out below the cut or, negative, put in
    low, high = donor.lips.min(0), donor.lips.max(0)
    margin = max(8, math.ceil(4 * settings.feather + beyond))  # pixels around the lips that its soft edge stays within
    rows, columns = (
        slice(max(int(np.searchsorted(line, start)) - margin, 0), max(int(np.searchsorted(line, end)) + margin, 0))
        for line, start, end in ((y, low[1], high[1] + max(0.0, -float(moved))), (x, low[0], high[0]))
    )
    box = rows, columns  # the only part that it shows in
    x, above = x[columns], np.broadcast_to(y[rows, None], cover[box].shape)
    if not above.size:
        return laid, cover
    top, bottom = (curve.astype(np.float32) for curve in lip_curves(donor.lips, x))
    cut = top + donor.split * (bottom - top)
    below = above + moved
    is_upper = above <= cut
    down = np.where(is_upper, above, below).astype(np.float32)
    colours = sampled(donor.image, x, down)
    inside = (down > top - beyond) & (down < bottom + beyond) & (x > donor.lips[0, 0]) & (x < donor.lips[4, 0])
    is_lower = (below > cut) & (donor.split < settings.lowest_gap)
    own = (inside & (is_upper | is_lower)).astype(np.float32)
    cover[box] = cv2.GaussianBlur(own, (0, 0), max(settings.feather, 0.01))
    laid[box] += cover[box][..., None] * (colours - laid[box])
    return laid, cover


def upper_rows(donor: Donor, upper: FloatArray, zoom: float, size: tuple[int, int]) -> FloatArray:
    """`[h, w]` 1 down to where a laid donor's upper teeth end, 0 below; arguments as for `lay_donor`."""
    end = upper[1] + donor.split * lip_gap(donor.lips) / zoom
    rows = np.arange(size[1], dtype=np.float32)[:, None]
    return np.asarray(np.broadcast_to(np.clip(end - rows + 0.5, 0, 1), size[::-1]))


def softening(image: Image, fineness: float, settings: MouthSettings = MOUTH_SETTINGS) -> float:
    """Deviation in pixels of the blur after which a picture's edges are hardly finer than a face's, 0 for none."""
    sigmas = (0.0, *settings.softer)
    fitting = (s for s in sigmas if edge_fineness(blurred_by(image, s)) <= settings.crisp * fineness)
    return next(fitting, sigmas[-1])


def blurred_by(image: Image, sigma: float) -> Image:
    """A picture after a Gaussian blur; itself where `sigma` is 0."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8) if sigma > 0 else image


def edge_fineness(image: Image) -> float:
    """Fineness of a picture's edges: the change between blurs of 0.6 and 1.2 pixels over that of 1.2 to 2.4.

    Taken where the latter is strongest, so that contrast and the share of smooth skin do not matter.
    """
    light = image.astype(np.float32).mean(-1)
    first, second, third = (cv2.GaussianBlur(light, (0, 0), sigma) for sigma in (0.6, 1.2, 2.4))
    coarse = np.abs(second - third)
    edges = coarse >= np.quantile(coarse, 0.9)
    return float(np.abs(first - second)[edges].mean() / max(float(coarse[edges].mean()), 1e-3))


def colour_gain(skin: FloatArray, donor: FloatArray, settings: MouthSettings = MOUTH_SETTINGS) -> FloatArray:
    """`[3]` factors on a donor's colours that bring its light to a face's.

    Light counts more than hue: a face in warm light has warm teeth, a face with rouge has not.

    Args:
        skin: `[3]` mean colour around the face's lips.
        donor: `[3]` the same of the donor.
        settings: of the renderer.
    """
    ratio = np.maximum(skin, 8.0) / np.maximum(donor, 8.0)
    light = float(np.exp(np.log(ratio).mean()))
    return np.asarray(np.clip(light**0.8 * (ratio / light) ** 0.6, *settings.gain), np.float32)


def misfit(donors: Sequence[Donor], target: Donor, opening: float) -> FloatArray:
    """`[N]` how badly each donor fits a face, lower is better.

    Args:
        donors: the choice.
        target: the face's own mouth.
        opening: mean gap in outer-eye distances that the donor should have.
    """
    gaps = np.array([donor.opening for donor in donors]) - opening
    widths = np.abs(np.array([donor.width for donor in donors]) - target.width)
    skins = np.stack([donor.skin for donor in donors])
    hue = np.abs(np.log(np.maximum(skins, 8) / np.maximum(target.skin, 8))).mean(1)
    return np.asarray(np.abs(gaps) / 0.06 + np.maximum(-gaps, 0) / 0.05 + widths / 0.12 + hue / 0.35)


def fitting_zoom(donor_width: float, width: float, settings: MouthSettings = MOUTH_SETTINGS) -> float:
    """Zoom at which a donor's teeth fill a mouth of that width."""
    return float(np.clip(donor_width / max(width, 1e-3), *settings.zoom))


def detailed(
    maps: FloatArray,
    colours: FloatArray,
    cover: FloatArray,
    lip: FloatArray,
    unit: float,
    settings: MouthSettings = MOUTH_SETTINGS,
    part: tuple[slice, slice] = (slice(None), slice(None)),
) -> FloatArray:
    """`[h, w, 3]` the network's colours with more contrast, and its share of a donor's detail.

    The likely colour between teeth, flesh and the dark is a grey that no mouth has: where the donor shows nothing it
    has the hue of the lips and less light; where it shows something, that is exceeded by `tooth` grey levels at most.

    Args:
        maps: `[h, w, 4]` colours in grey levels, and share.
        colours: `[h, w, 3]` the donor's, as it is laid.
        cover: `[h, w]` in [0, 1], where they are the donor's own.
        lip: `[3]` mean colour of the lips.
        unit: outer-eye distance in the patch, pixels.
        settings: of the renderer.
        part: rows and columns that are wanted.
    """
    likely = np.ascontiguousarray(maps[..., :3])
    likely += settings.contrast * (likely - blurred(likely, settings.wide * unit))
    soft = blurred(colours, DETAIL * unit)
    maps, likely, colours, soft, cover = (each[part] for each in (maps, likely, colours, soft, cover))
    tooth = np.minimum(likely, soft + settings.tooth)
    most = settings.tongue * lip  # approached, not met: its light and shade stay
    light = np.maximum(likely.mean(-1, keepdims=True), 0) / max(float(most.mean()), 1.0)
    tongue = most * light / np.cbrt(1 + light**3)
    shown = tongue + cover[..., None] * (tooth - tongue) + settings.detail * maps[..., 3:] * (colours - soft)
    return np.asarray(np.clip(shown, 0, 255), np.float32)


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
