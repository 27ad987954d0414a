"""The shipped head motion on the shipped photo: hair beside a turning head keeps its texture's length."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import talkface.cli.demo as demo
from talkface.geometry.affine import transform
from talkface.geometry.matte import person_matte
from talkface.inference.animator import Animator
from talkface.inference.request import AnimateOptions
from talkface.media.speech import open_speech
from talkface.renderers.canvas import Canvas


def hair_of(canvas: Canvas) -> np.ndarray:
    """`[H, W]` (bool) pixels of the working copy that belong to the person, above the chin and outside the face."""
    height, width = canvas.work.shape[:2]
    brows = canvas.landmarks[17:27] - (0, 0.35 * canvas.deformer.unit)
    face = np.zeros((height, width), np.uint8)
    hull = cv2.convexHull(np.concatenate([canvas.landmarks, brows]).astype(np.float32))
    cv2.fillConvexPoly(face, hull.astype(np.int32), 1)
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2).astype(float)
    head = transform(canvas.deformer.ellipse, places).reshape(height, width, 2)
    beside = (np.linalg.norm(head, axis=-1) < 1.35) & (head[..., 1] < 0.6)
    return (person_matte(canvas.work, canvas.deformer.ellipse) > 200) & (face == 0) & beside


def stretch(canvas: Canvas, target: np.ndarray, hair: np.ndarray) -> float:
    """95th percentile over the hair's pixels of how many times longer the frame shows it than the photo, any way."""
    height, width = hair.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    offsets = canvas.deform(target).offsets(np.eye(2, 3), (width, height))
    places = np.stack([offsets[..., 0] + x, offsets[..., 1] + y])  # in the photo, of each pixel of the frame
    slopes = np.stack([np.stack([np.gradient(each, axis=1), np.gradient(each, axis=0)], -1) for each in places], -2)
    column, row = np.round(places).astype(int).clip(0, np.array([width - 1, height - 1])[:, None, None])
    shortest = np.linalg.svd(slopes[hair[row, column]], compute_uv=False)[:, -1]
    return float(np.percentile(1 / np.maximum(shortest, 0.05), 95))


@pytest.mark.flow
def test_hair_is_not_stretched() -> None:
    animator = Animator.from_pretrained("warp")
    folder = Path(demo.__file__).parent
    subject = animator.prepare(folder / "demo_photo.jpg")
    options = AnimateOptions()
    track = animator.track_speech(open_speech(folder / "demo_speech.flac"), options.fps, subject)
    targets = np.concatenate(list(animator.landmarks(subject, track, options)))[::10]
    canvas = subject.identity.canvases[0]
    hair = hair_of(canvas)
    assert hair.sum() > 2_000
    stretched = [stretch(canvas, target, hair) for target in targets]
    assert max(stretched) > 1.02, "the head turns"
    assert np.percentile(stretched, 95) < 1.15
    assert np.mean(stretched) < 1.1
