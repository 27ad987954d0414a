"""Identity + pixel landmarks -> the photo warped, a donor's mouth fitted between its lips by a network."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.checkpoints.load import load_mouth, unpack_donors
from talkface.geometry.affine import compose_affine, invert, transform
from talkface.geometry.donor import (
    Donor,
    blurred_by,
    colour_gain,
    detailed,
    edge_fineness,
    fitting_zoom,
    lay_donor,
    misfit,
    softening,
    upper_middle,
    upper_rows,
)
from talkface.geometry.matte import Mask
from talkface.geometry.resample import pixel_box, place_patch
from talkface.geometry.spline import smooth_step
from talkface.landmarks.deform import Deformation
from talkface.landmarks.layout import INNER_LIP, MOUTH, eye_distance, mouth_opening
from talkface.landmarks.mouth_patch import (
    GROW,
    UNIT,
    cut_mouth_patch,
    face_mouth,
    lip_colour,
    lip_masks,
    lower_lender,
    mouth_not_lent,
    mouth_patch_frame,
    own_donor,
    own_teeth,
    patch_size,
    strange_teeth,
    turned,
    why_not_lent,
    with_lower_teeth,
)
from talkface.media.colour import to_levels, to_signed
from talkface.models.mouth import MouthInpainter
from talkface.renderers.base import BATCH, Identity, Rendered, Tuning, multiplies_bf16, one_thread
from talkface.renderers.canvas import Canvas, lips_moved
from talkface.types import FloatArray, Image, Shot

FIRST = 2  # frames that are given before the next are begun: they are waited for, and need no matte yet


@dataclass(frozen=True)
class MouthIdentity(Identity):
    """A person whose mouth can be generated.

    Attributes:
        coarse: the donor at the network's size, in the photo's light.
        fine: the same at the photo's size.
        zoom: how much smaller it is shown.
        teeth: `[2]` where its upper lip goes in the photo's working copy.
        unit: outer-eye distance of the fine patch, pixels.
        own: whether the donor is this person.
        lip: `[3]` mean colour of the photo's lips.
    """

    coarse: Donor | None = field(default=None, repr=False)
    fine: Donor | None = field(default=None, repr=False)
    zoom: float = 1.0
    teeth: FloatArray = field(default_factory=lambda: np.zeros(2), repr=False)
    unit: float = UNIT
    own: bool = False
    lip: FloatArray = field(default_factory=lambda: np.full(3, 128.0), repr=False)


@dataclass(frozen=True)
class _Place:
    """One frame's mouth: what the network sees of it, and where it is."""

    picture: Image
    colours: FloatArray
    cover: FloatArray
    masks: Image
    anchor: FloatArray  # `[2]` pixels of the photo's frame, where the upper teeth begin
    lent: Deformation | None  # of another photo of the person, which shows the open mouth


@dataclass(frozen=True)
class _Warped:
    """One frame before its mouth is filled; with a share of 0 it stays as it is."""

    frame: Image
    target: FloatArray
    deformation: Deformation
    share: float


