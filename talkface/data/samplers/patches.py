"""Photos and a target frame -> one example of patches: cut, varied and stacked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.geometry.affine import compose_affine, invert, transform
from talkface.geometry.draw_mesh import draw_mesh
from talkface.geometry.resample import cut_patch, look_up, shrink_part
from talkface.landmarks.deform import Deformation, FaceDeformer, deform_each
from talkface.landmarks.layout import eye_distance
from talkface.landmarks.mesh import FaceMesh
from talkface.landmarks.patches import mouth_frame, patch_frame, patch_sketch
from talkface.landmarks.pose import head_cameras
from talkface.landmarks.rasterize import filled_mouth
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class PatchConfig:
    """Settings by which patches are drawn, cut and augmented."""

    size: int = 80  # side of the patch in pixels
    scale: float = 1.0  # side in outer-eye distances
    pool: int = 6  # frames of a clip that a pair is picked from by their opening
    jitter: float = 0.006  # noise of the target's landmarks, outer-eye distances: what a predictor gets wrong
    degrade: float = 0.25  # share of examples at a lower resolution or with a worse JPEG
    region: str = "mouth"  # mouth | face
    ani: bool = False  # whether the 3-D face is drawn
    flow: bool = False  # whether the landmarks' flow between patches is an input, to teach a learned one
    worst: float = 0.0  # share of examples whose first photo is the one of the pool whose pose differs most
    ref_ids: tuple[int, ...] = ()  # frames of every clip that are its photos; any if empty


@dataclass(frozen=True)
class Example:
    """One example of a batch as images `[S, S, C]`; lists are K long. What was not asked for has no channels."""

    warped: list[Image]
    photos: list[Image]
    photo_sketches: list[Image]
    sketch: Image
    real: Image
    inner_mouth: Image
    ani: Image
    flows: list[FloatArray]
    before_flow: FloatArray
    mouth: FloatArray
    shown: FloatArray = field(repr=False)  # `[68, 2]` landmarks that it was cut for


@dataclass(frozen=True)
class PatchBatch:
    """Examples, uint8 except where said. What was not asked for has no channels.

    Attributes:
        warped: `[B, K, 3, S, S]` each shot's photo warped to the target.
        patches: `[B, K, 6, S, S]` each shot's own patch and sketch.
        sketch: `[B, 3, S, S]` target's sketch.
        real: `[B, 3, S, S]` target's photo.
        inner_mouth: `[B, 1, S, S]` softened area between the target's lips.
        ani: `[B, 4 or 0, S, S]` the first shot's 3-D face drawn for the target, and its coverage.
        flows: `[B, K, 2 or 0, S, S]` float32, landmarks' flow from the target to each shot's own patch, pixels.
        before_flow: `[B, 2 or 0, S, S]` the same to the frame before.
        mouth: `[B, 2 or 0, 3]` float32, from a mouth patch's to a face patch's coordinates, both in [-1, 1].
    """

    warped: Tensor
    patches: Tensor
    sketch: Tensor
    real: Tensor
    inner_mouth: Tensor
    ani: Tensor
    flows: Tensor
    before_flow: Tensor
    mouth: Tensor


@dataclass(frozen=True)
class Variation:
    """Light, colour, sharpness and side, one for all pictures of an example."""

    table: Image
    saturation: float
    blur: float | None
    mirrored: bool


@dataclass(frozen=True)
class Cut:
    """Pictures that an example is cut from.

    Attributes:
        photos: `[H, W, 3]` each.
        photo_landmarks: `[K, 68, 2]`.
        target: `[H, W, 3]`.
        target_landmarks: `[68, 2]`.
        noise: `[68, 2]` outer-eye distances by which the network sees the target's landmarks wrong.
        before: `[68, 2]` landmarks that the frame before was cut for, pixels of `target`.
    """

    photos: Sequence[Image]
    photo_landmarks: FloatArray
    target: Image
    target_landmarks: FloatArray
    noise: FloatArray | None = None
    before: FloatArray | None = None


@dataclass(frozen=True)
class _Placed:
    """A cut with what it needs placed: photos and target reduced where they are large, and where the patch lies."""

    photos: list[tuple[Image, FloatArray]]
    target: Image
    points: FloatArray
    to_small: FloatArray
    shown: FloatArray
    to_patch: FloatArray


def make_examples(cuts: Sequence[Cut], config: PatchConfig) -> list[Example]:
    """Cut examples; all photos are warped at once, which takes a fraction of the time each."""
    placed = [_placed(cut, config) for cut in cuts]
    points = np.stack([np.asarray(points, np.float64) for each in placed for _, points in each.photos])
    deformers = [FaceDeformer(*each) for each in zip(points, head_cameras(points), strict=True)]
    targets = np.stack([each.shown for each in placed for _ in each.photos])
    patches = np.stack([each.to_patch for each in placed for _ in each.photos])
    warps = iter(deform_each(deformers, targets, patches, config.size))
    return [
        _finished(each, cut.before, list(islice(warps, len(each.photos))), config)
        for each, cut in zip(placed, cuts, strict=True)
    ]


def _placed(cut: Cut, config: PatchConfig) -> _Placed:
    target, points, to_small = _reduced(cut.target, np.asarray(cut.target_landmarks, np.float64), config)
    shown = points if cut.noise is None else points + eye_distance(points) * cut.noise
    to_patch = patch_frame(config.region, shown, config.size, config.scale)
    photos = [_reduced(*each, config)[:2] for each in zip(cut.photos, cut.photo_landmarks, strict=True)]
    return _Placed(photos, target, points, to_small, shown, to_patch)


def _finished(placed: _Placed, before: FloatArray | None, warps: Sequence[Deformation], config: PatchConfig) -> Example:
    size, region, shown, to_patch = config.size, config.region, placed.shown, placed.to_patch
    to_frame = invert(to_patch)
    warped, own, sketches, flows = [], [], [], []
    for (photo, points), warp in zip(placed.photos, warps, strict=True):
        offsets = warp.offsets(to_frame, (size, size), rigid=True)
        own_frame = patch_frame(region, points, size, config.scale)
        warped.append(look_up(photo, offsets, to_frame))
        own.append(cut_patch(photo, own_frame, size))
        sketches.append(patch_sketch(region, points, own_frame, size))
        flows.append(_patch_flow(offsets, to_frame, own_frame) if config.flow else np.zeros((size, size, 0)))
    clean = filled_mouth(placed.points, patch_frame(region, placed.points, size, config.scale), size)
    soft = cv2.GaussianBlur(cv2.dilate(clean, np.ones((3, 3), np.uint8)), (0, 0), 1.5)
    ani = draw_face(*placed.photos[0], shown, to_patch, size) if config.ani else np.zeros((size, size, 0), np.uint8)
    before_flow: FloatArray = np.zeros((size, size, 0))
    if before is not None:
        before = transform(placed.to_small, before)
        offsets = FaceDeformer(before).toward(shown).offsets(to_frame, (size, size), rigid=True)
        before_flow = _patch_flow(offsets, to_frame, patch_frame(region, before, size, config.scale))
    return Example(
        warped,
        own,
        sketches,
        patch_sketch(region, shown, to_patch, size),
        cut_patch(placed.target, to_patch, size),
        np.asarray(soft, np.uint8)[..., None],
        ani,
        flows,
        before_flow,
        _mouth_place(shown, to_patch, size) if region == "face" else np.zeros((0, 3)),
        transform(invert(placed.to_small), shown),
    )


def draw_face(photo: Image, points: FloatArray, target: FloatArray, to_patch: FloatArray, size: int) -> Image:
    """`[size, size, 4]` the photo's face as a light 3-D mesh in the pose of `target` `[68, 2]`, and its coverage."""
    mesh = FaceMesh(points)
    return draw_mesh(photo, mesh.places, mesh.toward(target), mesh.triangles, to_patch, size)


