"""State dict of Rhythmic Head Motion's generator (`latest_net_G.pth`) -> names and settings of our `SpadeNet`.

The authors' names of layers are at the left of `RULES`, ours at the right; few-shot vid2vid's own generator, which
theirs grew out of, has the same names of SPADE layers but one encoder less and is not read.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from talkface.errors import CheckpointError
from talkface.models.spade_config import SpadeConfig

_Rule = tuple[str, str | Callable[[re.Match[str]], str]]


def _next(ours: str) -> Callable[[re.Match[str]], str]:
    """Layer `{i}` of the authors is layer i + 1 here, after the convolution at full size."""
    return lambda match: ours.format(*match.groups()[:-1], int(match.groups()[-1]) + 1)


def _before(ours: str) -> Callable[[re.Match[str]], str]:
    return lambda match: ours.format(int(match[1]) - 1)


RULES: tuple[_Rule, ...] = (
    (r"\.weight_orig$", ".parametrizations.weight.original"),
    (r"\.weight_([uv])$", r".parametrizations.weight.0._\1"),
    # references: jointly embedded, or picture and sketch apart
    (r"^netG\.(?:encoder|image_encoder)\.conv1\.", "embedding.image.0."),
    (r"^netG\.(?:encoder\.conv2|lmark_encoder\.conv1)\.", "embedding.sketch.0."),
    (r"^netG\.(?:encoder\.ref_down_img|image_encoder\.ref_down)_(\d+)\.", _next("embedding.image.{}.")),
    (r"^netG\.(?:encoder\.ref_down_lmark|lmark_encoder\.ref_down)_(\d+)\.", _next("embedding.sketch.{}.")),
    (r"^netG\.encoder\.fusion1\.", "embedding.joint_to_image."),
    (r"^netG\.encoder\.fusion2\.", "embedding.joint_to_sketch."),
    (r"^netG\.encoder\.fusion\.", "embedding.joint."),
    (r"^netG\.encoder\.atten1\.", "embedding.stacked_images."),
    (r"^netG\.encoder\.atten2\.", "embedding.stacked_sketches."),
    (r"^netG\.comb_encoder\.ref_img_up_(\d+)\.", r"matrices.image.\1."),
    (r"^netG\.comb_encoder\.ref_label_up_(\d+)\.", r"matrices.sketch.\1."),
    (r"^netG\.atten_gen\.atn_(query|key)_first\.", r"attention.\1.0."),
    (r"^netG\.atten_gen\.atn_(query|key)_(\d+)\.", _next("attention.{}.{}.")),
    # weights, label, sources
    (r"^netG\.weight_gen\.fc_spade_0_(\d+)\.", r"weights.\1.layers.first."),
    (r"^netG\.weight_gen\.fc_spade_1_(\d+)\.", r"weights.\1.layers.second."),
    (r"^netG\.weight_gen\.fc_spade_s_(\d+)\.", r"weights.\1.layers.shortcut."),
    (r"^netG\.weight_gen\.fc_spade_e_(\d+)\.", r"weights.\1.layers.label."),
    (r"^netG\.label_embedding\.up_(\d+)\.0\.", r"label.up.\1."),
    (r"^netG\.label_embedding\.", "label.down."),
    (r"^img_(ref|ani|prev)_embedding\.", r"source_embeddings.\1."),
    (r"\.conv_first\.0\.", ".down.0."),
    (r"\.down_(\d+)\.0\.", _next(".down.{}.")),
    # main branch
    (r"^netG\.conv_img\.", "to_image."),
    (r"^netG\.up_(\d+)\.", r"blocks.\1."),
    (r"^(blocks\.\d+)\.bn_0_(\d+)\.", r"\1.norms1.\2."),
    (r"^(blocks\.\d+)\.bn_1_(\d+)\.", r"\1.norms2.\2."),
    (r"^(blocks\.\d+)\.bn_s\.", r"\1.shortcut.norm."),
    (r"^(blocks\.\d+)\.conv_s\.", r"\1.shortcut.conv."),
    (r"\.mlp_gamma\.", ".scales.0."),
    (r"\.mlp_beta\.", ".shifts.0."),
    (r"\.mlp_gamma(\d)\.", _before(".scales.{}.")),
    (r"\.mlp_beta(\d)\.", _before(".shifts.{}.")),
    (r"\.batch_norm\.", ".norm."),
    # flows: activations, and doublings on the way up, were counted as layers
    (r"^warp\.flow_network_temp\.", "flows.prev."),
    (r"^warp\.flow_network_(ref|ani)\.", r"flows.\1."),
    (r"\.(down|up)_flow\.(\d+)\.0\.", lambda match: f".{match[1]}.{_flow_layer(match)}.conv."),
    (r"\.(down|up)_flow\.(\d+)\.1\.", lambda match: f".{match[1]}.{_flow_layer(match)}.norm."),
    (r"\.res_flow\.", ".blocks."),
    (r"\.conv_flow\.0\.", ".flow."),
    (r"\.conv_w\.0\.", ".mask."),
    # every layer
    (r"\.conv_0\.", ".conv1."),
    (r"\.conv_1\.", ".conv2."),
    (r"\.bn_0\.", ".norm1."),
    (r"\.bn_1\.", ".norm2."),
    (r"\.conv_s\.", ".skip_conv."),
    (r"\.bn_s\.", ".skip_norm."),
    (r"\.bn\.", ".norm."),
)


def _flow_layer(match: re.Match[str]) -> int:
    place = int(match[2])
    return place // 2 if match[1] == "down" else place // 3


def rhythmic_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under our names; `module.` of a network saved in parallel is left out.

    Raises:
        CheckpointError: two tensors that would get the same name.
    """
    named: dict[str, Tensor] = {}
    for theirs, tensor in state.items():
        ours = theirs.removeprefix("module.")
        for pattern, replacement in RULES:
            ours = re.sub(pattern, replacement, ours)
        if ours in named:
            raise CheckpointError(
                f"{theirs} has the same place as another tensor of this file: not a Rhythmic generator"
            )
        named[ours] = tensor
    return named


