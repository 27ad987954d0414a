"""Prepared photos -> their mouths, as they are and as a warp of shut lips would show them.

A user's photo has its lips shut. Warped open, it lacks the light and the lips of a mouth that is really open. So every
open mouth comes with such a warp: of the clip's frame with the lips shut, else of the photo itself, warped shut first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.geometry.donor import MOUTH_SETTINGS, Donor, lip_gap, measure_donor
from talkface.landmarks.deform import FaceDeformer
from talkface.landmarks.layout import MOUTH, STABLE, eye_distance, mouth_opening
from talkface.landmarks.mean_face import from_canonical, to_canonical
from talkface.landmarks.mouth_patch import cut_mouth_patch, mouth_patch_frame, patch_size, skin_colour, teeth_share
from talkface.landmarks.retarget import close_mouth
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class MouthSettings:
    """Settings by which mouths are cut from photos and paired with donors."""

    crop_unit: float = 192.0  # outer-eye distance of the crops that examples are cut from, pixels
    grow: tuple[int, int] = (2, 6)  # pixels by which the hole reaches beyond the lips, drawn for every example
    point_noise: float = 0.6  # pixels, of every lip point and of all together
    shift_noise: float = 0.4
    open: float = 0.03  # mean gap in outer-eye distances from which a mouth is an example
    centred: float = 0.1  # outer-eye distances by which the mouth may lie beside the nose: no profiles
    donor_open: float = 0.05  # least gap, size in pixels and share of teeth of a donor
    donor_unit: float = 100.0
    donor_teeth: float = 0.12
    shut: float = 0.04  # mean gap up to which a frame stands for a photo with shut lips
    warped_share: float = 0.85  # of the examples: shut lips warped to theirs are seen around the hole
    self_share: float = 0.4  # of examples whose donor is the same person
    lent_share: float = 0.6  # of those: another frame warped to the lips, where there is one
    lenders: int = 4  # frames of a clip that are
    lent_apart: int = 3  # frames of the clip between such a frame and the one that it is warped to, at least
    lent_wider: float = 0.04  # gap, outer-eye distances, by which its lips may be less open
    upper_share: float = 0.5  # of those whose donor is the photo itself: its upper teeth alone
    candidates: int = 24  # donors that the best is taken of
    lower_share: float = 0.7  # of donors with upper teeth alone: another's lower ones are put below them


MOUTH_SAMPLES = MouthSettings()


@dataclass(frozen=True)
class Mouth:
    """A photo's mouth: what can be generated, and what can be a donor.

    Attributes:
        donor: `MOUTH_SAMPLES.crop_unit` pixels between the outer eye corners, and its inner lips.
        lips: `[20, 2]` points 48-67 in the donor's picture.
        skull: `[11, 2]` points there that speech does not move.
        speaker: who it is.
        tier: of the photo's licence.
        key: of its clip.
        source_unit: outer-eye distance in the photo, pixels.
        teeth: share of bright and pale pixels between the lips.
        talking: whether it is a frame of a talking clip.
        warped: as the donor's picture, shut lips warped to these, by `warp_shut`.
        lent: the same of other open lips of the person, by `warp_open`.
    """

    donor: Donor
    lips: FloatArray
    skull: FloatArray
    speaker: str
    tier: str
    key: str
    source_unit: float
    teeth: float = 0.0
    talking: bool = False
    warped: Image | None = None
    lent: Image | None = None


def cut_mouth(clip: PreparedClip, index: int, unit: float = MOUTH_SAMPLES.crop_unit) -> Mouth | None:
    """The mouth of one of a clip's photos; None where its lips are turned inside out or the head is in profile."""
    landmarks = clip.landmarks[index]
    patch, points = cut_mouth_patch(clip.image(index), landmarks, unit)
    lips = np.asarray(points[MOUTH], np.float32)
    aside = abs(float(lips[:12, 0].mean() - points[27:34, 0].mean())) / unit
    if lip_gap(lips[12:]) < 0 or aside > MOUTH_SAMPLES.centred:
        return None
    donor = measure_donor(patch, lips[12:], skin_colour(patch, lips, unit), unit)
    source_unit = eye_distance(landmarks) / float(np.sqrt(abs(np.linalg.det(clip.crops[index][:, :2]))))
    return Mouth(
        donor=donor,
        lips=lips,
        skull=np.asarray(points[STABLE], np.float32),
        speaker=clip.speaker,
        tier=str(clip.meta.get("tier", "")),
        key=clip.key,
        source_unit=source_unit,
        teeth=teeth_share(patch, lips[12:]),
        talking=clip.fps > 0,
    )


