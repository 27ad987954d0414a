"""Sketches: what is filled, and in which channel."""

from pathlib import Path

import numpy as np
import pytest

from talkface.errors import ConfigError
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.patches import mouth_frame
from talkface.landmarks.rasterize import face_sketch, mouth_sketch
from talkface.landmarks.sketch_styles import SKETCHES, sketch_style
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


@pytest.mark.parametrize("style", ["lines", "lines_forehead", "edges", "edges_forehead"])
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
    with pytest.raises(ConfigError, match=r"invalid model.sketch 'dots': expected one of lines, edges"):
        FewshotConfig(sketch="dots")


@pytest.fixture(scope="module")
def drawn():
    """Drawings that the original code made of one set of landmarks."""
    return np.load(Path(__file__).parents[1] / "golden" / "sketches.npz")


def overlap(sketch: np.ndarray, original: np.ndarray, background: int) -> float:
    """Share of the pixels drawn by either that both draw."""
    ours, theirs = (np.abs(each.astype(int) - background).max(2) > 127 for each in (sketch, original))
    return float((ours & theirs).sum() / (ours | theirs).sum())


def test_the_authors_stickman_is_equal(drawn):
    assert np.array_equal(face_sketch(drawn["landmarks"], (256, 256), "authors"), drawn["fsth_authors"])


@pytest.mark.parametrize("style", ["vt", "grey"])
def test_matplotlib_s_lines_are_drawn_without_matplotlib(style, drawn):
    sketch = face_sketch(drawn["landmarks"], (256, 256), style)
    assert overlap(sketch, drawn[style], 255) > 0.98
    assert np.abs(sketch.astype(int) - drawn[style]).mean() < 0.1


@pytest.mark.parametrize("shift", [-170, 170])
def test_a_plotted_face_may_leave_the_picture(shift, drawn):
    face = drawn["landmarks"]
    whole = face_sketch(face + 200, (656, 656), "vt")
    cut = face_sketch(face + np.array([shift, 0]), (256, 256), "vt")
    assert np.abs(cut.astype(int) - whole[200:456, 200 - shift : 456 - shift]).max() < 25  # OpenCV rounds at its edges
    assert (face_sketch(face + 1000, (256, 256), "vt") == 255).all()


def test_reenactment_draws_what_pillow_draws_in_greys_colours():
    face = MEAN_FACE * 80 + 150
    sketch, grey = (face_sketch(face, (320, 300), style) for style in ("reenactment", "grey"))
    assert len(np.unique(sketch.reshape(-1, 3), axis=0)) == 6  # five colours and white, nothing in between
    assert overlap(sketch, grey, 255) > 0.6


@pytest.mark.parametrize("style", SKETCHES)
def test_parts_of_every_style_can_be_left_out(style):
    face = MEAN_FACE * 80 + 150
    whole = face_sketch(face, (320, 300), style).astype(int)
    for change in ("no_oval", "one_colour", "forehead"):
        assert (face_sketch(face, (320, 300), f"{style}_{change}") != whole).any() == (
            f"{style}_{change}" != "edges_one_colour"
        )
    chin = np.round(face[8]).astype(int)
    assert (face_sketch(face, (320, 300), f"{style}_no_oval")[chin[1], chin[0]] == whole[0, 0]).all()
    both = sketch_style(f"{style}_no_inner_lip_no_oval")
    assert both is not None and len(both.parts) == 7


def test_a_name_that_means_nothing_is_none():
    assert sketch_style("lines_no_nose") is None and sketch_style("dots") is None
