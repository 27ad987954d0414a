"""A person's shots, and what a few-shot network made of them <-> one file of kind `identity`.

It holds what is needed to animate: the photo that moves, whole, further shots around the face, their landmarks, and
for the few-shot renderer the embedding, the adaptive layers' parameters and, after fine-tuning, the person's own
generator. Every renderer reads the same file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.format import LARGEST_WEIGHT, SUFFIX, Checkpoint, load_checkpoint, save_checkpoint
from talkface.errors import CheckpointError
from talkface.files.check import build_record, check_array
from talkface.files.read import check_record, refusing
from talkface.media.photo import decode_picture, encode_png
from talkface.media.write import check_output
from talkface.types import Image, Shot

KIND = "identity"


@dataclass(frozen=True)
class FewshotPart:
    """Few-shot network's part of an identity.

    Attributes:
        network: first digits of the SHA-256 of the weights file that embedded the shots.
        config: its `FewshotConfig` as a dict.
        embedding: `[D]` mean over the shots.
        adain_params: `[L]` scales and shifts of the adaptive layers, fine-tuned or as projected.
        generator: the person's own generator by tensor name, empty where nothing was fine-tuned.
    """

    network: str
    config: Mapping[str, Any]
    embedding: Tensor
    adain_params: Tensor
    generator: Mapping[str, Tensor] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class StoredIdentity:
    """A person.

    Attributes:
        shots: the photo that is animated first.
        fewshot: what a few-shot network knows; None for shots alone.
        provenance: where it comes from.
        metrics: scores at the time of making.
        path: the file it was read from.
    """

    shots: tuple[Shot, ...]
    fewshot: FewshotPart | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the identity to a .safetensors file, for `load`, `animate` and `reenact`; `force` replaces one.

        Raises:
            MediaError: the file cannot be written, or is there already.
        """
        check_output(Path(path), force=force, suffixes=(SUFFIX,))
        save_identity(Path(path), self, exclusive=not force)

    @staticmethod
    def load(name_or_path: str | Path) -> "StoredIdentity":
        """Read an identity by name or path; raises `CheckpointError` as `load_identity`."""
        return load_identity(name_or_path)


def save_identity(path: Path, identity: StoredIdentity, *, exclusive: bool = False) -> None:
    """Write an identity file in one step; pixels are kept as they are.

    A face is biometric data, so the owner alone may read the file (0600). With `exclusive` a file that appeared in the
    meantime is refused.
    """
    first, *further = identity.shots
    shots = [first, *(_around_face(shot) for shot in further)]
    tensors = {f"shot_{index}": _packed(shot.image) for index, shot in enumerate(shots)}
    tensors["landmarks"] = torch.from_numpy(np.stack([shot.landmarks for shot in shots]).astype(np.float32))
    config: dict[str, Any] = {"num_shots": len(shots)}
    part = identity.fewshot
    if part is not None:
        config["fewshot"] = {"network": part.network, "config": dict(part.config)}
        tensors |= {"embedding": part.embedding.float(), "adain_params": part.adain_params.float()}
        tensors |= {f"generator.{name}": tensor.half() for name, tensor in part.generator.items()}
    kept = Checkpoint(KIND, config, tensors, dict(identity.provenance), dict(identity.metrics))
    save_checkpoint(path, kept, private=True, exclusive=exclusive)


def load_identity(name_or_path: str | Path) -> StoredIdentity:
    """Read an identity by name or path.

    Raises:
        CheckpointError: none of that name, another kind of file, or a damaged one.
    """
    path = find_identity(name_or_path)
    checkpoint = load_checkpoint(path)
    if checkpoint.kind != KIND:
        raise CheckpointError(
            f"{path} holds a network of kind {checkpoint.kind}, expected an identity: make one with `talkface enroll`"
        )
    with refusing(f"{path} is damaged or of another version: make it again", CheckpointError):
        layout = build_record(_Layout, checkpoint.config, f"the header of {path}", CheckpointError)
        shots = _read_shots(path, checkpoint.tensors, layout.num_shots)
        part = None if layout.fewshot is None else _read_fewshot(path, checkpoint.tensors, layout.fewshot)
    return StoredIdentity(shots, part, checkpoint.provenance, checkpoint.metrics, path)


