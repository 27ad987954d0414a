"""Head motion of a photo: the shipped network stays calm and inside its limits; another head is followed."""

from fractions import Fraction

import numpy as np
import pytest

from talkface.audio.rhythm import Rhythm, no_rhythm
from talkface.errors import CheckpointError
from talkface.inference.subject import followed_pose, load_heads, spoken_pose
from talkface.landmarks.head_style import HEAD_STYLES
from talkface.models.headmotion import Headmotion
from talkface.types import HeadPose

FPS = Fraction(25)


@pytest.fixture(scope="module")
def shipped() -> Headmotion:
    network = load_heads("headmotion")
    assert network is not None
    return network


def talk(seconds: float, fps: Fraction = FPS) -> Rhythm:
    """Syllables five times a second, a pause every four seconds."""
    time = (np.arange(round(seconds * fps)) + 0.5) / float(fps)
    speaking = (time % 4 < 3).astype(np.float32)
    wave = (0.5 - 0.5 * np.cos(2 * np.pi * 5 * time)).astype(np.float32)
    return Rhythm(speaking * (wave > 0.8), speaking, speaking * (0.7 + 0.3 * wave))


def degrees(pose: HeadPose) -> np.ndarray:
    return np.degrees(pose.rotation)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_minute_of_speech_moves_the_head_and_never_runs_away(shipped: Headmotion, seed: int):
    pose = spoken_pose(shipped, talk(60), FPS, seed, 1.0)
    angles = degrees(pose)
    assert len(pose) == 1500 and not angles[0].any() and not pose.translation[0].any()
    assert (np.abs(angles) < [12, 15, 15]).all() and np.abs(pose.translation).max() < 0.2
    first, last = (angles[part].std(0).mean() for part in (slice(0, 500), slice(1000, 1500)))
    assert 0.7 < first < 6 and 0.7 < last < 6, "it neither freezes nor grows"
    assert np.abs(angles[1000:].mean(0)).max() < 6
    assert np.abs(np.diff(angles, axis=0)).max() < 3.5, "smooth: less than 90 degrees a second"


def test_a_minute_of_silence_is_calm(shipped: Headmotion):
    angles = degrees(spoken_pose(shipped, no_rhythm(1500), FPS, 0, 1.0))
    speaking = degrees(spoken_pose(shipped, talk(60), FPS, 0, 1.0))
    assert angles[250:].std(0).mean() < 0.4 * speaking[250:].std(0).mean()
    assert np.abs(angles).max() < 5


@pytest.mark.parametrize("rhythm_only", [False, True])
def test_styles_change_how_far_and_how_fast(shipped: Headmotion, rhythm_only: bool):
    network = None if rhythm_only else shipped
    poses = {style: spoken_pose(network, talk(40), FPS, 0, 1.0, style) for style in HEAD_STYLES}
    np.testing.assert_array_equal(poses["natural"].rotation, spoken_pose(network, talk(40), FPS, 0, 1.0).rotation)
    natural, calm, lively, nodding = (degrees(poses[style]) for style in ("natural", "calm", "lively", "nodding"))
    assert calm.std(0).mean() < 0.8 * natural.std(0).mean() < 0.95 * lively.std(0).mean()
    assert nodding[:, 0].std() > 1.2 * natural[:, 0].std() and nodding[:, 1].std() < 0.5 * natural[:, 1].std()
    speed = {style: np.abs(np.diff(degrees(pose), axis=0)).mean() for style, pose in poses.items()}
    assert speed["calm"] < 0.7 * speed["natural"] < 0.9 * speed["lively"]
    assert all((np.abs(degrees(pose)) < [12, 15, 15]).all() and not pose.rotation[0].any() for pose in poses.values())


def test_a_tempo_is_that_of_the_motion_and_not_of_the_speech(shipped: Headmotion):
    """Turned about three quarters as often, over the same length."""

    def turns(style: str) -> float:
        speeds = [np.diff(degrees(spoken_pose(shipped, talk(60), FPS, seed, 1.0, style))[:, 1]) for seed in range(4)]
        return float(np.mean([np.count_nonzero(np.diff(np.sign(speed))) for speed in speeds]))

    assert 0.5 < turns("calm") / turns("natural") < 0.9 and turns("lively") > 1.05 * turns("natural")


def test_a_seed_is_a_motion_and_an_amount_its_size(shipped: Headmotion):
    pose, same, other, half = (
        spoken_pose(shipped, talk(6), FPS, seed, amount) for seed, amount in ((3, 1), (3, 1), (4, 1), (3, 0.5))
    )
    np.testing.assert_array_equal(pose.rotation, same.rotation)
    assert np.abs(degrees(pose) - degrees(other)).max() > 0.5
    np.testing.assert_allclose(half.rotation, 0.5 * pose.rotation, atol=1e-6)


@pytest.mark.parametrize("fps", ["24", "30000/1001", "60", "10"])
def test_other_frame_rates_show_the_same_motion(shipped: Headmotion, fps: str):
    rate = Fraction(fps)
    usual, other = (spoken_pose(shipped, talk(8, each), each, 0, 1.0) for each in (FPS, rate))
    assert len(other) == round(8 * rate)
    # same speed and extent; the very path may part where a rounding of the onsets tips a mixture
    extents = [degrees(pose).std(0).mean() for pose in (usual, other)]
    assert 0.4 < extents[1] / extents[0] < 2.5
    assert np.abs(np.diff(degrees(other), axis=0)).max() * float(rate) < 100


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_word_is_enough(shipped: Headmotion, frames: int):
    for rate in (FPS, Fraction(60)):
        assert len(spoken_pose(shipped, no_rhythm(frames), rate, 0, 1.0)) == frames


def test_rhythm_is_the_one_without_a_network():
    assert load_heads("rhythm") is None
    pose = spoken_pose(None, talk(6), FPS, 0, 1.0)
    assert 0.1 < degrees(pose).std() < 3
    with pytest.raises(CheckpointError, match="did you mean headmotion"):
        load_heads("headmotoin")
    with pytest.raises(CheckpointError, match="expected headmotion"):
        load_heads("hybrid")


def test_another_head_is_followed_from_rest_and_back():
    time = np.arange(40) / 25
    track = np.zeros((40, 6))
    track[:, 1] = 0.1 * np.sin(2 * np.pi * time / 1.6 * 0.7)
    pose = followed_pose(track, 200, FPS, 1.0)
    assert len(pose) == 200 and not pose.rotation[0].any()
    np.testing.assert_allclose(pose.rotation[78:118, 1], track[:, 1], atol=0.01)  # a second time
    np.testing.assert_allclose(pose.rotation[118:156, 1], track[-2:0:-1, 1], atol=0.01)  # and backwards
    assert np.abs(np.diff(pose.rotation[:, 1])).max() < 0.02
