"""Demo files as a driver, and the user's own animation in place of the drawn 3-D face."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from talkface.data.interop.quintuple import read_ani, read_quintuple
from talkface.data.interop.quintuple_write import write_quintuple
from talkface.errors import ConfigError, DatasetError
from talkface.inference.driving_face import open_animation, open_driver
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.hybrid import Hybrid
from talkface.models.hybrid_config import HybridConfig
from talkface.models.spade import SpadeNet
from talkface.models.spade_config import SpadeConfig
from talkface.renderers.animation import with_animation
from talkface.renderers.hybrid import HybridRenderer
from talkface.renderers.spade import SpadeRenderer
from talkface.types import DEFAULT_FPS, Shot


class Footage:
    """A face that opens its mouth and shifts a little, 4 frames, over a picture with some texture."""

    landmarks = np.repeat((75 * MEAN_FACE + [128, 120])[None], 4, 0).astype(np.float32)
    landmarks[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] += np.array([0, 6, 12, 9], np.float32)[:, None]
    landmarks += np.array([0, 1, 2, 3], np.float32)[:, None, None]
    audio = np.zeros(640 * 4, np.float32)

    def image(self, index: int) -> np.ndarray:
        noise = np.random.default_rng(5).integers(60, 250, (16, 16, 3), np.uint8)
        return cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    prefix = tmp_path_factory.mktemp("demo") / "ada"
    write_quintuple(prefix, Footage())
    return prefix


@pytest.fixture(scope="module")
def shot() -> Shot:
    return Shot(Footage().image(0), Footage.landmarks[0])


def network(**options: object) -> HybridRenderer:
    torch.manual_seed(0)
    config = HybridConfig(patch=48, channels=(8, 8, 8), depth=1, embedding=8, **options)
    return HybridRenderer(Hybrid(config), torch.device("cpu"))


def test_demo_files_bring_their_landmarks_and_sound(demo):
    driver = open_driver(demo)
    assert (driver.video.name, driver.sound.name) == ("ada_aligned.mp4", "ada.wav")
    np.testing.assert_allclose(driver.landmarks_at(DEFAULT_FPS), Footage.landmarks, atol=1e-4)
    assert len(driver.landmarks_at(Fraction(50))) == 8
    plain = open_driver(driver.video)
    assert plain.landmarks_at(DEFAULT_FPS) is None and plain.sound is None


def test_animation_lies_where_the_target_is_and_keeps_its_frames_in_order(demo):
    driver, ani = open_driver(demo), read_quintuple(demo).ani
    animation = open_animation(ani, driver, DEFAULT_FPS)
    bigger = 1.5 * Footage.landmarks + 10
    matrix = np.array([[1 / 1.5, 0, -10 / 1.5], [0, 1 / 1.5, -10 / 1.5]])
    for target, stored in zip(bigger, read_ani(ani), strict=True):
        patch = animation.next_patch(target, matrix, 256)
        both = (patch[..., 3] > 0) & (stored[..., 3] > 0)
        assert ((patch[..., 3] > 0) != (stored[..., 3] > 0)).mean() < 0.005
        assert np.abs(patch[both].astype(int) - stored[both]).mean() < 2
    last = animation.next_patch(bigger[-1], matrix, 256)
    np.testing.assert_array_equal(last, patch)


def test_a_network_with_a_drawn_face_paints_from_the_users_own_animation(demo, shot):
    renderer = network(drawn_face=True)
    identity = renderer.enroll([shot])
    driver = open_driver(demo)
    own = with_animation(identity, open_animation(read_quintuple(demo).ani, driver, DEFAULT_FPS))
    drawn, taken = renderer._look(identity, Footage.landmarks).ani, renderer._look(own, Footage.landmarks).ani
    covered = (drawn[..., 3] > 0) & (taken[..., 3] > 0)
    assert covered.mean() > 0.9 and np.abs(drawn[covered].astype(int) - taken[covered]).mean() < 8
    fresh = with_animation(identity, open_animation(read_quintuple(demo).ani, driver, DEFAULT_FPS))
    frames = list(renderer.render(fresh, Footage.landmarks))
    assert len(frames) == 4 and frames[0].image.shape == (256, 256, 3)


def test_a_spade_network_paints_from_the_users_own_animation(demo, shot):
    config = SpadeConfig(size=64, width=4, depth=3, shots=1, adaptive_layers=1, warp_ani=True, warp=False,
                         flow_width=4, flow_depth=1, flow_blocks=1)  # fmt: skip
    renderer = SpadeRenderer(SpadeNet(config), torch.device("cpu"))
    identity = renderer.enroll([shot])
    own = with_animation(identity, open_animation(read_quintuple(demo).ani, open_driver(demo), DEFAULT_FPS))
    faces = [renderer.generate(who, Footage.landmarks, {}).warped["ani"].image for who in (identity, own)]
    drawn, taken = (127.5 * (face + 1) for face in faces)
    covered = ((drawn > 10) & (taken > 10)).all(1, keepdim=True).expand_as(drawn)
    assert covered.float().mean() > 0.1 and (drawn - taken).abs()[covered].mean() < 8


def test_an_animation_that_cannot_be_used_is_refused(demo, shot, tmp_path):
    driver, ani = open_driver(demo), read_quintuple(demo).ani
    with pytest.raises(ConfigError, match="lies on the landmarks of demo files"):
        open_animation(ani, open_driver(driver.video), DEFAULT_FPS)
    with pytest.raises(ConfigError, match="has 25 frames/s, the video is to have 30"):
        open_animation(ani, driver, Fraction(30))
    with pytest.raises(DatasetError, match=r"no file .*nobody_ani\.mp4"):
        open_animation(tmp_path / "nobody_ani.mp4", driver, DEFAULT_FPS)
    with pytest.raises(ConfigError, match="this renderer takes no animation"):
        with_animation(network().enroll([shot]), open_animation(ani, driver, DEFAULT_FPS))
