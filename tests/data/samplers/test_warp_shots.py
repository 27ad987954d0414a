"""Shots for a renderer that warps one of them: the nearest in pose comes first, and a drawn face behind the last."""

import numpy as np

from talkface.data.samplers.pairs import pose_error
from talkface.data.samplers.shots import ShotsConfig
from talkface.data.samplers.warp_shots import WarpShotSampler, hidden_features, nearest_first
from talkface.landmarks.mean_face import MEAN_FACE
from tests.drawn import drawn_clip


def turned(amount: float) -> np.ndarray:
    """The mean face with its nose moved sideways, as by a turn of the head."""
    points = 80 * MEAN_FACE + [128.0, 120.0]
    points[27:36, 0] += amount
    return points


def test_the_shot_of_the_nearest_pose_moves_to_the_front_and_the_others_keep_their_order():
    poses = [turned(amount) for amount in (30.0, -12.0, 4.0, 18.0)]
    order = nearest_first(np.array([10, 11, 12, 13]), poses, turned(0.0))
    assert order.tolist() == [12, 10, 11, 13]
    assert nearest_first(np.array([10, 11, 12, 13]), poses, turned(25.0)).tolist() == [10, 11, 12, 13]


def test_every_examples_first_shot_is_its_nearest():
    clip = drawn_clip(frames=9)
    clip.landmarks[:, 27:36, 0] += np.linspace(-20, 20, 9)[:, None]
    sampler = WarpShotSampler([clip], ShotsConfig(size=32, mirror=0.0), ani=False)
    for seed in range(8):
        frames, target = sampler.pick(0, 4, np.random.default_rng(seed))
        errors = [pose_error(clip.landmarks[frame], clip.landmarks[target]) for frame in frames]
        assert target not in frames and min(errors) == errors[0]


def test_eyes_and_mouth_are_hidden_in_boxes_around_them():
    points = 80 * MEAN_FACE + [128.0, 120.0]
    hidden = hidden_features(points, 256)[..., 0] > 0
    assert all(hidden[round(y), round(x)] for x, y in points[36:68])
    assert not any(hidden[round(y), round(x)] for x, y in [*points[:17], *points[27:31]])
    assert 0.02 < hidden.mean() < 0.2
    assert hidden_features(points - 300, 64).max() == 0  # a face outside the picture hides nothing


def test_a_drawn_face_lies_behind_the_shots_with_the_targets_sketch():
    clips = [drawn_clip("a"), drawn_clip("b")]
    plain, drawn = (WarpShotSampler(clips, ShotsConfig(size=48, mirror=0.5), ani) for ani in (False, True))
    without, batch = (sampler.batch(3, 2, np.random.default_rng(1)) for sampler in (plain, drawn))
    assert without.shots.shape == (3, 2, 3, 48, 48) and batch.shots.shape == (3, 3, 3, 48, 48)
    assert (batch.shots[:, :2] == without.shots).all() and (batch.real == without.real).all()
    assert (batch.shot_sketches[:, -1] == batch.sketch).all()
    both = WarpShotSampler(clips, ShotsConfig(size=48, mirror=0.5), True, True).batch(3, 2, np.random.default_rng(1))
    assert (both.shots[:, 3] == batch.shots[:, 2]).all() and set(both.shots[:, 2].unique().tolist()) == {0, 255}
    face = batch.shots[:, -1]
    assert (face[:, :, 0] == 0).all() and (face.amax(1) > 0).float().mean() > 0.1  # black around the face
