"""One line such as `D64k9,I,D128,A,BA512*5,U64,U3` -> the layers of a network, in order.

| token | layer |
|---|---|
| `D64` | residual block that halves the side, 64 channels out, no normalisation |
| `DI64` | the same with instance normalisation before each activation |
| `U64` | residual block that doubles the side, adaptive instance normalisation |
| `US64` | the same with SPADE: the sketch sets scale and shift pixel by pixel |
| `B64` | residual block of the same side, instance normalisation in a generator, none in an embedder or discriminator |
| `BA64`, `BS64` | the same with adaptive instance normalisation, with SPADE |
| `J64` | residual block of Johnson et al. 2016, which normalises after its convolutions: instance normalisation |
| `JA64`, `JN64` | the same with adaptive instance normalisation, with none |
| `I` | instance normalisation with its own scale and shift |
| `A` | self-attention |

`k9` after the channels makes the kernels of both convolutions 9 x 9, `k9x3` those of the first 9 x 9 and of the second
3 x 3; `*5` repeats a layer. The notation is after the Face Reenactment project, whose `B`, `BA` are
`J`, `JA` here.
"""

import re
from dataclasses import dataclass

from talkface.errors import ConfigError

PLAIN_KERNEL = 3
_TOKEN = re.compile(
    r"(?P<kind>BA|BS|DI|JA|JN|US|[DUBJIA])(?P<channels>\d+)?(?:k(?P<first>\d+)(?:x(?P<second>\d+))?)?(?:\*(?P<times>\d+))?"
)


@dataclass(frozen=True)
class Layer:
    """One layer; `channels` is 0 where the layer keeps what it gets."""

    kind: str  # D DI U US B BA BS J JA JN I A
    channels: int = 0
    kernels: tuple[int, int] = (PLAIN_KERNEL, PLAIN_KERNEL)


def parse_layers(line: str) -> list[Layer]:
    """Layers of `line`.

    Raises:
        ConfigError: a token that means nothing; the message names it and its place.
    """
    layers: list[Layer] = []
    for place, raw in enumerate(line.split(","), 1):
        token = raw.strip()
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise _complaint(
                token,
                place,
                line,
                "known are D64, DI64, U64, US64, B64, BA64, BS64, J64, JA64, JN64, I, A, with k9, k9x3 and *5",
            )
        layers += [_layer(match, token, place, line)] * int(match["times"] or 1)
    return layers


def num_halvings(layers: list[Layer]) -> int:
    """Number of halvings of the side, less that of doublings."""
    return sum((layer.kind in ("D", "DI")) - (layer.kind in ("U", "US")) for layer in layers)


def _layer(match: re.Match[str], token: str, place: int, line: str) -> Layer:
    kind, channels = match["kind"], int(match["channels"] or 0)
    bare = ("I", "A")  # keep the number of channels
    if kind in bare:
        if match["channels"] or match["first"]:
            raise _complaint(token, place, line, f"{kind} keeps the channels it gets: write {kind} alone")
        return Layer(kind)
    if channels == 0:
        raise _complaint(token, place, line, f"{kind} needs its number of channels, as {kind}64")
    if match["times"] == "0":
        raise _complaint(token, place, line, "a layer is repeated once or more")
    first = int(match["first"] or PLAIN_KERNEL)
    kernels = first, int(match["second"] or first)
    if any(size % 2 == 0 for size in kernels):
        raise _complaint(token, place, line, "kernels must be odd, so that they have a middle")
    return Layer(kind, channels, kernels)


def _complaint(token: str, place: int, line: str, hint: str) -> ConfigError:
    return ConfigError(f"bad layer {token!r} (number {place} of {line!r}): {hint}")
