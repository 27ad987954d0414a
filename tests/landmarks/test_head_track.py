"""The track of a head: known turns are found again, and another head may repeat them for ever."""

from fractions import Fraction

import numpy as np

from talkface.landmarks.head_style import back_and_forth, calm_in_silence, shown_pose
from talkface.landmarks.head_track import head_track
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import move_head
from talkface.landmarks.smooth import fill_unseen
from talkface.types import HeadPose

FRAMES = 200


def waves() -> HeadPose:
    time = np.arange(FRAMES)[:, None] / FRAMES * 2 * np.pi
    rotation = np.radians(6) * np.sin(time * [2, 1, 3])
    return HeadPose(rotation.astype(np.float32), (0.05 * np.sin(time * [1, 2])).astype(np.float32))


def test_known_turns_and_shifts_are_found_again():
    pose = waves()
    points = 90 * move_head(np.repeat(MEAN_FACE[None], FRAMES, 0), pose) + 200
    track = head_track(points)
    found = track - track.mean(0)
    true = np.column_stack([pose.rotation, pose.translation])
    assert np.abs(found[5:-5, :3] - true[5:-5, :3]).max() < np.radians(1.5)
    assert np.abs(found[5:-5, 3:5] - true[5:-5, 3:]).max() < 0.03
    assert np.abs(found[:, 5]).max() < 0.02


def test_a_head_that_comes_nearer_grows_by_its_logarithm():
    size = np.exp(np.linspace(-0.05, 0.05, FRAMES))
    points = 90 * size[:, None, None] * MEAN_FACE[None] + 200
    track = head_track(points)
    np.testing.assert_allclose(np.ptp(track[10:-10, 5]), np.log(size[-11] / size[10]), rtol=0.12)
    assert np.abs(np.degrees(track[:, :3])).max() < 0.5


def test_walking_out_of_the_picture_is_limited():
    points = 90 * MEAN_FACE[None] + np.linspace(0, 900, FRAMES)[:, None, None]
    assert np.abs(head_track(points)[:, 3:5]).max() <= 0.2


def test_back_and_forth_never_jumps():
    track = np.arange(5.0)[:, None]
    assert back_and_forth(track, 12)[:, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]
    assert back_and_forth(track[:1], 3)[:, 0].tolist() == [0, 0, 0]
    assert back_and_forth(track, 3)[:, 0].tolist() == [0, 1, 2]


def test_unseen_frames_are_bridged_and_depth_is_not_shown():
    values = np.array([[1.0], [np.nan], [3.0], [np.nan]])
    assert fill_unseen(values, np.isfinite(values[:, 0]))[:, 0].tolist() == [1, 2, 3, 3]
    pose = shown_pose(np.full((100, 6), 0.01), Fraction(25))
    assert not pose.rotation[0].any() and not pose.translation[0].any(), "the first frame is the photo's own pose"
    np.testing.assert_allclose(np.c_[pose.rotation, pose.translation][-1], 0.01, rtol=0.01)
    far = shown_pose(np.full((100, 6), 9.0), Fraction(25))
    assert np.degrees(np.abs(far.rotation)).max() < 15 and np.abs(far.translation).max() <= 0.2


def test_long_silence_calms_and_pauses_hardly():
    activity = np.concatenate([np.ones(100), np.zeros(8), np.ones(42), np.zeros(250)])
    calmed = calm_in_silence(np.ones((400, 6)), activity, Fraction(25))[:, 0]
    assert calmed[99] == 1 and calmed[100:150].min() > 0.95
    assert calmed[-1] < 0.3 and (np.diff(calmed[150:]) <= 0).all()
