"""Kind of few-shot code base -> the layout that is its own here, and which of its names stands at which layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LAYOUTS: dict[str, dict[str, Any]] = {
    "vt": {
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
    },
    "grey-eye": {
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
    },
    "reenactment": {
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
    },
    "fewshot-authors": {
        "sketch": "authors",
        "embedder": "D64,D128,D256,D512,D512,D512",
        "generator": "D64,DI128,DI256,DI512,BA512*4,U512,U256,U128,U64",
        "discriminator": "D64,D128,D256,D512,D512,D512,B512",
        "relu_before_pooling": True,
        "spectral_projection": True,
        "block_bias": False,
        "rectified_skip": True,
        "adain_around_one": False,
    },
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


_PARTS: dict[str, Parts] = {  # kind of block -> its parts; `same` blocks keep the size
    "vt": {
        "conv1": "conv_r1",
        "conv2": "conv_r2",
        "skip": "conv_l1",
        "query": "conv_g",
        "key": "conv_f",
        "value": "conv_h",
    },
    "vt same": {"conv1": "conv1", "conv2": "conv2"},
    "grey": {
        "conv1": "conv_r1.conv2d",
        "conv2": "conv_r2.conv2d",
        "skip": "conv_l.conv2d",
        "query": "query_conv",
        "key": "key_conv",
        "value": "value_conv",
    },
    "grey same": {"conv1": "conv1.conv2d", "conv2": "conv2.conv2d", "norm1": "in1", "norm2": "in2"},
    "layers": {
        "conv1": "conv_r1",
        "conv2": "conv_r2",
        "skip": "conv_l",
        "query": "query_conv",
        "key": "key_conv",
        "value": "value_conv",
    },
    "layers same": {"conv1": "conv_1", "conv2": "conv_2", "norm1": "norm_1", "norm2": "norm_2"},
    "authors first": {"conv1": "down_block.1", "conv2": "down_block.4", "skip": "skip.0"},
    "authors down": {"conv1": "block.2", "conv2": "block.5", "skip": "skip.0"},
    "authors normed": {
        "norm1": "block.0",
        "conv1": "block.3",
        "norm2": "block.4",
        "conv2": "block.7",
        "skip": "skip.0",
    },
    "authors up": {"conv1": "block.4", "conv2": "block.8", "skip": "skip.1"},
}


def _named(line: str, kind: str) -> list[tuple[str, Parts]]:
    return [(name, _PARTS[kind]) for name in line.split()]


FAMILIES: dict[str, Family] = {
    "vt": Family(
        LAYOUTS["vt"],
        embedder=_named("resDown1 resDown2 resDown3 self_att resDown4 resDown5 resDown6", "vt"),
        generator=[
            *_named("resDown1 in1 resDown2 in2 resDown3 in3 self_att_Down resDown4 in4", "vt"),
            *_named("res1 res2 res3 res4 res5", "vt same"),
            *_named("resUp1 resUp2 self_att_Up resUp3 resUp4", "vt"),
        ],
        discriminator=[
            *_named("resDown1 resDown2 resDown3 self_att resDown4 resDown5 resDown6", "vt"),
            *_named("res", "vt same"),
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
        LAYOUTS["grey-eye"],
        embedder=_named("conv1 conv2 conv3 att conv4 conv5 conv6", "grey"),
        generator=[
            *_named("conv1 in1_e conv2 in2_e conv3 in3_e att1 conv4 in4_e conv5 in5_e conv6 in6_e", "grey"),
            *_named("res1 res2 res3 res4 res5", "grey same"),
            *_named("deconv6 in6_d deconv5 in5_d deconv4 in4_d deconv3 in3_d att2 deconv2 in2_d deconv1 in1_d", "grey"),
        ],
        discriminator=[*_named("conv1 conv2 conv3 att conv4 conv5 conv6", "grey"), *_named("res_block", "grey same")],
        projection="projection",
        order="shift_scale",
        common="w_0",
        bias="b",
        table="W",
    ),
    "reenactment": Family(
        LAYOUTS["reenactment"],
        embedder=[(f"layers.{place}", _PARTS["layers"]) for place in range(7)],
        generator=[
            (f"layers.{place}", _PARTS["layers same"] if 9 <= place < 14 else _PARTS["layers"]) for place in range(19)
        ],
        discriminator=[
            (f"layers.{place}", _PARTS["layers same"] if place == 7 else _PARTS["layers"]) for place in range(8)
        ],
        projection="P",
        order="interleaved",
        common="w0",
        bias="b",
        table="embedding.weight",
    ),
    "fewshot-authors": Family(
        LAYOUTS["fewshot-authors"],
        embedder=[
            ("", _PARTS["authors first"]),
            *((f"down_blocks.{place}", _PARTS["authors down"]) for place in range(5)),
        ],
        generator=[
            ("", _PARTS["authors first"]),
            *((f"down_blocks.{place}", _PARTS["authors normed"]) for place in range(3)),
            *((f"decoder_blocks.{place}", _PARTS["authors normed"]) for place in range(4)),
            *((f"decoder_blocks.{place}", _PARTS["authors up"]) for place in range(4, 8)),
        ],
        discriminator=[
            ("", _PARTS["authors first"]),
            *((f"blocks.{place}", _PARTS["authors down"]) for place in range(6)),
        ],
        projection="project",
        order="shift_scale",
        common="linear",
        bias="",
        table="embed",
        last="decoder_blocks.11",
        sketch_first=True,
    ),
}