def draw_variation(rng: np.random.Generator) -> Variation:
    """Draw how an example's pictures look."""
    table = _colour_table(rng)
    saturation = 0.0 if rng.random() < 0.06 else rng.uniform(0.6, 1.3)
    blur = rng.uniform(0.45, 0.95) if rng.random() < 0.2 else None
    return Variation(table, saturation, blur, bool(rng.random() < 0.5))


def vary(example: Example, variation: Variation) -> Example:
    """Same example in other light, colour and sharpness, maybe mirrored; photos and target change alike."""

    def picture(image: Image) -> Image:
        if variation.blur is not None:
            blur = variation.blur
            small = cv2.resize(image, None, fx=blur, fy=blur, interpolation=cv2.INTER_AREA)
            image = np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        tinted = cv2.addWeighted(image, variation.saturation, grey, 1 - variation.saturation, 0)
        return side(np.asarray(cv2.LUT(tinted, variation.table), np.uint8))

    def side(image: Image) -> Image:
        return np.ascontiguousarray(image[:, ::-1]) if variation.mirrored else image

    def flow(field: FloatArray) -> FloatArray:
        return field[:, ::-1] * np.array([-1, 1][: field.shape[2]]) if variation.mirrored else field

    ani = example.ani
    if ani.shape[2]:
        ani = np.concatenate(
            [picture(np.ascontiguousarray(ani[..., :3])) * (side(ani[..., 3:]) > 0), side(ani[..., 3:])], 2
        )
    return replace(
        example,
        warped=[picture(image) for image in example.warped],
        photos=[picture(image) for image in example.photos],
        photo_sketches=[side(image) for image in example.photo_sketches],
        sketch=side(example.sketch),
        real=picture(example.real),
        inner_mouth=side(example.inner_mouth),
        ani=ani,
        flows=[flow(field) for field in example.flows],
        before_flow=flow(example.before_flow),
        mouth=example.mouth * [[1, -1, -1], [-1, 1, 1]] if variation.mirrored and len(example.mouth) else example.mouth,
    )


