"""Whole photos and their landmarks -> pictures and sketches as a few-shot network sees them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from talkface.data.prepare.crops import load_cropper
from talkface.geometry.affine import transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.face import box_of_landmarks
from talkface.landmarks.rasterize import face_sketch
from talkface.media.colour import to_levels, to_signed
from talkface.types import FloatArray, Image, Shot


def picture_map(landmarks: FloatArray, crop: str, side: float, size: int) -> FloatArray:
    """`[2, 3]` map from pixels of a photo to the network's picture, placed by `[68, 2]` landmarks.

    Args:
        crop: preset of `data/prepare/crops`.
        side: of the preset `face`: side of the picture over that of the detector's box.
        size: side of the picture in pixels.
    """
    box, _ = box_of_landmarks(landmarks)
    # the crop `fsth` takes a square frame for a face track that is cut already; a photo is none
    return load_cropper(crop, size, side).place(landmarks, box, (1, 2), jump=True)


def sketch_picture(landmarks: FloatArray, to_picture: FloatArray, size: int, style: str) -> Image:
    """Sketch `[S, S, 3]` of a photo's landmarks `[68, 2]`, seen through `to_picture`, in a style of `face_sketch`."""
    return face_sketch(transform(to_picture, np.asarray(landmarks, np.float64)), (size, size), style)


def shot_pictures(shots: Sequence[Shot], crop: str, side: float, size: int, style: str) -> tuple[Tensor, Tensor]:
    """Pictures and sketches of shots, each cut by its own landmarks: `[K, 3, S, S]` in [-1, 1] both."""
    images, sketches = [], []
    for shot in shots:
        to_picture = picture_map(shot.landmarks, crop, side, size)
        images.append(cut_patch(shot.image, to_picture, size))
        sketches.append(sketch_picture(shot.landmarks, to_picture, size, style))
    return signed(images), signed(sketches)


def signed(pictures: Sequence[Image]) -> Tensor:
    """`[S, S, 3]` uint8 pictures -> `[N, 3, S, S]` float32 in [-1, 1]."""
    return to_signed(torch.from_numpy(np.stack(pictures)).movedim(-1, 1))


def unsigned(tensor: Tensor, *, rounded: bool = True) -> np.ndarray:
    """`[..., 3, H, W]` in [-1, 1] -> `[..., H, W, 3]` uint8, rounded, or cut off as trainings measure and preview."""
    levels = to_levels(tensor.detach().float())
    pixels = (levels.round() if rounded else levels).clamp(0, 255).byte()
    return np.ascontiguousarray(pixels.movedim(-3, -1).cpu().numpy())
