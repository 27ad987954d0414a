"""Sketches: what is filled, and in which channel."""

import numpy as np
import pytest

from talkface.errors import ConfigError
from talkface.landmarks.frames import mouth_frame
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.rasterize import SKETCHES, face_sketch, mouth_sketch
from talkface.landmarks.upper_face import upper_face
from talkface.models.fewshot import FewshotConfig


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


@pytest.mark.parametrize("style", SKETCHES)
def test_every_style_draws_all_landmarks_and_only_forehead_styles_the_forehead(style):
    face = MEAN_FACE * 80 + 150
    sketch = face_sketch(face, (320, 300), style).max(2)

    def shown(points: np.ndarray) -> float:
        x, y = np.round(points).astype(int).T
        return float(np.mean([sketch[b - 1 : b + 2, a - 1 : a + 2].max() > 60 for a, b in zip(x, y, strict=True)]))

    assert shown(face) == 1.0
    assert shown(upper_face(face)) == (1.0 if style.endswith("forehead") else 0.0)
    colours = face_sketch(face, (320, 300), style)
    assert (colours == colours[..., :1]).all() == style.startswith("edges")


def test_edges_are_curves_and_lines_are_straight():
    """Halfway between three points of an arc the curve leaves the chord."""
    face = np.full((68, 2), -1000.0)
    face[:17] = 100 + 80 * np.stack([np.cos(np.linspace(np.pi, 0, 17)), np.sin(np.linspace(np.pi, 0, 17))], 1)
    face[17:] = face[0]
    lines, edges = (face_sketch(face, (200, 200), style).max(2) for style in ("lines", "edges"))
    far = [np.abs(np.hypot(*(np.argwhere(drawn > 100)[:, ::-1] - 100).T) - 80).mean() for drawn in (lines, edges)]
    assert far[1] < far[0]


def test_the_style_is_checked_before_training():
    with pytest.raises(ConfigError, match=r"model.sketch is 'dots': use one of lines"):
        FewshotConfig(sketch="dots")