@dataclass(frozen=True)
class _Layout:
    """An identity file's own settings."""

    num_shots: int
    fewshot: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        most_shots = 1_000
        if not 1 <= self.num_shots <= most_shots:
            raise ValueError(f"num_shots {self.num_shots}, expected 1 to {most_shots}")


def _read_shots(path: Path, tensors: Mapping[str, Tensor], count: int) -> tuple[Shot, ...]:
    points = tensors["landmarks"].float().numpy()
    check_array(points, [(count, 68, 2)], f"landmarks in {path}", CheckpointError)
    return tuple(
        Shot(_unpacked(tensors[f"shot_{index}"], f"shot {index + 1} in {path}"), points[index])
        for index in range(count)
    )


def _read_fewshot(path: Path, tensors: Mapping[str, Tensor], known: Mapping[str, Any]) -> FewshotPart:
    check_record(known, f"the few-shot part of {path}", CheckpointError, network=str, config=dict[str, Any])
    for name in ("embedding", "adain_params"):
        check_array(tensors[name].float().numpy(), [(None,)], f"{name} in {path}", CheckpointError, most=LARGEST_WEIGHT)
    generator = {k.removeprefix("generator."): t.float() for k, t in tensors.items() if k.startswith("generator.")}
    return FewshotPart(
        known["network"], known["config"], tensors["embedding"].float(), tensors["adain_params"].float(), generator
    )


def identity_folder() -> Path:
    """Where identities that are given by name are kept: $TALKFACE_IDENTITIES, or a folder in the user's home."""
    folder = "TALKFACE_IDENTITIES"  # environment variable: where identities are kept by name
    return Path(os.environ.get(folder) or Path.home() / ".talkface" / "identities")


def make_identity_folder() -> Path:
    """The folder of identities that are kept by name, made and closed to other users (0700)."""
    folder = identity_folder()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def list_identities() -> list[Path]:
    """Files of the identities that are kept by name, in the order of their names."""
    return sorted(identity_folder().glob(f"*{SUFFIX}"))


def identity_path(name_or_path: str | Path) -> Path:
    """Where an identity of that name is, or is to be written: a path stays as it is, a bare word is a name."""
    path = Path(name_or_path)
    if path.suffix or len(path.parts) > 1:
        return path
    return identity_folder() / f"{path.name}{SUFFIX}"


def is_identity(word: object) -> bool:
    """Whether a user's word means an identity: a file's name that ends so, or the name of one that is kept."""
    if not isinstance(word, (str, Path)):
        return False
    return Path(word).suffix == SUFFIX or (not Path(word).exists() and identity_path(word).is_file())


def find_identity(name_or_path: str | Path) -> Path:
    """Path of an identity given by path or name.

    Raises:
        CheckpointError: there is none; the message lists the names.
    """
    path = identity_path(name_or_path)
    if path.is_file():
        return path
    known = [kept.stem for kept in list_identities()]
    hint = f"kept are {', '.join(known)}" if known else "make one with `talkface enroll PHOTO -o PERSON.safetensors`"
    raise CheckpointError(f"no identity file {path}: {hint}")


def _around_face(shot: Shot) -> Shot:
    """A further shot without what is far from its face: only the mouth and the likeness are taken from it."""
    points = np.asarray(shot.landmarks, np.float64)
    low, high = points.min(0), points.max(0)
    further_side = 3.0  # side of what is kept of further shots, in the larger side of their landmarks' bounding box
    half = 0.5 * further_side * float((high - low).max())
    centre = (low + high) / 2
    height, width = shot.image.shape[:2]
    left, top = np.clip(np.floor(centre - half).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(centre + half).astype(int), (left + 1, top + 1), (width, height))
    part = np.ascontiguousarray(shot.image[top:bottom, left:right])
    cut = replace(shot, image=part, landmarks=(points - (left, top)).astype(np.float32))
    further_pixels = 640  # of that side, at most
    scale = further_pixels / max(part.shape[:2])
    if scale >= 1:
        return cut
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    exact = np.array([small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]])
    return Shot(np.asarray(small, np.uint8), ((cut.landmarks + 0.5) * exact - 0.5).astype(np.float32))


def _packed(image: Image) -> Tensor:
    """Pixels as the bytes of a PNG."""
    return torch.from_numpy(np.frombuffer(encode_png(image), np.uint8).copy())


def _unpacked(data: Tensor, where: str) -> Image:
    return decode_picture(data.numpy().tobytes(), ("PNG",), where, CheckpointError)
