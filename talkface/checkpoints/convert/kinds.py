"""Kind and published file -> a checkpoint of ours: every network that can be converted, and how it is recognised."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from talkface.checkpoints.convert.families import FAMILIES
from talkface.checkpoints.convert.fewshot import convert_networks, roles_in, video_rows
from talkface.checkpoints.convert.read import read_published, state_dicts
from talkface.checkpoints.fewshot import fewshot_checkpoint
from talkface.checkpoints.format import SUFFIX, Checkpoint, file_hash, save_checkpoint
from talkface.errors import CheckpointError

States = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Published:
    """A published network.

    Attributes:
        source: where it comes from, and under which licence.
        mark: name of a tensor that only this kind has.
    """

    source: str
    mark: str = ""


PUBLISHED = {
    "atvgnet-atnet": Published("github.com/lelechen63/ATVGnet, MIT by its README", "audio_eocder_fc.0.weight"),
    "atvgnet-vgnet": Published("github.com/lelechen63/ATVGnet, MIT by its README", "convGRU.weight_ih_l0"),
    "atvgnet-discriminator": Published("github.com/lelechen63/ATVGnet, MIT by its README", "img_fc.0.weight"),
    "vt": Published("github.com/vincent-thevenin/Realistic-Neural-Talking-Head-Models, GPL-3.0"),
    "grey-eye": Published("github.com/grey-eye/talking-heads, GPL-3.0"),
    "reenactment": Published("the Face Reenactment project"),
    "fewshot-authors": Published("github.com/shrubb/latent-pose-reenactment, Apache-2.0"),
    "rhythmic": Published(
        "github.com/lelechen63/Talking-head-Generation-with-Rhythmic-Head-Motion, non-commercial",
        "netG.conv_img.weight",
    ),
}
KINDS = (*PUBLISHED, "eskimez", "caffe", "vgg19-rename")


@dataclass(frozen=True)
class Converted:
    """Result of a conversion.

    Attributes:
        kind: one of `KINDS`.
        notes: what the user should know, a line each.
    """

    kind: str
    notes: tuple[str, ...] = ()


def convert_published(
    kind: str, file: Path, out: Path, *, basics: Path | None = None, table: Path | None = None
) -> Converted:
    """Write a published network in our format.

    Args:
        kind: one of `KINDS`, or `auto`.
        file: `.pth`, `.pkl`, `.tar`, `.h5`, `.caffemodel`; or a folder, where the networks lie in a file each.
        out: a `.safetensors` file.
        basics: ATVGnet's folder of that name.
        table: where W of a few-shot discriminator is written, `.npy`.

    Raises:
        CheckpointError: nothing that fits the kind, or a file that would run code.
    """
    if kind != "auto" and kind not in KINDS:
        raise CheckpointError(f"unknown kind {kind!r}: expected auto or one of {', '.join(KINDS)}")
    suffixes = {".h5": "eskimez", ".hdf5": "eskimez", ".caffemodel": "caffe"}  # that say it before anything is read
    if kind == "auto":
        kind = suffixes.get(file.suffix.lower(), kind)
    by_file = {
        "caffe": _caffe,
        "vgg19-rename": _rename,
        "eskimez": _eskimez,
    }
    if kind in by_file:
        return by_file[kind](file, out)
    if out.suffix != SUFFIX:
        raise CheckpointError(f"{out} must end in {SUFFIX}")
    states = _read(file)
    if kind == "auto":
        kind = recognised(states, file)
        if kind in by_file:
            return by_file[kind](file, out)
    provenance = {"source": PUBLISHED[kind].source, "file": file.name, "sha256": _hashes(file), "converted": kind}
    notes: tuple[str, ...] = ()
    if kind in FAMILIES:
        checkpoint, notes = _fewshot(kind, states, file, table, provenance)
    elif kind == "rhythmic":
        checkpoint = _rhythmic(states, file, provenance)
    else:
        checkpoint, notes = _atvgnet(kind, states, file, basics, provenance)
    save_checkpoint(out, checkpoint)
    return Converted(kind, notes)


def recognised(states: States, file: Path) -> str:
    """Kind of the networks in a file, by the names of their tensors.

    Raises:
        CheckpointError: none of `KINDS`.
    """
    names = {name for state in states.values() for name in state}
    for kind, published in PUBLISHED.items():
        if published.mark in names:
            return kind
    for kind in FAMILIES:
        if "generator" in roles_in(kind, states):
            return kind
    if "features.0.weight" in names:
        return "vgg19-rename"
    some = ", ".join(sorted(names)[:3]) or "no tensors"
    raise CheckpointError(
        f"{file} holds none of the networks that can be converted ({some}): expected {', '.join(KINDS)}"
    )


def _read(file: Path) -> States:
    """State dicts of a file, or of every file in a folder."""
    if not file.is_dir():
        states = state_dicts(read_published(file))
    else:
        states = {}
        for path in sorted(path for path in file.iterdir() if path.is_file()):
            states |= {f"{path.stem}.{place}": state for place, state in state_dicts(read_published(path)).items()}
    if not states:
        raise CheckpointError(f"{file} holds no network: names and tensors were expected")
    return states


def _fewshot(
    kind: str, states: States, file: Path, table: Path | None, provenance: dict[str, Any]
) -> tuple[Checkpoint, tuple[str, ...]]:
    found = roles_in(kind, states)
    for role in ("embedder", "generator"):
        if role not in found:
            raise CheckpointError(
                f"{file} holds no {role} of {kind}: give the file that holds all its networks, or the folder of them"
            )
    notes = []
    if "discriminator" not in found:
        notes.append("without a discriminator: it starts untrained when a person is fine-tuned")
    elif table is not None:
        rows = video_rows(kind, found["discriminator"])
        if rows is None:
            raise CheckpointError(f"{file} holds no W: leave the table out")
        from talkface.checkpoints.convert.video_table import save_table

        save_table(table, rows)
        notes.append(f"W of {len(rows):,} videos: {table.resolve()}")
    networks = convert_networks(kind, found, str(file))
    return fewshot_checkpoint(networks, provenance), tuple(notes)


def _atvgnet(
    kind: str, states: States, file: Path, basics: Path | None, provenance: dict[str, Any]
) -> tuple[Checkpoint, tuple[str, ...]]:
    from talkface.checkpoints.convert.atvgnet_files import (
        atnet_checkpoint,
        discriminator_checkpoint,
        vgnet_checkpoint,
    )

    mark = PUBLISHED[kind].mark
    state = next((state for state in states.values() if mark in state), None)
    if state is None:
        raise CheckpointError(f"{file} is not a network of kind {kind}: it has no tensor {mark}")
    what = f"{file}, {kind}"
    if kind == "atvgnet-discriminator":
        return discriminator_checkpoint(state, what, provenance), ()
    build = atnet_checkpoint if kind == "atvgnet-atnet" else vgnet_checkpoint
    if basics is not None:
        return build(state, what, basics, provenance), ()
    return build(state, what, None, provenance), (
        "without --basics it gives the original's numbers but moves no face: add ATVGnet's folder basics",
    )


def _rhythmic(states: States, file: Path, provenance: dict[str, Any]) -> Checkpoint:
    from talkface.checkpoints.convert.rhythmic import rhythmic_config, rhythmic_names
    from talkface.models.spade import SpadeNet

    state = next((state for state in states.values() if PUBLISHED["rhythmic"].mark in state), None)
    if state is None:
        raise CheckpointError(f"{file} is not a Rhythmic generator: {PUBLISHED['rhythmic'].mark} is missing")
    named = rhythmic_names(state)
    config = rhythmic_config(named)
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in SpadeNet(config).state_dict().items()}
    for name, shape in wanted.items():
        if name not in named or named[name].shape != shape:
            found = "is missing" if name not in named else f"has shape {list(named[name].shape)}, not {list(shape)}"
            raise CheckpointError(f"{file} is not a Rhythmic generator: {name} {found}")
    left = sorted(named.keys() - wanted.keys())
    if left:
        raise CheckpointError(f"{file} is not a Rhythmic generator: {left[0]} has no place in it")
    return Checkpoint("spade", asdict(config), named, provenance)


def _hashes(file: Path) -> str:
    if not file.is_dir():
        return file_hash(file)
    return ", ".join(f"{path.name} {file_hash(path)}" for path in sorted(file.iterdir()) if path.is_file())


def _caffe(file: Path, out: Path) -> Converted:
    from talkface.checkpoints.convert.vgg import convert_caffe

    return Converted("caffe", (convert_caffe(file, out),))


def _rename(file: Path, out: Path) -> Converted:
    from talkface.checkpoints.convert.vgg import convert_rename

    return Converted("vgg19-rename", tuple(convert_rename(file, out)))


def _eskimez(file: Path, out: Path) -> Converted:
    from talkface.checkpoints.convert.eskimez import convert_eskimez

    convert_eskimez(file, out)
    return Converted("eskimez")
