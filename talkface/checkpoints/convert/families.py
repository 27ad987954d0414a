"""Kind of few-shot code base -> the layout that is its own here, and which of its names stands at which layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

VT_LAYOUT: dict[str, Any] = {
    "size": 224,
    "padded": 256,
    "sketch": "vt",
    "embedder": "D64,D128,D256,A,D512,D512,D512",
    "generator": "D64k9,I,D128,I,D256,I,A,D512,I,BA512*5,U256,U128,A,U64,U32",
    "discriminator": "D64,D128,D256,A,D512,D512,D512,JN512",
    "pooling": "max",
    "discriminator_pooling": "mean",
    "upsampling": "bilinear",
    "output": "sigmoid",
    "spectral_output": False,
    "attention": "full",
    "slope": 0.01,
    "norm_eps": 1e-5,
    "unbiased_adain": True,
    "adain_around_one": False,
    "projection_bias": False,
    "range": "unit",
    "transposed": True,
}
GREY_LAYOUT: dict[str, Any] = {
    "sketch": "grey",
    "embedder": "D64,D128,D256,A,D512,D512,D512",
    "generator": "D64,I,D128,I,D256,I,A,D512,I,D512,I,D512,I,JA512*5,U512,I,U512,I,U256,I,U128,I,A,U64,I,U3,I",
    "discriminator": "D64,D128,D256,A,D512,D512,D512,J512",
    "pooling": "max",
    "output": "sigmoid",
    "spectral_attention": False,
    "attention": "full",
    "padding": "reflect",
    "reuse_adain": True,
    "norm_eps": 1e-5,
    "unbiased_adain": True,
    "adain_around_one": False,
    "projection_bias": False,
    "range": "unit",
    "score_sigmoid": True,
}
REENACTMENT_LAYOUT: dict[str, Any] = {
    "sketch": "reenactment",
    "embedder": "D64,D128,D256,A,D512,D512,D512",
    "generator": "D64k9,I,D128,I,D256,I,A,D512,I,JA512*5,U256,U128,A,U64,U3",
    "discriminator": "D64,D128,D256,A,D512,D512,D512,J512",
    "pooling": "max",
    "upsampling": "bilinear",
    "output": "sigmoid",
    "spectral_attention": False,
    "attention": "full",
    "norm_eps": 1e-5,
    "unbiased_adain": True,
    "adain_around_one": False,
    "projection_bias": False,
    "range": "unit",
}
AUTHORS_LAYOUT: dict[str, Any] = {
    "sketch": "authors",
    "embedder": "D64,D128,D256,D512,D512,D512",
    "generator": "D64,DI128,DI256,DI512,BA512*4,U512,U256,U128,U64",
    "discriminator": "D64,D128,D256,D512,D512,D512,B512",
    "relu_before_pooling": True,
    "spectral_projection": True,
    "block_bias": False,
    "rectified_skip": True,
    "adain_around_one": False,
}

Parts = Mapping[str, str]  # our parts of a block -> theirs


@dataclass(frozen=True)
class Family:
    """Names of one code base.

    Attributes:
        layout: settings of `FewshotConfig` that differ from its defaults.
        embedder, generator, discriminator: the original's layers in our order, as (name, its parts by ours).
        projection: the tensor or layer that makes the adaptive layers' parameters.
        order: how those stand for one layer, `scale_shift`, `shift_scale` or `interleaved`.
        common, bias, table: w0, b and W of the discriminator; `common` names a spectral layer where it has a bias.
        last: the generator's last convolution, where it has one.
        sketch_first: the original joins sketch and picture in this order.
        unused: tensors that take no part in its output.
    """

    layout: Mapping[str, Any]
    embedder: Sequence[tuple[str, Parts]]
    generator: Sequence[tuple[str, Parts]]
    discriminator: Sequence[tuple[str, Parts]]
    projection: str
    order: str
    common: str
    bias: str
    table: str
    last: str = ""
    sketch_first: bool = False
    unused: Sequence[str] = field(default_factory=tuple)


_VT = {"conv1": "conv_r1", "conv2": "conv_r2", "skip": "conv_l1", "query": "conv_g", "key": "conv_f", "value": "conv_h"}
_VT_SAME = {"conv1": "conv1", "conv2": "conv2"}
_GREY_ATTENTION = {"query": "query_conv", "key": "key_conv", "value": "value_conv"}
_GREY = {"conv1": "conv_r1.conv2d", "conv2": "conv_r2.conv2d", "skip": "conv_l.conv2d", **_GREY_ATTENTION}
_GREY_SAME = {"conv1": "conv1.conv2d", "conv2": "conv2.conv2d", "norm1": "in1", "norm2": "in2"}
_LAYERS = {"conv1": "conv_r1", "conv2": "conv_r2", "skip": "conv_l", **_GREY_ATTENTION}
_LAYERS_SAME = {"conv1": "conv_1", "conv2": "conv_2", "norm1": "norm_1", "norm2": "norm_2"}
_AUTHORS_FIRST = {"conv1": "down_block.1", "conv2": "down_block.4", "skip": "skip.0"}
_AUTHORS_DOWN = {"conv1": "block.2", "conv2": "block.5", "skip": "skip.0"}
_AUTHORS_NORMED = {"norm1": "block.0", "conv1": "block.3", "norm2": "block.4", "conv2": "block.7", "skip": "skip.0"}
_AUTHORS_UP = {"conv1": "block.4", "conv2": "block.8", "skip": "skip.1"}


def _named(line: str, parts: Parts) -> list[tuple[str, Parts]]:
    return [(name, parts) for name in line.split()]


FAMILIES: dict[str, Family] = {
    "vt": Family(
        VT_LAYOUT,
        embedder=_named("resDown1 resDown2 resDown3 self_att resDown4 resDown5 resDown6", _VT),
        generator=[
            *_named("resDown1 in1 resDown2 in2 resDown3 in3 self_att_Down resDown4 in4", _VT),
            *_named("res1 res2 res3 res4 res5", _VT_SAME),
            *_named("resUp1 resUp2 self_att_Up resUp3 resUp4", _VT),
        ],
        discriminator=[
            *_named("resDown1 resDown2 resDown3 self_att resDown4 resDown5 resDown6", _VT),
            *_named("res", _VT_SAME),
        ],
        projection="p",
        order="shift_scale",
        common="w_0",
        bias="b",
        table="W_i",
        last="conv2d",
        unused=("psi", "w_prime"),
    ),
    "grey-eye": Family(
        GREY_LAYOUT,
        embedder=_named("conv1 conv2 conv3 att conv4 conv5 conv6", _GREY),
        generator=[
            *_named("conv1 in1_e conv2 in2_e conv3 in3_e att1 conv4 in4_e conv5 in5_e conv6 in6_e", _GREY),
            *_named("res1 res2 res3 res4 res5", _GREY_SAME),
            *_named("deconv6 in6_d deconv5 in5_d deconv4 in4_d deconv3 in3_d att2 deconv2 in2_d deconv1 in1_d", _GREY),
        ],
        discriminator=[*_named("conv1 conv2 conv3 att conv4 conv5 conv6", _GREY), *_named("res_block", _GREY_SAME)],
        projection="projection",
        order="shift_scale",
        common="w_0",
        bias="b",
        table="W",
    ),
    "reenactment": Family(
        REENACTMENT_LAYOUT,
        embedder=[(f"layers.{place}", _LAYERS) for place in range(7)],
        generator=[(f"layers.{place}", _LAYERS_SAME if 9 <= place < 14 else _LAYERS) for place in range(19)],
        discriminator=[(f"layers.{place}", _LAYERS_SAME if place == 7 else _LAYERS) for place in range(8)],
        projection="P",
        order="interleaved",
        common="w0",
        bias="b",
        table="embedding.weight",
    ),
    "fewshot-authors": Family(
        AUTHORS_LAYOUT,
        embedder=[("", _AUTHORS_FIRST), *((f"down_blocks.{place}", _AUTHORS_DOWN) for place in range(5))],
        generator=[
            ("", _AUTHORS_FIRST),
            *((f"down_blocks.{place}", _AUTHORS_NORMED) for place in range(3)),
            *((f"decoder_blocks.{place}", _AUTHORS_NORMED) for place in range(4)),
            *((f"decoder_blocks.{place}", _AUTHORS_UP) for place in range(4, 8)),
        ],
        discriminator=[("", _AUTHORS_FIRST), *((f"blocks.{place}", _AUTHORS_DOWN) for place in range(6))],
        projection="project",
        order="shift_scale",
        common="linear",
        bias="",
        table="embed",
        last="decoder_blocks.11",
        sketch_first=True,
    ),
}
