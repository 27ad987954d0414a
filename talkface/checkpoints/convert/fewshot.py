"""Few-shot networks of four published code bases -> ours, layer by layer of their layer lines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from talkface.checkpoints.convert.families import FAMILIES, Family, Parts
from talkface.checkpoints.convert.names import Renaming
from talkface.checkpoints.fewshot import FewshotNetworks, empty_fewshot
from talkface.errors import CheckpointError
from talkface.models.discriminator import ProjectionDiscriminator
from talkface.models.fewshot import FewshotConfig
from talkface.models.norms import AdaptiveNorm, InstanceNorm
from talkface.models.residual import JohnsonBlock, SelfAttention


def fewshot_config(kind: str, **changes: Any) -> FewshotConfig:
    """Settings under which our networks compute what that code base's do."""
    return FewshotConfig(**{**FAMILIES[kind].layout, **changes})


def convert_embedder(kind: str, state: Mapping[str, Tensor], network: nn.Module, what: str) -> dict[str, Tensor]:
    """An original's embedder under our names; raises `CheckpointError` as `Renaming` does."""
    family, renaming = FAMILIES[kind], Renaming(state, network, what)
    _blocks(renaming, network, family.embedder, 3 if family.sketch_first else 0)
    return renaming.finish()


def convert_generator(kind: str, state: Mapping[str, Tensor], network: Any, what: str) -> dict[str, Tensor]:
    """An original's generator under our names, the rows of its projection in our order."""
    family, renaming = FAMILIES[kind], Renaming(state, network, what)
    _blocks(renaming, network, family.generator)
    if family.last:
        renaming.spectral("last_conv", family.last)
    rows = _adain_rows(network, family.order)
    if not renaming.has(family.projection):
        renaming.spectral("projection", family.projection, rows=rows)
    else:
        weight = renaming.take(family.projection)
        if len(weight) != len(rows):
            raise CheckpointError(f"{what}: {family.projection} has {len(weight)} rows, {len(rows)} were expected")
        renaming.put("projection.weight", weight[rows], family.projection)
    return renaming.finish(family.unused)


def convert_discriminator(kind: str, state: Mapping[str, Tensor], network: nn.Module, what: str) -> dict[str, Tensor]:
    """An original's discriminator under our names, without W, which `video_rows` takes."""
    family, renaming = FAMILIES[kind], Renaming(state, network, what)
    _blocks(renaming, network, family.discriminator, 3 if family.sketch_first else 0)
    if family.bias:
        renaming.put("common", renaming.take(family.common), family.common)
        renaming.put("bias", renaming.take(family.bias), family.bias)
    else:
        renaming.put("common", _divided(renaming, family.common)[0], family.common)
        renaming.put("bias", renaming.take(f"{family.common}.bias"), f"{family.common}.bias")
    table = [name for name in state if name == family.table or name.startswith(f"{family.table}.")]
    return renaming.finish([*family.unused, *table])


def video_rows(kind: str, state: Mapping[str, Tensor]) -> Tensor | None:
    """`[V, D]` W of an original's discriminator, None where the file has none; a spectral norm is worked in."""
    table = FAMILIES[kind].table
    if table in state:
        found = state[table].float()
        return found if kind == "reenactment" else found.T.contiguous()
    if f"{table}.weight_orig" not in state:
        return None
    weight, left, right = (state[f"{table}.{part}"].float() for part in ("weight_orig", "weight_u", "weight_v"))
    return weight / torch.dot(left, weight @ right)


def roles_in(kind: str, states: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Mapping[str, Tensor]]:
    """Which of a file's state dicts are this code base's embedder, generator and discriminator; averaged ones first."""
    family = FAMILIES[kind]
    found: dict[str, Mapping[str, Tensor]] = {}
    for place in sorted(states, key=lambda place: ("running_averages" not in place, place)):
        state = states[place]
        role = _role(family, state)
        if role is not None:
            found.setdefault(role, state)
    return found


def _role(family: Family, state: Mapping[str, Tensor]) -> str | None:
    """Role of a state dict: its first convolution tells the code base, then what only one role has."""
    prefix, parts = family.embedder[0]
    first = f"{prefix}.{parts['conv1']}" if prefix else parts["conv1"]
    if not _is_there(first, state):
        return None
    if _is_there(family.projection, state):
        return "generator"
    return "discriminator" if _is_there(family.common, state) else "embedder"


def _is_there(name: str, state: Mapping[str, Tensor]) -> bool:
    return any(each in state for each in (name, f"{name}.weight", f"{name}.weight_orig"))


def convert_networks(kind: str, states: Mapping[str, Mapping[str, Tensor]], what: str) -> FewshotNetworks:
    """All three networks of a code base.

    Args:
        states: the original's tensors of `embedder`, `generator` and, if it is there, `discriminator`.
        what: what errors call the file.
    """
    config = fewshot_config(kind)
    networks = empty_fewshot(config)
    if "discriminator" not in states:
        networks = replace(networks, discriminator=ProjectionDiscriminator(config))
    converters = {
        "embedder": convert_embedder,
        "generator": convert_generator,
        "discriminator": convert_discriminator,
    }
    for name, network in networks.by_name().items():
        if name == "discriminator" and name not in states:
            continue
        tensors = converters[name](kind, states[name], network, f"{what}, the {name} of {kind}")
        network.load_state_dict(tensors, assign=True)
        network.eval()
    return networks


def _blocks(renaming: Renaming, network: Any, layers: Sequence[tuple[str, Parts]], shift: int = 0) -> None:
    """Every layer of a layer line; `shift` rolls the input channels of the first."""
    for place, (module, (prefix, parts)) in enumerate(zip(network.layers, layers, strict=True)):
        ours, dot = f"layers.{place}", f"{prefix}." if prefix else ""
        if isinstance(module, InstanceNorm):
            renaming.instance_norm(ours, prefix)
            continue
        if isinstance(module, SelfAttention):
            for part in ("query", "key", "value"):
                renaming.spectral(f"{ours}.{part}", dot + parts[part])
            renaming.put(f"{ours}.gain", renaming.take(f"{dot}gamma"), f"{dot}gamma")
            continue
        first = shift if place == 0 else 0
        renaming.spectral(f"{ours}.conv1", dot + parts["conv1"], shift=first)
        renaming.spectral(f"{ours}.conv2", dot + parts["conv2"])
        if not isinstance(module, JohnsonBlock) and module.skip is not None:
            renaming.spectral(f"{ours}.skip", dot + parts["skip"], shift=first)
        for part in ("norm1", "norm2"):
            if isinstance(getattr(module, part), InstanceNorm):
                renaming.instance_norm(f"{ours}.{part}", dot + parts[part])


def _adain_rows(network: Any, order: str) -> Tensor:
    """`[L]` where each of our adaptive parameters, scales before shifts, stands in the original's."""
    rows = torch.arange(network.slots.length)
    for module in network.modules():
        if isinstance(module, AdaptiveNorm):
            theirs = torch.arange(module.place.start, module.place.stop)
            if order == "shift_scale":
                theirs = theirs.roll(len(theirs) // 2)
            elif order == "interleaved":
                theirs = theirs.view(-1, 2).T.flatten()
            rows[module.place] = theirs
    return rows


def _divided(renaming: Renaming, theirs: str) -> Tensor:
    """A weight with its spectral norm worked in."""
    weight, left, right = (renaming.take(f"{theirs}.{part}") for part in ("weight_orig", "weight_u", "weight_v"))
    return weight / torch.dot(left, weight @ right)