class MouthRenderer:
    """The warp, with a donor's mouth between the lips.

    The donor is the person's own open mouth where one of the photos shows it, else the best match among those of the
    checkpoint; it is chosen once. Its upper teeth stay with the skull, what is below follows the lower lip; another
    photo's mouth is warped as far as it is open. The network says how likely its colours are, and how much of its
    detail belongs there.
    """

    name = "hybrid"
    tuning = Tuning()

    def __init__(self, network: MouthInpainter, donors: Sequence[Donor], device: torch.device) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        if device.type == "cpu":
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.donors, self.device = tuple(donors), device
        self._lower = lower_lender(donors)
        if multiplies_bf16(device):
            self.network.to(torch.bfloat16)

    def enroll(self, shots: Sequence[Shot]) -> MouthIdentity:
        """Prepare a person; the first shot is the picture that will move, the others may lend their teeth."""
        settings = self.tuning.mouth
        canvas, face = Canvas(shots[0], self.tuning.canvas), face_mouth(shots[0], settings)
        refused = [why_not_lent(shots[0], face.skin, shot, settings) for shot in shots[1:]]
        lending = [shots[0], *(shot for shot, why in zip(shots[1:], refused, strict=True) if not why)]
        own = [(shot, donor) for shot in lending if (donor := own_donor(shot, settings)) is not None]
        toothless = [] if own else lending[1:]
        own = own or [(shot, donor) for shot in toothless if (donor := own_donor(shot, settings, toothless=True))]
        choice = [donor for _, donor in own] or self.donors
        best = int(misfit(choice, face, settings.wanted).argmin())
        donor = with_lower_teeth(choice[best], self._lower)
        if own and (toothless or donor.opening < choice[best].opening):  # what a wide mouth of their own shows stays
            donor = choice[best]
        gain = colour_gain(face.skin, donor.skin, settings)
        unit = float(np.clip(eye_distance(shots[0].landmarks), *settings.sizes))
        coarse, fine = (_lit(donor.resized(each), gain) for each in (UNIT, unit))
        patch, _ = cut_mouth_patch(shots[0].image, shots[0].landmarks, unit)
        fineness = edge_fineness(patch)
        fine = replace(fine, image=blurred_by(fine.image, softening(fine.image, fineness, settings)))
        zoom = 1.0 if own else fitting_zoom(donor.width, face.width, settings)
        teeth = own_teeth(shots[0], own[best][0]) if own else strange_teeth(shots[0], settings)
        seat = canvas.to_work(teeth[None])[0]
        canvases = [canvas]
        if own and own[best][0] is not shots[0]:  # the photo's own warp shows its own mouth already
            lender = Canvas(own[best][0], replace(self.tuning.canvas, work_unit=unit))
            mouth, _ = cut_mouth_patch(lender.shot.image, lender.shot.landmarks, unit)
            sigma = softening(mouth, fineness, settings) * float(eye_distance(lender.landmarks)) / unit
            lender.work = blurred_by(_in_light(lender.work, gain), sigma)
            canvases.append(lender)
        return MouthIdentity(
            tuple(canvases),
            coarse=coarse,
            fine=fine,
            zoom=zoom,
            teeth=seat,
            unit=unit,
            own=bool(own),
            lip=lip_colour(shots[0]),
            notes=() if own else mouth_not_lent(refused),
        )

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """Frames; the mouths of one batch are filled in a thread of their own while the next one is warped."""
        assert isinstance(identity, MouthIdentity), "this identity was enrolled by another renderer"
        canvas = identity.canvases[0]
        frames_pixels = 16_000_000  # of the frames of one batch, two of which are in memory at once
        count = int(np.clip(frames_pixels // (canvas.shot.image.size // 3), 1, BATCH))
        warped = _warp_each(canvas, np.asarray(landmarks, np.float64))
        yield from self._fill_batch(identity, list(islice(warped, min(FIRST, count))))
        with ThreadPoolExecutor(1) as beside:
            batch = list(islice(warped, count))
            while batch:
                filled = beside.submit(self._fill_batch, identity, batch)
                batch = list(islice(warped, count))
                yield from filled.result()

    def _fill_batch(self, identity: MouthIdentity, batch: Sequence[_Warped]) -> list[Rendered]:
        open_ones = np.array([each.target for each in batch if each.share > 0])
        lenders = identity.canvases[1:] if len(open_ones) else ()
        lent = iter([each for canvas in lenders for each in canvas.deform_all(open_ones)])
        places = [self._place(identity, each, next(lent, None)) if each.share > 0 else None for each in batch]
        maps = iter(self._predict(identity, [each for each in places if each is not None]))
        filled = []
        for each, place in zip(batch, places, strict=True):
            shown = () if place is None else self._fill(identity, each, place, next(maps))
            filled.append(Rendered(each.frame, each.target, *shown))
        return filled

    def _place(self, identity: MouthIdentity, warped: _Warped, lent: Deformation | None) -> _Place:
        assert identity.coarse is not None
        target, canvas = warped.target, identity.canvases[0]
        picture, points = cut_mouth_patch(warped.frame, target)
        moved = transform(invert(warped.deformation.to_photo), identity.teeth[None])  # with the head, not with the lips
        anchor = transform(invert(canvas.work_affine), moved)[0]
        to_patch = mouth_patch_frame(target)
        upper, gap = _laid_at(anchor, target, to_patch)
        colours, cover = lay_donor(
            identity.coarse, upper, gap, identity.zoom, patch_size(), turned(target), self.tuning.mouth
        )
        masks = lip_masks(points[MOUTH], patch_size(), GROW * UNIT)
        if lent is not None:
            _lend(identity, lent, target, to_patch, colours, cover, masks[..., 2])
        return _Place(picture, colours, cover, masks, anchor, lent)

    @torch.no_grad()
    def _predict(self, identity: MouthIdentity, places: Sequence[_Place]) -> FloatArray:
        """`[N, h, w, 4]` of every place: colours in grey levels and share of the donor's detail."""
        if not places:
            return np.zeros((0, 1, 1, 4), np.float32)
        picture, colours = (
            to_signed(self._tensor([getattr(place, name) for place in places])) for name in ("picture", "colours")
        )
        masks = self._tensor([place.masks for place in places]) / 255
        cover = self._tensor([place.cover[..., None] for place in places])
        own = torch.full((len(places),), float(identity.own), device=self.device, dtype=cover.dtype)
        with one_thread(self.device):
            likely, share = self.network(picture, colours, cover, masks, own)
        return np.asarray(torch.cat([to_levels(likely), share], 1).movedim(1, -1).cpu().numpy(), np.float32)

    def _fill(
        self, identity: MouthIdentity, warped: _Warped, place: _Place, maps: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Fill, in place, the hole between the lips; returns where `[H, W]`, and the map to that patch.

        Args:
            identity: whose mouth.
            warped: the frame.
            place: where the donor lies.
            maps: the network's.
        """
        assert identity.fine is not None
        settings, size, target = self.tuning.mouth, patch_size(identity.unit), warped.target
        to_patch = mouth_patch_frame(target, identity.unit)
        upper, gap = _laid_at(place.anchor, target, to_patch)
        lips = transform(to_patch, target[MOUTH])
        hole = lip_masks(lips, size, settings.reach * identity.unit)[..., 2]
        left, top, width, height = cv2.boundingRect(hole)
        if not width:
            return np.zeros(hole.shape, np.float32), to_patch
        box = slice(top, top + height), slice(left, left + width)
        beyond = settings.own_lips * identity.unit if identity.own else 0.0
        colours, cover = lay_donor(identity.fine, upper, gap, identity.zoom, size, turned(target), settings, beyond)
        above = cover[box] * upper_rows(identity.fine, upper, identity.zoom, size)[box] if identity.own else None
        lent = 0.0 if place.lent is None else _lend(identity, place.lent, target, to_patch, colours, cover, hole)
        maps = np.asarray(cv2.resize(maps, size, interpolation=cv2.INTER_LINEAR), np.float32)
        inside = detailed(maps, colours, cover, identity.lip, identity.unit, settings, box)
        if above is not None:  # its upper teeth as laid; of a mouth that is warped, a part
            seen = above + lent * (settings.lent - above)
            inside += seen[..., None] * (colours[box] - inside)
        inside = identity.canvases[0].toned(inside)
        shown = hole.astype(np.float32) / 255 * np.float32(warped.share)
        filling = np.dstack([inside, shown[box]]).astype(np.float32)
        _blend(warped.frame, filling, to_patch - np.array([[0, 0, left], [0, 0, top]]), (width, height))
        return shown, to_patch

    def _tensor(self, images: Sequence[np.ndarray]) -> Tensor:
        """`[H, W, C]` each -> `[N, C, H, W]` on the device, as precise as the network's weights; channels last."""
        return torch.from_numpy(np.stack(images)).to(self.device, self.network.stem.weight.dtype).movedim(-1, 1)


def load_mouth_renderer(checkpoint: Checkpoint, device: torch.device) -> MouthRenderer:
    """Renderer of a checkpoint of kind `mouth`.

    Raises:
        CheckpointError: settings or weights that do not fit this version's network.
    """
    donors = unpack_donors(checkpoint.tensors, "this mouth network")
    return MouthRenderer(load_mouth(checkpoint), donors, device)


def _warp_each(canvas: Canvas, landmarks: FloatArray) -> Iterator[_Warped]:
    """The photo warped to each of `[T, 68, 2]`; many deformations are made at a time, at a fraction of the cost."""
    many = 32
    for targets in np.split(landmarks, range(FIRST, len(landmarks), many)):
        for target, to in zip(targets, canvas.deform_all(targets), strict=True):
            yield _Warped(canvas.warp(to), target, to, filled_share(canvas, to, target))


def filled_share(canvas: Canvas, deformation: Deformation, target: FloatArray) -> float:
    """How far the hole between the lips is filled, 0 to 1.

    Nowhere while the lips are as in the photo or shut, nor where the photo shows teeth and the mouth opens no wider:
    the warp has those teeth, and hides them as lips shut.
    """
    shown, opened = float(mouth_opening(canvas.landmarks)), float(mouth_opening(target))
    own = smooth_step(shown, 0.05, 0.1) * (1 - smooth_step(opened - shown, 0.0, 0.04))
    settings = canvas.settings
    share = smooth_step(lips_moved(canvas, deformation, target), *settings.lips_still)
    return share * smooth_step(opened, *settings.lips_shut) * (1 - own)


def _laid_at(anchor: FloatArray, target: FloatArray, to_patch: FloatArray) -> tuple[FloatArray, float]:
    """Where in a patch the donor's upper lip goes, and how far above the lower lip that is."""
    upper = transform(to_patch, anchor[None])[0]
    lips = transform(to_patch, target[INNER_LIP])
    upper[1] = min(upper[1], upper_middle(lips)[1])  # a lip that rises above its teeth would bare nothing
    return upper, float(lips[5:8, 1].mean() - upper[1])


def _lend(
    identity: MouthIdentity,
    lent: Deformation,
    target: FloatArray,
    to_patch: FloatArray,
    colours: FloatArray,
    cover: FloatArray,
    hole: Mask,
) -> float:
    """Put another photo's mouth, warped to the lips, in place of a donor that is laid, in place.

    It is shown as far as that mouth is open: beyond, its teeth would be stretched, and laid ones are not. Returns how
    much of it is seen, 0 to 1.
    """
    lender = identity.canvases[1]
    wider = float(mouth_opening(target)) - float(mouth_opening(lender.landmarks))
    share = 1 - float(smooth_step(wider, 0.0, 0.04))
    if share > 0:
        picture = lender.warp_patch(lent, compose_affine(to_patch, invert(lender.work_affine)), hole.shape[::-1])
        colours += share * (picture - colours)
        cover += share * (hole.astype(np.float32) / 255 - cover)
    return share


def _in_light(image: Image, gain: FloatArray) -> Image:
    return np.asarray(np.clip(image * gain + 0.5, 0, 255).astype(np.uint8))


def _lit(donor: Donor, gain: FloatArray) -> Donor:
    """A donor in other light."""
    return replace(donor, image=_in_light(donor.image, gain), cavity=donor.cavity * gain, skin=donor.skin * gain)


def _blend(frame: Image, generated: FloatArray, to_patch: FloatArray, size: tuple[int, int]) -> None:
    """Lay a patch's colours (three channels) over a frame, in place, as far as its fourth channel says."""
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], [size[0], size[1]]], np.float64)
    seen = transform(invert(to_patch), corners)
    left, top, right, bottom = pixel_box(np.stack([seen.min(0), seen.max(0)]), (frame.shape[1], frame.shape[0]))
    if left >= right or top >= bottom:
        return
    laid = place_patch(generated, to_patch, (left, top), (right - left, bottom - top))
    part = frame[top:bottom, left:right].astype(np.float32)
    part += laid[..., 3:] * (laid[..., :3] - part)
    frame[top:bottom, left:right] = np.clip(part + 0.5, 0, 255).astype(np.uint8)
