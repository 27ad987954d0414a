"""Flows, 3-D face, face patches, runs of frames and chosen references of the renderer's examples."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from talkface.data.samplers.pairs import PairSampler
from talkface.data.samplers.patches import Cut, PatchConfig, Variation, make_examples, stack_examples, vary
from talkface.geometry.affine import transform
from talkface.landmarks.layout import OUTER_LIP
from talkface.landmarks.patches import patch_frame, patch_sketch
from talkface.landmarks.pose import move_head
from talkface.types import HeadPose
from tests.drawn import drawn_clip

CONFIG = PatchConfig(size=48)
EVERY = np.arange(12)  # frames of a drawn clip
PLAIN = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)


def example_of(config: PatchConfig, before: bool = False):
    clip = drawn_clip()
    shown_before = clip.landmarks[8] if before else None
    cut = Cut([clip.image(2)], clip.landmarks[2:3], clip.image(9), clip.landmarks[9], before=shown_before)
    return make_examples([cut], config)[0]


def moved_by(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    x, y = np.meshgrid(np.arange(flow.shape[1]), np.arange(flow.shape[0]))
    maps = (flow + np.stack([x, y], -1)).astype(np.float32)
    return cv2.remap(image, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def test_the_flow_between_patches_is_the_landmarks_warp():
    made = example_of(replace(CONFIG, size=80, flow=True))
    again = moved_by(made.photos[0], made.flows[0])
    inside = (slice(8, -8), slice(8, -8))
    assert np.abs(again[inside].astype(int) - made.warped[0][inside]).mean() < 2
    assert np.abs(made.photos[0][inside].astype(int) - made.warped[0][inside]).mean() > 8
    assert example_of(CONFIG).flows[0].shape == (48, 48, 0)


def test_the_flow_to_the_frame_before_fits_its_patch():
    made, clip = example_of(CONFIG, before=True), drawn_clip()
    [before] = make_examples([Cut([clip.image(2)], clip.landmarks[2:3], clip.image(8), clip.landmarks[8])], CONFIG)
    error = np.abs(moved_by(before.real, made.before_flow)[8:-8, 8:-8].astype(int) - made.real[8:-8, 8:-8]).mean()
    assert error < np.abs(before.real[8:-8, 8:-8].astype(int) - made.real[8:-8, 8:-8]).mean()


@pytest.mark.parametrize("region", ["mouth", "face"])
def test_mirroring_mirrors_everything(region):
    """A mirrored example's flow, applied to its mirrored photo, is the mirrored warp; so is the mouth's place."""
    config = PatchConfig(size=80, region=region, scale=2.2 if region == "face" else 1.0, flow=True, ani=True)
    made = example_of(config, before=True)
    mirrored = vary(made, Variation(PLAIN, 1.0, None, True))
    assert np.array_equal(mirrored.sketch, made.sketch[:, ::-1])
    assert np.array_equal(mirrored.ani, made.ani[:, ::-1])
    again = moved_by(mirrored.photos[0], mirrored.flows[0])[8:-8, 8:-8].astype(int)
    assert np.abs(again - made.warped[0][:, ::-1][8:-8, 8:-8]).mean() < 3
    if region == "face":
        corner = np.array([0.5, 0.25, 1.0])
        there, mirrored_there = made.mouth @ corner, mirrored.mouth @ (corner * [-1, 1, 1])
        assert np.allclose(there * [-1, 1], mirrored_there)


def test_the_drawn_face_covers_the_mouth_and_has_the_photos_colours():
    made = example_of(replace(CONFIG, ani=True))
    assert made.ani.shape == (48, 48, 4)
    middle = made.ani[12:36, 12:36]
    assert (middle[..., 3] == 255).mean() > 0.95
    assert np.abs(middle[..., :3].astype(float).mean((0, 1)) - made.photos[0][12:36, 12:36].mean((0, 1))).max() < 25


def test_a_face_patch_holds_the_face_and_its_lips_are_at_the_mouths_place():
    points = drawn_clip().landmarks[9].astype(np.float64)
    to_patch = patch_frame("face", points, 64, 2.2)
    placed = transform(to_patch, points)
    assert placed.min() > 0 and placed.max() < 63
    sketch = patch_sketch("face", points, to_patch, 64)
    lips = placed[OUTER_LIP].mean(0).round().astype(int)
    assert sketch[lips[1], lips[0], 1] == 255
    assert sketch[..., 1].sum() > patch_sketch("mouth", points, to_patch, 64)[..., 1].sum()  # the eyes too
    batch = stack_examples([example_of(PatchConfig(size=64, region="face", scale=2.2))])
    centre = (batch.mouth[0].numpy() @ [0, 0, 1] + 1) * 31.5
    assert np.allclose(centre, lips, atol=2)


def turning_clip(frames: int = 20):
    """A head that turns steadily to one side."""
    clip = drawn_clip(frames=frames)
    yaw = np.linspace(0, 0.5, frames)
    pose = HeadPose(np.stack([0 * yaw, yaw, 0 * yaw], 1).astype(np.float32), np.zeros((frames, 2), np.float32))
    canonical = np.repeat((clip.landmarks[:1] - [128, 120]) / 80, frames, 0)
    clip.landmarks = (move_head(canonical.astype(np.float32), pose) * 80 + [128, 120]).astype(np.float32)
    return clip


def test_the_worst_reference_is_the_one_turned_farthest():
    sampler = PairSampler([turning_clip()], CONFIG)
    usual, worst = np.random.default_rng(0), np.random.default_rng(0)
    apart = []
    for rng, flag in ((usual, False), (worst, True)):
        drawn = [sampler._pick(sampler.clips[0], EVERY, 2, rng, flag) for _ in range(100)]
        apart.append(np.mean([abs(int(sources[0]) - target) for sources, target in drawn]))
    assert apart[1] > 1.1 * apart[0]


def test_explicit_references_are_those_frames_and_never_the_target():
    sampler = PairSampler([drawn_clip()], replace(CONFIG, ref_ids=(0, 3)))
    rng = np.random.default_rng(0)
    drawn = [sampler._pick(sampler.clips[0], EVERY, 2, rng) for _ in range(50)]
    assert all(list(sources) == [0, 3] and target not in (0, 3) for sources, target in drawn)
    assert PairSampler([drawn_clip()], replace(CONFIG, ref_ids=(99,)))._pick(drawn_clip(), EVERY, 1, rng)[0][0] < 12


def test_runs_follow_each_other_without_a_photo_among_them():
    clip = drawn_clip()
    sampler = PairSampler([clip], CONFIG)
    rng = np.random.default_rng(1)
    for _ in range(50):
        sources, target = sampler._pick(sampler.clips[0], EVERY, 2, rng)
        run = sampler._run(clip, target, sources, 3, rng)
        assert (target in run and (np.diff(run) == 1).all()) or run == [target] * 3
        assert not set(run) & set(sources.tolist())
    batches = sampler.sequences(2, 1, 3, np.random.default_rng(4))
    assert len(batches) == 3
    assert batches[0].before_flow.shape == (2, 0, 48, 48) and batches[1].before_flow.shape == (2, 2, 48, 48)
    assert (batches[0].patches == batches[2].patches).all()  # the same photos in the same light
    photos = drawn_clip()
    photos.fps = 0.0
    assert PairSampler([photos], CONFIG)._run(photos, 5, np.array([0]), 3, rng) == [5, 5, 5]
