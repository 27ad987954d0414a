"""The VG-net renderer on a small network: the photo around the face stays, and the memory goes on between blocks."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import Checkpoint, save_checkpoint
from talkface.data.interop.aligned import aligned_map, displacement
from talkface.errors import CheckpointError
from talkface.geometry.affine import transform
from talkface.geometry.resample import cut_patch
from talkface.inference.animator import Animator
from talkface.inference.photos import Shots
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import Track
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.vgnet import VgNet, VgnetConfig
from talkface.renderers.load import load_renderer
from talkface.renderers.vgnet import VgnetRenderer
from talkface.types import Shot

SMALL = VgnetConfig(size=32, reach=1.3, width=8, blocks=1, norm="group")


@pytest.fixture
def shots(astronaut) -> list[Shot]:
    half = np.ascontiguousarray(astronaut[::2, ::2])
    landmarks = (31 * MEAN_FACE + [111, 61]).astype(np.float32)
    darker = (half * 0.8).astype(np.uint8)
    return [Shot(half, landmarks), Shot(darker, landmarks + np.float32(1))]


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    network = VgNet(SMALL)
    network.memory.from_memory.weight.data *= 20  # untrained, it hardly remembers,
    network.heads.weight.data *= 20  # and what it remembers hardly shows
    path = tmp_path / "vg.safetensors"
    save_checkpoint(path, Checkpoint("vgnet", asdict(SMALL), network.state_dict()))
    return path


@pytest.fixture
def renderer(weights) -> VgnetRenderer:
    return load_renderer("vgnet", "cpu", weights)


def talking(landmarks: np.ndarray, frames: int) -> np.ndarray:
    moved = np.repeat(landmarks[None], frames, 0)
    moved[:, [55, 56, 57, 58, 59, 65, 66, 67, 7, 8, 9], 1] += 5 * np.sin(np.arange(frames))[:, None] ** 2
    return moved


def images(rendered) -> np.ndarray:
    return np.stack([each.image for each in rendered])


def test_what_is_away_from_the_face_is_the_photos_own(renderer, shots):
    frames = list(renderer.render(renderer.enroll(shots), talking(shots[0].landmarks, 3)))
    assert len(frames) == 3
    for frame in frames:
        assert frame.image.shape == shots[0].image.shape
        np.testing.assert_array_equal(frame.image[:, 210:], shots[0].image[:, 210:])
        np.testing.assert_array_equal(frame.image[165:], shots[0].image[165:])
        assert frame.mask is not None and 0.8 < frame.mask.max() <= 1
        assert {name: picture.shape for name, picture in frame.maps.items()} == {
            "attention": (32, 32, 3),
            "motion": (32, 32, 3),
        }
    assert not np.array_equal(frames[0].image, shots[0].image)


def test_blocks_of_a_streaming_identity_equal_one_go(renderer, shots):
    targets = talking(shots[0].landmarks, 12)
    identity = renderer.enroll(shots)
    whole = images(renderer.render(identity, targets))
    for cuts in ([8], [1, 2, 5]):
        streaming = identity.streaming()
        parts = np.concatenate([images(renderer.render(streaming, part)) for part in np.split(targets, cuts)])
        assert np.abs(parts.astype(int) - whole).max() <= 1
    forgot = np.concatenate([images(renderer.render(identity, part)) for part in np.split(targets, 3)])
    assert np.abs(forgot.astype(int) - whole).max() > 5


def test_long_speech_is_rendered_as_one_sequence(renderer, shots):
    """The animator hands over 32 frames at a time."""
    targets = talking(shots[0].landmarks, 34)
    animator = Animator(renderer, lambda: pytest.fail("no speech here"), None)
    subject = animator.subject(Shots(shots[:1], 1, []))
    whole = images(renderer.render(subject.identity, targets))
    for _ in range(2):  # a second video of the same person starts afresh
        track = Track(np.zeros((34, 68, 2)), None, exact=targets)
        made = images(animator.render(subject, track, AnimateOptions()))
        np.testing.assert_array_equal(made, whole)


def test_the_network_sees_no_head_motion(renderer, shots):
    """Shift, tilt and size of the head are in the map, not in what the network is told."""
    identity, still = renderer.enroll(shots), shots[0].landmarks
    turn = np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    tilted = (1.1 * (still - 200) @ turn.T + [230, 190]).astype(np.float32)
    np.testing.assert_allclose(displacement(still), displacement(tilted), atol=1e-4)
    upright, turned = (renderer.generate(identity, points[None])[0].image for points in (still, tilted))
    torch.testing.assert_close(upright, turned, atol=1e-3, rtol=0)
    maps = [transform(aligned_map(points, 32, 1.3), points) for points in (still, tilted)]
    np.testing.assert_allclose(*maps, atol=1e-2)


def test_with_the_attention_shut_the_own_landmarks_give_the_photo_back(renderer, shots):
    with torch.no_grad():
        renderer.network.heads.weight[3:] = 0
        renderer.network.heads.bias[3:] = -200
    identity = renderer.enroll(shots)
    landmarks = shots[0].landmarks[None]
    seen = cut_patch(shots[0].image, aligned_map(landmarks[0], 32, 1.3), 32)
    painted = renderer.generate(identity, landmarks)[0].image[0, 0]
    np.testing.assert_allclose((painted.permute(1, 2, 0).numpy() + 1) * 127.5, seen, atol=0.01)
    (frame,) = renderer.render(identity, landmarks)
    change = np.abs(frame.image.astype(int) - shots[0].image)
    left, top = shots[0].landmarks[48:].min(0).astype(int) - 3
    change[top : top + 30, left : left + 40] = 0  # between the lips the network's own pixels stay
    assert change.max() <= 3


def test_a_grey_photo_stays_grey(renderer, shots):
    grey = np.repeat(shots[0].image.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    for frame in renderer.render(renderer.enroll([Shot(grey, shots[0].landmarks)]), talking(shots[0].landmarks, 2)):
        assert np.ptp(frame.image.astype(int), axis=-1).max() <= 1


def test_without_weights_it_is_said_how_to_train():
    with pytest.raises(
        CheckpointError, match=r"ships no network: train one with .*vgnet_small\.yaml.*--renderer-model"
    ):
        load_renderer("vgnet", "cpu")


def test_another_kind_or_other_settings_are_refused(tmp_path, weights):
    save_checkpoint(tmp_path / "h.safetensors", Checkpoint("hybrid", {}, {"a": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="holds a network of kind hybrid, expected vgnet"):
        load_renderer("vgnet", "cpu", tmp_path / "h.safetensors")
    save_checkpoint(tmp_path / "o.safetensors", Checkpoint("vgnet", asdict(SMALL), {"a": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="does not fit this version"):
        load_renderer("vgnet", "cpu", tmp_path / "o.safetensors")