def stack_examples(examples: Sequence[Example]) -> PatchBatch:
    """Batch of examples with the same number of shots."""

    def first(images: Sequence[np.ndarray]) -> np.ndarray:
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))

    own = [np.concatenate([first(item.photos), first(item.photo_sketches)], 1) for item in examples]
    return PatchBatch(
        torch.from_numpy(np.stack([first(item.warped) for item in examples])),
        torch.from_numpy(np.stack(own)),
        torch.from_numpy(first([item.sketch for item in examples])),
        torch.from_numpy(first([item.real for item in examples])),
        torch.from_numpy(first([item.inner_mouth for item in examples])),
        torch.from_numpy(first([item.ani for item in examples])),
        torch.from_numpy(np.stack([first(item.flows) for item in examples]).astype(np.float32)),
        torch.from_numpy(first([item.before_flow for item in examples]).astype(np.float32)),
        torch.from_numpy(np.stack([item.mouth for item in examples]).astype(np.float32)),
    )


def landmark_noise(amount: float, rng: np.random.Generator) -> FloatArray:
    """`[68, 2]` outer-eye distances: noise per point, and the lower lip moved as one, as a predictor errs."""
    noise = rng.normal(0, amount, (68, 2))
    noise[[*range(55, 60), 65, 66, 67]] += rng.normal(0, 1.5 * amount, 2)
    noise[:48] *= 0.5
    return noise


def degrade(photo: Image, rng: np.random.Generator) -> Image:
    """Photo through a coarse JPEG; the target keeps its own quality."""
    _, coded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 85))])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _reduced(image: Image, points: FloatArray, config: PatchConfig) -> tuple[Image, FloatArray, FloatArray]:
    """Frame and landmarks, reduced by area where the patch's pixels are much larger, and the map to that."""
    zoom = config.size / (config.scale * eye_distance(points))
    if zoom >= 0.6:  # below, the frame is reduced by area first
        return image, points, np.eye(2, 3)
    small, to_small = shrink_part(image, (0, 0, image.shape[1], image.shape[0]), zoom)
    return small, transform(to_small, np.asarray(points, np.float64)), to_small


def _patch_flow(offsets: FloatArray, to_frame: FloatArray, source_frame: FloatArray) -> FloatArray:
    """`[S, S, 2]` from each pixel of the target's patch to where it comes from in the source's own patch."""
    size = offsets.shape[0]
    pixels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2).astype(np.float64)
    places = transform(to_frame, pixels) + offsets.reshape(-1, 2)
    return (transform(source_frame, places) - pixels).reshape(size, size, 2)


def _mouth_place(points: FloatArray, to_patch: FloatArray, size: int) -> FloatArray:
    """`[2, 3]` from a mouth patch's coordinates in [-1, 1] to the face patch's."""
    between = compose_affine(to_patch, invert(mouth_frame(points, size)))
    half = 0.5 * (size - 1)
    shift = (between[:, :2].sum(1) * half + between[:, 2]) / half - 1
    return np.hstack([between[:, :2], shift[:, None]])


def _colour_table(rng: np.random.Generator) -> Image:
    """`[1, 256, 3]` look-up table: gamma, gain, and a tint per channel."""
    level = np.arange(256) / 255
    curve = level ** np.exp(rng.normal(0, 0.2))
    gains = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.06, 3))
    return np.asarray(np.clip(255 * curve[:, None] * gains + rng.normal(0, 4), 0, 255), np.uint8)[None]
