"""Names of renderer networks -> the family that takes them."""

import pytest

from talkface.errors import CheckpointError
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import find_networks, network_names


@pytest.mark.parametrize("name", ["mouth", "mouth-free", "hybrid"])
def test_every_shipped_mouth_belongs_to_the_default_family(name: str):
    found = find_networks(name)
    assert found["renderer"] == "hybrid"
    assert found.get("renderer_model", name) == name


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(CheckpointError, match="network of kind audio2landmark"):
        find_networks("audio2landmark")


def test_the_default_names_its_files():
    assert "mouth" in network_names(AnimateOptions())
    assert "mouth-free" in network_names(AnimateOptions(renderer_model="mouth-free"))
