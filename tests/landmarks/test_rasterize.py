"""Sketches: what is filled, and in which channel."""

import numpy as np

from talkface.landmarks.frames import mouth_frame
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.rasterize import face_sketch, mouth_sketch


def test_mouth_sketch_fills_the_inner_mouth_within_the_lips():
    face = MEAN_FACE * 80 + 300
    face[[65, 66, 67]] += [0, 20]
    face[55:60] += [0, 20]
    sketch = mouth_sketch(face, mouth_frame(face, 96), 96)
    inner, lips = sketch[..., 0] > 128, sketch[..., 1] > 128
    assert inner.sum() > 100 and lips.sum() > inner.sum()
    assert (inner & ~lips).sum() == 0
    shut = face.copy()
    shut[[67, 66, 65]] = shut[[61, 62, 63]]
    assert (mouth_sketch(shut, mouth_frame(face, 96), 96)[..., 0] > 128).sum() < 0.35 * inner.sum()


def test_face_sketch_has_the_photos_size_and_draws_near_the_points():
    face = MEAN_FACE * 80 + 150
    sketch = face_sketch(face, (320, 300))
    assert sketch.shape == (300, 320, 3)
    x, y = np.round(face[8]).astype(int)
    assert sketch[y - 1 : y + 2, x - 1 : x + 2].max() > 150
    assert sketch[:20].max() == 0
