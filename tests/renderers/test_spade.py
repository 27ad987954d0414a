"""The SPADE renderer on a small network: the photo around the face stays, shots are chosen by pose, memory goes on."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import Checkpoint, save_checkpoint
from talkface.errors import CheckpointError
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.spade import SpadeNet
from talkface.models.spade_config import SpadeConfig
from talkface.renderers.load import load_renderer
from talkface.renderers.spade import SpadeRenderer
from talkface.types import Shot

SMALL = SpadeConfig(
    size=32, sketch="lines", crop_side=1.6, shots=3, width=4, depth=3, adaptive_layers=2, flow_width=4, flow_depth=1,
    flow_blocks=1,
)  # fmt: skip


@pytest.fixture
def shots(astronaut) -> list[Shot]:
    half = np.ascontiguousarray(astronaut[::2, ::2])
    landmarks = (31 * MEAN_FACE + [111, 61]).astype(np.float32)
    turned = landmarks.copy()
    turned[27:36, 0] += 6
    return [Shot(half, landmarks), Shot((half * 0.8).astype(np.uint8), turned)]


def saved(folder, config: SpadeConfig):
    torch.manual_seed(0)
    path = folder / "spade.safetensors"
    save_checkpoint(path, Checkpoint("spade", asdict(config), SpadeNet(config).state_dict()))
    return path


def renderer(folder, **options) -> SpadeRenderer:
    return load_renderer("spade", "cpu", saved(folder, replace(SMALL, **options)))


def talking(landmarks: np.ndarray, frames: int) -> np.ndarray:
    moved = np.repeat(landmarks[None], frames, 0)
    moved[:, [55, 56, 57, 58, 59, 65, 66, 67, 7, 8, 9], 1] += 5 * np.sin(np.arange(frames))[:, None] ** 2
    return moved


def images(rendered) -> np.ndarray:
    return np.stack([frame.image for frame in rendered])


def test_what_is_away_from_the_face_is_the_photos_own(tmp_path, shots):
    made = renderer(tmp_path)
    frames = list(made.render(made.enroll(shots), talking(shots[0].landmarks, 3)))
    for frame in frames:
        np.testing.assert_array_equal(frame.image[:, 210:], shots[0].image[:, 210:])
        np.testing.assert_array_equal(frame.image[165:], shots[0].image[165:])
        assert frame.mask is not None and 0.8 < frame.mask.max() <= 1
    assert not np.array_equal(frames[0].image, shots[0].image)


def test_few_shots_are_repeated_and_further_ones_left_out(tmp_path, shots):
    made = renderer(tmp_path)
    assert made.enroll(shots[:1]).pictures.shape == (3, 3, 32, 32)
    assert made.enroll([*shots, *shots, *shots]).pictures.shape == (3, 3, 32, 32)


def test_the_shot_of_the_nearest_pose_is_warped(tmp_path, shots):
    made = renderer(tmp_path, warp=False)
    identity = made.enroll(shots)
    targets = np.stack([shot.landmarks for shot in shots])
    warped = made.generate(identity, targets, {}).warped["ref"].image
    assert torch.equal(warped, identity.pictures[:2])


def test_a_block_of_frames_equals_frames_one_by_one(tmp_path, shots):
    made = renderer(tmp_path, warp_ani=True)
    identity, targets = made.enroll(shots), talking(shots[0].landmarks, 3)
    whole = images(made.render(identity, targets)).astype(int)
    single = np.concatenate([images(made.render(identity, target[None])) for target in targets])
    assert np.abs(whole - single).max() <= 1


def test_the_last_frame_is_carried_from_block_to_block(tmp_path, shots):
    made = renderer(tmp_path, warp_prev=True)
    identity, targets = made.enroll(shots), talking(shots[0].landmarks, 4)
    whole = images(made.render(identity.streaming(), targets))
    streaming = identity.streaming()
    parts = np.concatenate([images(made.render(streaming, part)) for part in np.split(targets, [1])])
    np.testing.assert_array_equal(parts, whole)
    first = images(made.render(identity, targets[3:]))
    assert not np.array_equal(first[0], whole[3])


def test_eyes_and_mouth_of_the_warped_shot_are_hidden_where_asked_for(tmp_path, shots):
    made = renderer(tmp_path, warp=False, crop_ref=True)
    identity = made.enroll(shots)
    warped = made.generate(identity, shots[0].landmarks[None], {}).warped["ref"].image
    changed = (warped != identity.pictures[:1]).any(1)
    assert 0.02 < changed.float().mean() < 0.3 and (warped[changed[:, None].expand_as(warped)] == -1).all()


def test_without_weights_it_is_said_how_to_train():
    with pytest.raises(CheckpointError, match=r"ships no network: train one with .*spade_small\.yaml"):
        load_renderer("spade", "cpu")


def test_weights_of_other_settings_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, Checkpoint("spade", asdict(replace(SMALL, width=8)), SpadeNet(SMALL).state_dict()))
    with pytest.raises(CheckpointError, match="does not fit this version"):
        load_renderer("spade", "cpu", path)
