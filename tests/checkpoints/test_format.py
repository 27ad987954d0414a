import json
import os

import pytest
import torch
from safetensors.torch import save_file

from talkface.checkpoints.format import (
    Checkpoint,
    file_hash,
    find_weights,
    list_models,
    load_checkpoint,
    save_checkpoint,
    shipped_names,
)
from talkface.errors import CheckpointError


@pytest.fixture
def checkpoint() -> Checkpoint:
    tensors = {"a.weight": torch.randn(3, 4), "a.steps": torch.tensor(7), "half": torch.randn(5).half()}
    return Checkpoint("debug", {"width": 3}, tensors, {"data": "none"}, {"score": 0.5})


def test_everything_survives_the_file(tmp_path, checkpoint):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path, "debug")
    assert (loaded.kind, loaded.config, loaded.provenance, loaded.metrics) == (
        "debug",
        {"width": 3},
        {"data": "none"},
        {"score": 0.5},
    )
    for name, tensor in checkpoint.tensors.items():
        assert torch.equal(loaded.tensors[name], tensor) and loaded.tensors[name].dtype == tensor.dtype
    assert [item.name for item in tmp_path.iterdir()] == ["net.safetensors"]


def test_the_wrong_kind_is_named(tmp_path, checkpoint):
    save_checkpoint(tmp_path / "net.safetensors", checkpoint)
    with pytest.raises(CheckpointError, match="holds a network of kind debug, expected hybrid"):
        load_checkpoint(tmp_path / "net.safetensors", "hybrid")


def test_foreign_damaged_and_newer_files_are_refused(tmp_path, checkpoint):
    text = tmp_path / "text.safetensors"
    text.write_text("not weights")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_checkpoint(text)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, foreign)
    with pytest.raises(CheckpointError, match="not written by talkface"):
        load_checkpoint(foreign)
    newer = tmp_path / "newer.safetensors"
    save_file({"x": torch.zeros(1)}, newer, metadata={"talkface": json.dumps({"format": 99, "kind": "debug"})})
    with pytest.raises(CheckpointError, match="upgrade"):
        load_checkpoint(newer)
    cut = tmp_path / "cut.safetensors"
    save_checkpoint(cut, checkpoint)
    cut.write_bytes(cut.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(cut)


def test_the_hash_follows_the_content(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"abc")
    second.write_bytes(b"abd")
    assert file_hash(first) == "ba7816bf8f01" and file_hash(second) != file_hash(first)


def test_weights_are_found_by_path_and_unknown_names_list_what_there_is(tmp_path, checkpoint):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, checkpoint)
    assert find_weights(path) == path
    with pytest.raises(CheckpointError, match=r"shipped are|did you mean"):
        find_weights("no-such-network")


def test_shipped_networks_are_small_and_carry_cards():
    models = list_models()
    assert [model.name for model in models] == shipped_names()
    assert sum(model.size_mb for model in models) <= 25
    for model in models:
        assert model.path.with_suffix(".md").is_file(), f"{model.name} has no card"


def test_others_may_read_what_the_umask_lets_them(tmp_path, checkpoint):
    before = os.umask(0o022)
    try:
        save_checkpoint(tmp_path / "net.safetensors", checkpoint)
    finally:
        os.umask(before)
    assert (tmp_path / "net.safetensors").stat().st_mode & 0o777 == 0o644
