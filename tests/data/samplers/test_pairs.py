"""Pairs and patches from a drawn clip whose mouth opens."""

import numpy as np
import pytest

from talkface.data.samplers.pairs import PairSampler, pose_error
from talkface.data.samplers.patches import Cut, PatchConfig, make_examples, stack_examples
from talkface.geometry.affine import invert
from talkface.geometry.resample import look_up
from talkface.landmarks.deform import FaceDeformer
from talkface.landmarks.layout import mouth_opening
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.patches import patch_frame
from tests.drawn import drawn_clip

CONFIG = PatchConfig(size=48)


def test_batch_has_its_shapes_and_repeats_with_its_seed():
    sampler = PairSampler([drawn_clip("a"), drawn_clip("b")], CONFIG)
    batch = sampler.batch(4, 2, np.random.default_rng(5))
    assert batch.warped.shape == (4, 2, 3, 48, 48) and batch.patches.shape == (4, 2, 6, 48, 48)
    assert batch.sketch.shape == batch.real.shape == (4, 3, 48, 48) and batch.inner_mouth.shape == (4, 1, 48, 48)
    again = sampler.batch(4, 2, np.random.default_rng(5))
    assert all((getattr(batch, name) == getattr(again, name)).all() for name in batch.__annotations__)


def test_pairs_mostly_open_the_mouth():
    clip = drawn_clip()
    sampler = PairSampler([clip], CONFIG)
    rng = np.random.default_rng(0)
    opening = mouth_opening(clip.landmarks)
    clip = sampler.clips[0]
    drawn = [sampler._pick(clip, np.arange(len(clip.landmarks)), 1, rng) for _ in range(300)]
    differences = np.array([opening[target] - opening[sources[0]] for sources, target in drawn])
    assert (differences > 0.1).mean() > 0.5
    assert 0.1 < (differences < -0.1).mean() < 0.45


def test_the_warp_lands_on_the_target():
    clip = drawn_clip()
    cut = Cut([clip.image(5)], clip.landmarks[5:6], clip.image(9), clip.landmarks[9])
    [example] = make_examples([cut], CONFIG)
    moved = np.abs(example.warped[0].astype(int) - example.real).mean()
    assert moved < 0.35 * np.abs(example.photos[0].astype(int) - example.real).mean()


def test_clips_without_faces_are_left_out():
    lost = drawn_clip("lost")
    lost.landmarks[:] = np.nan
    sampler = PairSampler([lost, drawn_clip("seen")], CONFIG)
    assert sampler.by_speaker == [[1]]


def test_a_turned_head_has_a_large_pose_error():
    face = MEAN_FACE * 80
    assert pose_error(face, face * 1.3 + 5) == pytest.approx(0, abs=1e-6)
    turned = face.copy()
    turned[27:36, 0] += 20  # the nose moves against the eyes
    assert pose_error(face, turned) > 0.06


def test_stacking_keeps_the_order():
    clip = drawn_clip()
    cuts = [Cut([clip.image(0)], clip.landmarks[:1], clip.image(t), clip.landmarks[t]) for t in (3, 8)]
    examples = make_examples(cuts, CONFIG)
    batch = stack_examples(examples)
    assert np.array_equal(batch.real[1].permute(1, 2, 0).numpy(), examples[1].real)


@pytest.mark.parametrize(("region", "scale"), [("mouth", 1.0), ("mouth", 2.0), ("face", 2.2)])
def test_examples_cut_together_are_those_cut_alone(region, scale):
    """Also where a patch is so wide that lids are seen in it."""
    config, clip = PatchConfig(size=128, region=region, scale=scale), drawn_clip()
    cuts = [
        Cut([clip.image(s) for s in (0, t)], clip.landmarks[[0, t]], clip.image(8), clip.landmarks[8]) for t in (3, 5)
    ]
    for cut, together in zip(cuts, make_examples(cuts, config), strict=True):
        [alone] = make_examples([cut], config)
        whole = FaceDeformer(cut.photo_landmarks[1]).toward(cut.target_landmarks)
        to_frame = invert(patch_frame(region, cut.target_landmarks, 128, scale))
        wanted = look_up(cut.photos[1], whole.offsets(to_frame, (128, 128), rigid=True), to_frame)
        for made in (together, alone):
            assert (made.warped[1] != wanted).any(2).mean() < 1e-3  # 1/32 of a pixel may be rounded the other way
            assert np.array_equal(made.real, alone.real) and np.array_equal(made.sketch, alone.sketch)