def load_mouths(clips: Sequence[PreparedClip], tiers: Sequence[str] = ()) -> list[Mouth]:
    """Mouths of all photos, and of the open-mouthed frames of clips; of some licence tiers only where any are named."""
    found = []
    for clip in clips:
        if not tiers or clip.meta.get("tier") in tiers:
            wanted = (
                mouth_opening(clip.landmarks) > MOUTH_SAMPLES.open
                if clip.fps > 0
                else np.ones(len(clip.landmarks), bool)
            )
            cut = [(int(i), cut_mouth(clip, int(i))) for i in np.flatnonzero(wanted)]
            usable = [(i, mouth) for i, mouth in cut if mouth is not None]
            indices = [i for i, _ in usable]
            lent = warp_open(clip, dict(usable)) if clip.fps > 0 else {}
            for (i, mouth), seen in zip(usable, warp_shut(clip, indices), strict=True):
                found.append(replace(mouth, warped=seen, lent=lent.get(i)))
    return found


def warp_shut(clip: PreparedClip, indices: Sequence[int]) -> list[Image]:
    """Shut lips as a mouth patch of each of `indices`, warped to its landmarks.

    The clip's frame with the least open lips where it shows them shut, else and for that frame the frame itself, whose
    lips are warped shut first.
    """
    openings = mouth_opening(clip.landmarks)
    shut = int(np.argmin(openings))
    made = _warped(clip, shut, [i for i in indices if i != shut and openings[shut] < MOUTH_SAMPLES.shut])
    for i in set(indices) - set(made):
        image, points = clip.image(i), np.asarray(clip.landmarks[i], np.float64)
        canonical, matrices = to_canonical(points[None])
        closed = from_canonical(close_mouth(canonical[0])[None], matrices)[0].astype(np.float64)
        image = FaceDeformer(points).toward(closed).warp_patch(image, np.eye(2, 3), (image.shape[1], image.shape[0]))
        to_patch = mouth_patch_frame(points, MOUTH_SAMPLES.crop_unit)
        size = patch_size(MOUTH_SAMPLES.crop_unit)
        made[i] = FaceDeformer(closed).toward(points).warp_patch(image, to_patch, size)
    return [made[i] for i in indices]


def warp_open(clip: PreparedClip, mouths: Mapping[int, Mouth]) -> dict[int, Image]:
    """Other open lips of a clip as a mouth patch of its frames, warped to their landmarks: as a second photo's in use.

    Frames that are lent show teeth and are spread over the clip; a frame has none where all of them are near to it or
    much less open.
    """
    lending = [i for i, mouth in mouths.items() if may_lend(mouth, MOUTH_SETTINGS.own_unit)]
    spread = np.linspace(0, len(lending) - 1, min(MOUTH_SAMPLES.lenders, len(lending))).astype(int)
    lenders = [lending[int(k)] for k in spread]
    lent: dict[int, list[int]] = {i: [] for i in lenders}
    for turn, (i, mouth) in enumerate(mouths.items()):
        least = mouth.donor.opening - MOUTH_SAMPLES.lent_wider
        fit = [j for j in lenders if abs(i - j) >= MOUTH_SAMPLES.lent_apart and mouths[j].donor.opening > least]
        if fit:
            lent[fit[turn % len(fit)]].append(i)
    made: dict[int, Image] = {}
    for lender, targets in lent.items():
        made |= _warped(clip, lender, targets)
    return made


def _warped(clip: PreparedClip, index: int, targets: Sequence[int]) -> dict[int, Image]:
    """One of a clip's frames as a mouth patch of others, warped to their landmarks."""
    if not targets:
        return {}
    image, deformer = clip.image(index), FaceDeformer(np.asarray(clip.landmarks[index], np.float64))
    size, made = patch_size(MOUTH_SAMPLES.crop_unit), {}
    for i, deformation in zip(targets, deformer.toward_all(clip.landmarks[targets]), strict=True):
        to_patch = mouth_patch_frame(clip.landmarks[i], MOUTH_SAMPLES.crop_unit)
        made[i] = deformation.warp_patch(image, to_patch, size)
    return made


def may_lend(mouth: Mouth, unit: float = MOUTH_SAMPLES.donor_unit) -> bool:
    """Whether a mouth may be a donor: open, with teeth, and more than `unit` pixels between the outer eye corners."""
    enough = mouth.donor.opening > MOUTH_SAMPLES.donor_open and mouth.source_unit > unit
    return enough and mouth.teeth > MOUTH_SAMPLES.donor_teeth
