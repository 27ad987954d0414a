"""Few-shot networks survive a file, and files of other kinds are refused."""

import dataclasses

import pytest
import torch

from talkface.checkpoints.fewshot import build_fewshot, fewshot_checkpoint, load_fewshot
from talkface.checkpoints.format import Checkpoint, load_checkpoint, save_checkpoint
from talkface.errors import CheckpointError
from talkface.models.fewshot import FewshotConfig

TINY = FewshotConfig(size=16, embedding=8, embedder="D8,A,D8", generator="D8,I,BA8,U8", discriminator="D8,D8,B8")


def test_networks_come_back_from_a_file(tmp_path):
    torch.manual_seed(0)
    networks = build_fewshot(TINY)
    for network in networks.by_name().values():
        network.eval()
    save_checkpoint(tmp_path / "few.safetensors", fewshot_checkpoint(networks, {"data": "none"}))
    loaded = load_fewshot(load_checkpoint(tmp_path / "few.safetensors"))
    assert loaded.config == TINY
    images = torch.rand(1, 2, 3, 16, 16)
    for name, network in loaded.by_name().items():
        kept, found = networks.by_name()[name].state_dict(), network.state_dict()
        assert kept.keys() == found.keys() and all(torch.equal(kept[key], found[key]) for key in kept)
    for each in (networks, loaded):
        assert not each.generator.training
    embeddings = [item.embedder(images, images) for item in (networks, loaded)]
    pictures = [item.generator(images[:, 0], item.generator.adain_params(embeddings[0])) for item in (networks, loaded)]
    judged = [item.discriminator(images[:, 0], images[:, 1])[0] for item in (networks, loaded)]
    for pair in (embeddings, pictures, judged):  # where tensors lie in memory changes a convolution's last bit
        torch.testing.assert_close(*pair, rtol=1e-5, atol=1e-6)


def test_another_kind_is_refused():
    with pytest.raises(CheckpointError, match="holds a network of kind hybrid, expected fewshot"):
        load_fewshot(Checkpoint("hybrid", {}, {}))


def test_tensors_that_do_not_fit_are_named():
    checkpoint = fewshot_checkpoint(build_fewshot(TINY), {})
    tensors = {name: tensor for name, tensor in checkpoint.tensors.items() if name != "generator.projection.bias"}
    with pytest.raises(CheckpointError, match=r"few-shot network does not fit .*projection.bias"):
        load_fewshot(dataclasses.replace(checkpoint, tensors=tensors))
