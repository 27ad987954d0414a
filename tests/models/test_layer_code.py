"""One-line descriptions of networks are read, and mistakes in them named."""

import pytest

from talkface.errors import ConfigError
from talkface.models.layer_code import Layer, num_halvings, parse_layers

REENACTMENT = "D64k9,I,D128,I,D256,I,A,D512,I,BA512*5,U256,U128,A,U64,U3"


def test_the_reenactment_line_is_read_in_order():
    layers = parse_layers(REENACTMENT)
    assert [layer.kind for layer in layers] == [*"DIDIDIADI", *["BA"] * 5, *"UUAUU"]
    assert layers[0] == Layer("D", 64, (9, 9))
    assert [layer.channels for layer in layers if layer.kind == "U"] == [256, 128, 64, 3]
    assert num_halvings(layers) == 0


def test_two_kernels_spaces_and_repeats():
    assert parse_layers(" B32k5x1*2 , A") == [Layer("B", 32, (5, 1))] * 2 + [Layer("A")]


@pytest.mark.parametrize(
    ("line", "token", "place"),
    [
        ("D64,X32", "X32", 2),
        ("D64,,U3", "", 2),
        ("D64,A64", "A64", 2),
        ("I64", "I64", 1),
        ("D", "D", 1),
        ("D64k8", "D64k8", 1),
        ("D64,BA64*0", "BA64*0", 2),
        ("D64x3", "D64x3", 1),
    ],
)
def test_a_bad_token_is_named_with_its_place(line: str, token: str, place: int):
    with pytest.raises(ConfigError, match=f"bad layer {token!r} \\(number {place} of".replace("*", r"\*")):
        parse_layers(line)