def rhythmic_config(state: Mapping[str, Tensor]) -> SpadeConfig:
    """Settings that rebuild the network, read off the names and shapes of `rhythmic_names`.

    What leaves no trace in the weights has the published value: pictures of 256 pixels, a flow of 20 pixels for an
    output of 1, a second picture without the sources, and the warp as PyTorch 1.3 and later run the authors' code.

    Raises:
        CheckpointError: layers that no generator of this kind lacks are missing.
    """
    try:
        first = state["embedding.image.0.conv.parametrizations.weight.original"]
        sketch = state["embedding.sketch.0.conv.parametrizations.weight.original"]
        flow = state.get("flows.ref.down.0.conv.parametrizations.weight.original")
        stacked = state.get("embedding.stacked_images.conv.parametrizations.weight.original")
        hybrid = "blocks.0.norms1.0.norm.running_mean" in state
        combines = "norms1.0.norm.running_mean" if hybrid else "norm1.scales.1.weight"
        attention = _count(state, "attention.key.")
        composed = any(name.startswith("source_embeddings.") for name in state)
        return SpadeConfig(
            sketch_channels=sketch.shape[1],
            shots=stacked.shape[1] // stacked.shape[0] if stacked is not None else 1 if hybrid else 8,
            width=first.shape[0],
            depth=_count(state, "embedding.image.") - 1,
            attention_depth=attention - 1 if attention else 2,
            fusion="hybrid" if hybrid else "attention" if attention else "mean",
            adaptive=_count(state, "weights.") > 0,
            adaptive_label="weights.0.layers.label.0.bias" in state,
            adaptive_layers=_count(state, "weights."),
            fc_layers=max(0, _count(state, "weights.0.layers.first.") - 1),
            composition="nonlinear" if composed else "linear",
            combined_layers=_count(state, "blocks.", having=combines) or 2,
            raw=composed,
            warp_ref=_count(state, "flows.ref.") > 0,
            warp_ani=_count(state, "flows.ani.") > 0,
            warp_prev=_count(state, "flows.prev.") > 0,
            flow_width=32 if flow is None else flow.shape[0],
            flow_depth=3 if flow is None else _count(state, "flows.ref.up."),
            flow_blocks=6 if flow is None else _count(state, "flows.ref.blocks."),
            align_corners=False,
        )
    except KeyError as error:
        raise CheckpointError(f"no tensor {error.args[0]!r}: not a Rhythmic generator") from error


def _count(state: Mapping[str, Tensor], prefix: str, having: str = "") -> int:
    """Different words that follow `prefix` in the names."""
    found = (name.removeprefix(prefix) for name in state if name.startswith(prefix))
    return len({rest.split(".")[0] for rest in found if rest.partition(".")[2].startswith(having)})
