"""Sequences from drawn clips, and faces laid onto the template."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from talkface.data.interop.aligned import aligned_map, displacement, picture_points
from talkface.data.samplers.sequences import SequenceConfig, SequenceSampler, aligned_picture
from talkface.errors import DatasetError
from talkface.geometry.affine import transform
from talkface.landmarks.layout import FLIP, mouth_opening
from talkface.landmarks.mean_face import MEAN_FACE
from tests.drawn import DrawnClip, drawn_clip

CONFIG = SequenceConfig(size=48, frames=4)


@dataclass
class TimedClip(DrawnClip):
    """With a rate; 0 where the pictures do not follow on each other."""

    fps: float = 25.0


def moved(points: np.ndarray, angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + shift


def test_displacement_knows_the_face_but_not_where_the_head_is():
    assert np.abs(displacement(moved(MEAN_FACE, 0.2, 70, (300, 200)))).max() < 1e-5
    face = MEAN_FACE.copy()
    face[66, 1] += 0.2  # a lower lip, 0.2 outer-eye distances down
    here, there = displacement(moved(face, 0, 50, (9, 9))), displacement(moved(face, -0.3, 120, (400, 90)))
    np.testing.assert_allclose(here, there, atol=1e-5)
    np.testing.assert_allclose(here[66], [0, 0.2], atol=1e-5)
    assert np.abs(np.delete(here, 66, 0)).max() < 1e-5


def test_the_picture_lies_where_its_points_say():
    face = MEAN_FACE + np.random.default_rng(0).normal(0, 0.02, (68, 2))
    photo = moved(face, 0.1, 60, (200, 150))
    for reach in (1.0, 1.3):
        seen = transform(aligned_map(photo, 64, reach), photo)
        np.testing.assert_allclose(seen, picture_points(displacement(photo), 64, reach), atol=1e-3)
    near, far = (np.ptp(picture_points(np.zeros((68, 2)), 64, reach), axis=0) for reach in (1.0, 2.0))
    np.testing.assert_allclose(near, 2 * far)


def test_reach_one_is_the_published_crop():
    """Eyes and nose of the template: the outer eye corners are 73 of 128 pixels apart, the chin is cut off."""
    points = picture_points(np.zeros((68, 2)), 128)
    assert 70 < points[45, 0] - points[36, 0] < 76 and 25 < points[36, 0] < 30
    assert points[8, 1] > 128 > picture_points(np.zeros((68, 2)), 128, 1.35)[8, 1]


def test_batch_has_its_shapes_and_repeats_with_its_seed():
    sampler = SequenceSampler([drawn_clip("a"), drawn_clip("b")], replace(CONFIG, mirror=0.5, tint=0.1, closed=0.5))
    batch = sampler.batch(3, np.random.default_rng(5))
    assert batch.photo.shape == (3, 3, 48, 48) and batch.real.shape == (3, 4, 3, 48, 48)
    assert batch.photo_landmarks.shape == (3, 68, 2) and batch.landmarks.shape == (3, 4, 68, 2)
    assert batch.mouth.shape == (3, 4, 1, 48, 48)
    again = sampler.batch(3, np.random.default_rng(5))
    assert all((getattr(batch, name) == getattr(again, name)).all() for name in batch.__annotations__)


def test_frames_follow_each_other_and_the_photo_is_none_of_them():
    sampler = SequenceSampler([drawn_clip()], CONFIG)
    rng = np.random.default_rng(0)
    for _ in range(60):
        photo, start = sampler.pick(0, rng)
        assert not start <= photo < start + 4 and 0 <= start <= 8
    openings = mouth_opening(sampler.batch(1, rng).landmarks[0].numpy() + MEAN_FACE)
    steps = np.diff(openings)
    assert (steps > 0).all() and np.ptp(steps) < 0.2 * steps.mean()


def test_a_closed_photo_is_drawn_where_asked_for():
    clip = drawn_clip()
    sampler = SequenceSampler([clip], replace(CONFIG, closed=1.0))
    rng = np.random.default_rng(0)
    photos = [sampler.pick(0, rng)[0] for _ in range(40)]
    assert np.mean(photos) < 3.5  # of 0 to 11, opening frame by frame


def test_a_near_photo_is_drawn_where_asked_for():
    sampler = SequenceSampler([drawn_clip()], replace(CONFIG, near=2))
    rng = np.random.default_rng(0)
    for _ in range(40):
        photo, start = sampler.pick(0, rng)
        assert start - 2 <= photo < start or start + 4 <= photo < start + 6


def test_gaps_are_never_in_a_sequence():
    clip = drawn_clip()
    clip.landmarks[5] = np.nan
    sampler = SequenceSampler([clip], CONFIG)
    starts = {sampler.pick(0, np.random.default_rng(seed))[1] for seed in range(40)}
    assert starts == {0, 1, 6, 7, 8}


def test_photos_and_short_clips_are_left_out():
    long, short = drawn_clip("a"), drawn_clip("b", 3)
    photos = TimedClip("c", drawn_clip().landmarks, fps=0.0)
    assert SequenceSampler([long, short, photos], CONFIG).by_speaker == [[0]]
    with pytest.raises(DatasetError, match=r"4 frames with a face in a row.*data\.frames"):
        SequenceSampler([short, photos], CONFIG)


def test_scores_go_from_a_closed_mouth_to_the_widest():
    batch = SequenceSampler([drawn_clip(name) for name in "abc"], CONFIG).spread(2)
    assert batch.real.shape[0] == 2
    openings = mouth_opening(batch.landmarks.numpy() + MEAN_FACE)
    closed = mouth_opening(batch.photo_landmarks.numpy() + MEAN_FACE)
    assert (openings.max(1) - closed > 0.2).all()


def test_a_mirrored_face_is_the_mirrored_picture_with_its_points():
    clip = drawn_clip()
    points = clip.landmarks[6] + np.float32([9, 4])
    points[54] += 8  # a crooked mouth
    image = clip.image(6)
    picture, shape, mouth = aligned_picture(image, points, CONFIG, mirrored=True)
    np.testing.assert_allclose(shape, displacement(points)[FLIP] * [-1, 1], atol=2e-2)
    flipped = points[FLIP] * np.float32([-1, 1]) + np.float32([255, 0])
    straight, _, same = aligned_picture(np.ascontiguousarray(image[:, ::-1]), flipped, CONFIG)
    np.testing.assert_array_equal(picture, straight)
    np.testing.assert_array_equal(mouth, same)
    assert mouth.max() > 200 and mouth[:20].max() == 0


def test_kept_pictures_are_the_same():
    kept, fresh = (SequenceSampler([drawn_clip()], replace(CONFIG, kept_frames=n)) for n in (100, 0))
    for seed in (0, 1, 0):
        ours, theirs = (sampler.batch(2, np.random.default_rng(seed)) for sampler in (kept, fresh))
        assert (ours.real == theirs.real).all() and (ours.mouth == theirs.mouth).all()
