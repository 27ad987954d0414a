"""Identity files: pixels stay, names are found, anything else is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import Checkpoint, load_checkpoint, save_checkpoint
from talkface.checkpoints.identity import (
    FewshotPart,
    StoredIdentity,
    find_identity,
    identity_path,
    is_identity,
    load_identity,
    save_identity,
)
from talkface.errors import CheckpointError
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.types import Shot


@pytest.fixture
def shots(astronaut) -> tuple[Shot, ...]:
    landmarks = (62 * MEAN_FACE + [222, 122]).astype(np.float32)
    large = Shot(astronaut.repeat(5, 0).repeat(5, 1), 5 * landmarks + np.float32(2))
    return Shot(astronaut, landmarks), Shot(astronaut[:, 60:], landmarks - np.float32([60, 0])), large


def test_the_canvas_stays_whole_and_further_shots_are_cut_around_the_face(tmp_path, shots):
    path = tmp_path / "ada.safetensors"
    save_identity(path, StoredIdentity(shots, None, {"command": "embed"}, {"score": 1.5}))
    read = load_identity(path)
    np.testing.assert_array_equal(read.shots[0].image, shots[0].image)
    np.testing.assert_array_equal(read.shots[0].landmarks, shots[0].landmarks)
    assert read.fewshot is None and read.provenance["command"] == "embed" and read.metrics["score"] == 1.5
    assert max(read.shots[2].image.shape) == 640
    for kept, given in zip(read.shots[1:], shots[1:], strict=True):
        nose, old = (tuple(np.round(each.landmarks[30]).astype(int)[::-1]) for each in (kept, given))
        assert np.abs(kept.image[nose].astype(int) - given.image[old]).max() < 25  # landmarks moved with the pixels
    assert [item.name for item in tmp_path.iterdir()] == ["ada.safetensors"]


def test_the_few_shot_part_comes_back(tmp_path, shots):
    part = FewshotPart("abc123", {"size": 64}, torch.rand(8), torch.rand(20), {"layers.0.weight": torch.rand(3, 3)})
    save_identity(tmp_path / "ada.safetensors", StoredIdentity(shots[:1], part))
    read = load_identity(tmp_path / "ada.safetensors").fewshot
    assert read is not None and (read.network, read.config) == ("abc123", {"size": 64})
    torch.testing.assert_close(read.adain_params, part.adain_params)
    torch.testing.assert_close(read.generator["layers.0.weight"], part.generator["layers.0.weight"], atol=1e-3, rtol=0)


def test_names_are_found_in_their_folder(tmp_path, shots, monkeypatch):
    monkeypatch.setenv("TALKFACE_IDENTITIES", str(tmp_path / "people"))
    monkeypatch.chdir(tmp_path)
    assert not is_identity("ada")
    (tmp_path / "people").mkdir()
    save_identity(identity_path("ada"), StoredIdentity(shots[:1]))
    assert is_identity("ada") and find_identity("ada") == tmp_path / "people" / "ada.safetensors"
    assert len(load_identity("ada").shots) == 1
    with pytest.raises(CheckpointError, match="kept are ada"):
        find_identity("bob")
    (tmp_path / "ada").mkdir()  # a folder of photos of that name comes first
    assert not is_identity("ada")
    assert is_identity("x/y.safetensors") and not is_identity("photo.jpg") and not is_identity(np.zeros(3))


def test_other_files_are_refused_in_one_line(tmp_path, shots):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, Checkpoint("hybrid", {}, {"a": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="holds a network of kind hybrid, expected an identity: make one with"):
        load_identity(path)
    with pytest.raises(CheckpointError, match="no identity file"):
        load_identity(Path("none.safetensors"))
    save_identity(path, StoredIdentity(shots[:1]))
    whole = load_checkpoint(path)
    for broken in ("shot_0", "landmarks"):
        kept = {name: tensor for name, tensor in whole.tensors.items() if name != broken}
        save_checkpoint(path, Checkpoint("identity", whole.config, kept))
        with pytest.raises(CheckpointError, match="damaged or of another version") as caught:
            load_identity(path)
        assert "\n" not in str(caught.value)
